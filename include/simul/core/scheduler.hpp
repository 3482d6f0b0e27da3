#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

#include <simul/core/intrusive_list.hpp>

/// The part of a loop that core needs: a queue of what is ready, and what is running now.
///
/// Theory. Everything that runs on a loop runs from `scheduler::run_ready`, one node after the other. Two
/// rules make the rest simple:
///   1. A coroutine hands over to another one only by symmetric transfer, as the last thing it does.
///   2. A frame is destroyed only from here, between two resumptions (by a node's run()), or by the frame
///   that owns
///      it; never inside an await_suspend.
/// g++ turns a symmetric transfer into a tail call only with optimisation and without sanitizers. So on g++
/// the transfers are counted, and every `transfers_max`-th goes through `bounce`: await_suspend returns a
/// no-op, the stack unwinds to run_ready, and that resumes what was to be next.
///
/// Threads: a scheduler belongs to the thread that runs it. Nothing here is atomic.
namespace simul::detail {

class scope;
struct promise_base;

/// Something that waits for its turn.
struct ready_node {
    ready_node* next_ready = nullptr;

    ready_node() = default;
    ready_node(const ready_node&) = delete;
    ready_node& operator=(const ready_node&) = delete;

    /// Its turn has come. The node is in no queue any more and may be destroyed by what it does.
    virtual void run() noexcept = 0;

  protected:
    ~ready_node() = default;
};

class scheduler {
  public:
    scheduler() = default;
    scheduler(const scheduler&) = delete;
    scheduler& operator=(const scheduler&) = delete;

    /// Puts `node` at the end of the queue. It must not be in it already.
    void post(ready_node& node) noexcept {
        node.next_ready = nullptr;
        *tail_ = &node;
        tail_ = &node.next_ready;
    }

    bool has_ready() const noexcept { return head_ != nullptr || bounce_; }

    /// Runs up to `limit` nodes; gives how many ran.
    std::size_t run_ready(std::size_t limit) noexcept;

    /// What await_suspend returns to continue with `next`. See the theory above.
    std::coroutine_handle<> transfer(std::coroutine_handle<> next) noexcept {
#if defined(__GNUC__) && !defined(__clang__)
        if (++transfers_ >= transfers_max && !bounce_) {
            transfers_ = 0;
            bounce_ = next;
            return std::noop_coroutine();
        }
#endif
        return next;
    }

    /// Reports an error that has nobody left to be thrown at: the late error of a race's loser, say.
    virtual void report(std::exception_ptr error, const char* what) noexcept = 0;
    virtual void report(std::string message) noexcept = 0;

    /// The scope of the code that runs now; null between turns.
    scope* current = nullptr;
    /// Set while frames of a canceled task are being destroyed: the destructors run inside this scope.
    scope* unwinding = nullptr;

    /// How often yield() went on at once since it last went through the queue.
    unsigned idle_yields = 0;

    static constexpr unsigned transfers_max = 128;

  protected:
    ~scheduler() = default;

  private:
    ready_node* head_ = nullptr;
    ready_node** tail_ = &head_;
    std::coroutine_handle<> bounce_;
    unsigned transfers_ = 0;
};

/// The scheduler that runs on this thread, or null. Out of line, so that no compiler keeps the address of the
/// thread-local over a suspension.
scheduler* current_scheduler() noexcept;
/// Sets it; gives the one before.
scheduler* exchange_current_scheduler(scheduler* replacement) noexcept;

/// The same, for calls that make no sense outside of a loop: throws errc::no_loop naming `call`.
scheduler& require_scheduler(const char* call);

}  // namespace simul::detail
