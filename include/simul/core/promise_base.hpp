#pragma once

#include <coroutine>
#include <exception>
#include <source_location>
#include <string>

#include <simul/core/cancel_scope.hpp>
#include <simul/core/frame_pool.hpp>
#include <simul/core/scheduler.hpp>

namespace simul::detail {

struct promise_base;

/// What waits for a coroutine: an awaiter in the frame of its parent, a slot of a combinator, a group, a
/// root.
struct waiter {
    /// Resumed when the child is done, if set; else child_done() decides.
    std::coroutine_handle<> continuation;
    /// The coroutine that waits; null at a root.
    promise_base* parent = nullptr;

    waiter() = default;
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;

    /// The child is at its final suspension point; gives what to run next. It must not destroy the child's
    /// frame.
    virtual std::coroutine_handle<> child_done(promise_base& child) noexcept;

    /// The child was canceled and is suspended for good. Destroys its frame. Gives the parent if that is to
    /// be unwound in its turn, else null. Called between turns only.
    virtual promise_base* child_stopped(promise_base& child) noexcept = 0;

  protected:
    ~waiter() = default;
};

/// The first base of every promise of the library. Its address gives the frame, so derived promises add no
/// member that needs a larger alignment (results are kept by the waiter, not in the frame).
struct promise_base {
    waiter* waiter_ = nullptr;
    scope* scope_ = nullptr;
    std::source_location where_{};  ///< the await in which the coroutine is suspended

    promise_base() noexcept = default;
    promise_base(const promise_base&) = delete;
    promise_base& operator=(const promise_base&) = delete;

    std::coroutine_handle<> handle() noexcept {
        return std::coroutine_handle<promise_base>::from_promise(*this);
    }
    /// Destroys the frame.
    void destroy() noexcept { handle().destroy(); }
    /// The exception that leaves the coroutine's body. One that a destructor throws while the frame is taken
    /// down ends the program, as it does in C++ elsewhere: nobody is there to hear it, and the frame is gone.
    std::exception_ptr escaping() const noexcept;

    static void* operator new(std::size_t size) { return allocate_frame(size); }
    static void operator delete(void* frame, std::size_t size) noexcept { free_frame(frame, size); }
};

/// Delivers "canceled" to a suspended coroutine: destroys it and whoever waits for it plainly, from the leaf
/// upwards. Iterative, so the depth of the chain does not matter. Called between turns only.
void unwind(promise_base* stopped) noexcept;

/// The chain of awaits from `innermost` outwards, one line each: "in task<> reader(...) at reader.cpp:12".
std::string async_stack(const promise_base* innermost, const char* indent);

}  // namespace simul::detail
