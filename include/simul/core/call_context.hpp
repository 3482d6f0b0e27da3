#pragma once

#include <atomic>
#include <optional>

#include <simul/base/time.hpp>

namespace simul {

namespace detail {
class scope;
}

/// What code finds at the place where it runs: the deadline and the cancellation of its caller.
///
/// In a task these are the task's (this_task). On a thread of a pool and in a worker process they are those
/// of the `run` that sent the function there. Elsewhere there is no deadline and nobody cancels. Lifetime: a
/// value; as good as long as the call runs.
class call_context {
  public:
    call_context() = default;
    call_context(time_point deadline, const std::atomic<bool>* cancel_requested) noexcept
        : deadline_(deadline), cancel_requested_(cancel_requested) {}

    /// When the caller stops waiting; nothing if it waits for ever.
    std::optional<time_point> deadline() const noexcept {
        return deadline_ == time_point::max() ? std::nullopt : std::optional(deadline_);
    }
    /// Until the deadline; duration::max() if there is none, 0 when it has passed.
    duration time_left() const noexcept;

    /// Nobody waits for the result any more: the caller was canceled, or the deadline has passed. A function
    /// that takes long asks this from time to time and returns early.
    bool canceled() const noexcept;

    /// Throws canceled_error if canceled().
    void throw_if_canceled() const;

  private:
    friend call_context here() noexcept;

    time_point deadline_ = time_point::max();
    const detail::scope* scope_ = nullptr;
    const std::atomic<bool>* cancel_requested_ = nullptr;
};

/// The context of the code that asks.
call_context here() noexcept;

namespace detail {

/// Makes `context` the one that here() gives on this thread, for the lifetime of this object.
class call_context_scope {
  public:
    explicit call_context_scope(const call_context& context) noexcept;
    ~call_context_scope();
    call_context_scope(const call_context_scope&) = delete;
    call_context_scope& operator=(const call_context_scope&) = delete;

  private:
    call_context before_;
};

/// In a task that a call of this thread started: its scope gets the call's deadline. Nobody enforces it
/// there.
void inherit_call_deadline() noexcept;

}  // namespace detail

}  // namespace simul
