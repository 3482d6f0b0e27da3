#pragma once

#include <functional>
#include <type_traits>
#include <utility>

#include <simul/core/attached_errors.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/timeout.hpp>

namespace simul {

/// How long a clean-up may take, by default.
inline constexpr duration cleanup_budget_default = std::chrono::seconds(5);

namespace detail {

/// The clean-up: shielded, within its budget; gives its outcome (canceled: the budget was used up).
class [[nodiscard]] cleanup_operation final : public timed_child<void> {
  public:
    cleanup_operation(child_frame<void> child, duration budget) noexcept
        : timed_child<void>(child.release(), budget, true) {}
    outcome<void> await_resume() { return std::move(this->result_); }

  private:
    void fired() noexcept override;
    bool has_result() noexcept override { return true; }
};

template <class T, class Cleanup>
task<T> run_finally(child_frame<T> body, Cleanup cleanup, duration budget) {
    outcome<T> result = co_await outcome_operation<T>(std::move(body));
    outcome<void> cleaned = co_await cleanup_operation(frame_of_call(cleanup), budget);
    if (cleaned.has_error()) {
        if (result.has_error())
            attach_error(result.error(), cleaned.error());
        else
            std::rethrow_exception(cleaned.error());
    }
    if (result.canceled()) co_await checkpoint();  // we are canceled, so this ends here
    co_return std::move(result).value();
}

}  // namespace detail

/// Runs `work`, and afterwards, however it ended, `cleanup()`, a function that gives a task<>.
///
/// The place for clean-up that must wait (a polite close, a roll-back): destructors cannot wait, and in a
/// canceled task nothing else may. `cleanup` runs shielded from cancels, within `budget`; past it, what it
/// still does is canceled and reported to the loop's error hook, and things go on. Gives what `work` gives.
/// Throws what `work` throws (an error of `cleanup` is attached), or what `cleanup` throws. Lifetime:
/// `cleanup`, with its captures, is kept until it is done.
template <class A, class Cleanup>
    requires awaitable<std::remove_cvref_t<A>>
auto finally(A&& work, Cleanup&& cleanup, any_duration budget = cleanup_budget_default) {
    using T = await_result_t<std::remove_cvref_t<A>>;
    static_assert(std::is_invocable_v<std::decay_t<Cleanup>&>,
                  "the clean-up is a function that makes its task when it is needed: finally(work, [&]() -> "
                  "task<> {...})");
    return detail::run_finally<T, std::decay_t<Cleanup>>(detail::frame_of(std::forward<A>(work)),
                                                         std::forward<Cleanup>(cleanup), budget);
}

namespace detail {

template <class R, class Body>
auto run_with(child_frame<R> open, Body body, duration budget)
    -> task<await_result_t<std::invoke_result_t<Body&, R&>>> {
    using T = await_result_t<std::invoke_result_t<Body&, R&>>;
    outcome<R> opened = co_await outcome_operation<R>(std::move(open));
    if (opened.canceled()) co_await checkpoint();
    R resource = std::move(opened).value();
    co_return co_await run_finally<T>(
        frame_of_call(body, resource), [&resource]() -> task<> { co_await resource.close(); }, budget);
}

}  // namespace detail

/// Opens a resource, runs `body(resource)`, and closes it with `co_await resource.close()`, however the body
/// ended.
///
/// `co_await with(connect(address), [&](connection& c) -> task<int> { ... });` The close is a clean-up as in
/// `finally`. Gives what the body gives. Elsewhere: `async with`.
template <class A, class Body>
    requires awaitable<std::remove_cvref_t<A>>
auto with(A&& open, Body&& body, any_duration budget = cleanup_budget_default) {
    using R = await_result_t<std::remove_cvref_t<A>>;
    static_assert(std::is_invocable_v<std::decay_t<Body>&, R&>,
                  "with: the body takes a reference to what was opened");
    return detail::run_with<R, std::decay_t<Body>>(detail::frame_of(std::forward<A>(open)),
                                                   std::forward<Body>(body), budget);
}

}  // namespace simul
