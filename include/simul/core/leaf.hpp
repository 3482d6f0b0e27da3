#pragma once

#include <coroutine>
#include <source_location>
#include <type_traits>

#include <simul/core/cancel_scope.hpp>
#include <simul/core/promise_base.hpp>
#include <simul/core/scheduler.hpp>

/// How operations that really wait are written (sleep, receive, lock, recv ...).
///
/// A leaf is an awaiter that lives in the frame of the awaiting coroutine. It is at once the node in the
/// ready queue and in the scope's list of what waits, so waiting allocates nothing.
namespace simul::detail {

/// Marks awaiters of the library: await_transform passes them through as they are.
struct awaiter_base {
    promise_base* awaiting_ = nullptr;
};

class leaf : public awaiter_base, public ready_node, public list_node<leaf_tag> {
  public:
    leaf() = default;

    /// What it does, for the task tree and the deadlock report: "sleep", "receive from a channel".
    virtual const char* describe() const noexcept = 0;

    const promise_base* awaiting() const noexcept { return awaiting_; }

    /// The scope was canceled.
    void scope_canceled() noexcept {
        if (posted_) {
            if (!stopped_) on_cancel_late();
        } else if (!cancel_sent_) {
            cancel_sent_ = true;
            on_cancel();
        }
    }

  protected:
    ~leaf() { list_node<leaf_tag>::unlink(); }

    /// The scope was canceled while the operation waits. Must lead, now or later, to one resume() or one
    /// stop().
    virtual void on_cancel() noexcept = 0;

    /// The scope was canceled when the operation was complete and its task not yet resumed. By default the
    /// result stands. An operation that can give back what it was handed does so and calls revoke().
    virtual void on_cancel_late() noexcept {}

    bool canceled() const noexcept { return awaiting_->scope_->canceled(); }
    scope& my_scope() const noexcept { return *awaiting_->scope_; }
    scheduler& on() const noexcept { return my_scope().on(); }

    /// Complete: the task goes on in its turn.
    void resume() noexcept {
        posted_ = true;
        on().post(*this);
    }
    /// Canceled: the task is unwound in its turn.
    void stop() noexcept {
        posted_ = stopped_ = true;
        on().post(*this);
    }
    /// In on_cancel_late only: what resume() promised is taken back.
    void revoke() noexcept { stopped_ = true; }

    bool posted() const noexcept { return posted_; }
    void enter_scope() noexcept { my_scope().add(*this); }

  private:
    void run() noexcept final;

    bool posted_ = false;
    bool cancel_sent_ = false;
    bool stopped_ = false;
};

/// The awaiter protocol over `leaf`. `Self` provides
///   bool ready()   can it complete at once, and did it?        (not called in a canceled scope)
///   bool start()   starts it; false: complete at once          (likewise)
///   R result()     what the await gives
template <class Self>
class leaf_operation : public leaf {
  public:
    bool await_ready() { return !canceled() && self().ready(); }

    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise>) {
        static_assert(std::is_base_of_v<promise_base, Promise>,
                      "this operation can only be awaited in a simul::task or simul::async_generator");
        if (canceled())
            stop();
        else if (!self().start())
            return false;
        enter_scope();
        return true;
    }

    decltype(auto) await_resume() { return self().result(); }

  private:
    Self& self() noexcept { return static_cast<Self&>(*this); }
};

}  // namespace simul::detail
