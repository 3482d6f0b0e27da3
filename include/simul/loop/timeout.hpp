#pragma once

#include <algorithm>
#include <source_location>
#include <system_error>
#include <utility>

#include <simul/base/error.hpp>
#include <simul/core/boundary.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/timer.hpp>

namespace simul {
namespace detail {

/// A single child with a time limit.
template <class T>
class timed_child : public single_child<T>, private timer {
  public:
    timed_child(promise_base* child, duration limit, bool shielded = false) noexcept
        : single_child<T>(child, shielded), limit_(limit) {
        is_limit = true;
    }
    ~timed_child() { closing(); }

  protected:
    void opened() noexcept override {
        loop& l = loop_access::of(this->on());
        const time_point now = l.now();
        const duration ahead = std::max(limit_, duration::zero());
        deadline = ahead > time_point::max() - now ? time_point::max() : now + ahead;
        this->scope_.set_deadline(deadline);
        if (deadline == time_point::max()) return;
        if (limit_ <= duration::zero())
            this->scope_.cancel({cancel_reason::kind::deadline, {}});
        else
            loop_access::timers(l).arm(*this);
    }
    void closing() noexcept override {
        if (armed()) loop_access::timers(loop_access::of(this->on())).disarm(*this);
    }
    void fired() noexcept override { this->scope_.cancel({cancel_reason::kind::deadline, {}}); }

    // Nothing came of it because its own time was up: that ends here. A cancel from outside travels on.
    bool has_result() noexcept override {
        return !this->result_.canceled() || !this->awaiting_->scope_->canceled();
    }

    duration limit_;
};

[[noreturn]] void throw_timed_out(duration limit, const std::source_location& where);

template <class T>
class [[nodiscard("await it: co_await timeout(limit, ...)")]] timeout_operation final
    : public timed_child<T> {
  public:
    timeout_operation(child_frame<T> child, duration limit) noexcept
        : timed_child<T>(child.release(), limit) {}
    T await_resume() {
        if (this->result_.canceled()) throw_timed_out(this->limit_, this->awaiting_->where_);
        return std::move(this->result_).value();
    }
};

template <class T>
class [[nodiscard("await it: co_await move_on_after(limit, ...)")]] move_on_operation final
    : public timed_child<T> {
  public:
    move_on_operation(child_frame<T> child, duration limit) noexcept
        : timed_child<T>(child.release(), limit) {}
    maybe<T> await_resume() { return to_maybe<T>(std::move(this->result_)); }
};

}  // namespace detail

/// Finishes `work` within `limit`, or cancels it and throws.
///
/// When the time is up, `work` is canceled and awaited before the exception leaves; if it completes all the
/// same, in that turn or because it would not stop, its result counts. The limit is seen inside as
/// this_task::deadline(). Cancel:  canceling the caller cancels `work`. Throws:  std::system_error with
/// errc::timed_out (condition::timed_out); whatever `work` throws. Elsewhere: asyncio.timeout, wait_for,
/// trio.fail_after.
template <class A>
    requires awaitable<std::remove_cvref_t<A>>
auto timeout(any_duration limit, A&& work) {
    return detail::timeout_operation<await_result_t<std::remove_cvref_t<A>>>(
        detail::frame_of(std::forward<A>(work)), limit);
}

/// As timeout, but gives an empty optional (false for void) when the time is up. Elsewhere:
/// trio.move_on_after.
template <class A>
    requires awaitable<std::remove_cvref_t<A>>
auto move_on_after(any_duration limit, A&& work) {
    return detail::move_on_operation<await_result_t<std::remove_cvref_t<A>>>(
        detail::frame_of(std::forward<A>(work)), limit);
}

}  // namespace simul
