#pragma once

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <simul/core/boundary.hpp>

/// Operations that run one piece of work in a scope of its own: shield, outcome_of, with_scope.
namespace simul {
namespace detail {

template <class T>
class [[nodiscard("await it: co_await shield(...)")]] shield_operation final : public single_child<T> {
  public:
    explicit shield_operation(child_frame<T> child) noexcept : single_child<T>(child.release(), true) {}
    T await_resume() { return std::move(this->result_).value(); }
};

template <class T>
class [[nodiscard("await it: co_await outcome_of(...)")]] outcome_operation final : public single_child<T> {
  public:
    explicit outcome_operation(child_frame<T> child) noexcept : single_child<T>(child.release()) {}
    outcome<T> await_resume() { return std::move(this->result_); }

  private:
    bool has_result() noexcept override { return true; }
};

/// "a value if it was not canceled": optional<T>, or bool for void.
template <class T>
using maybe = std::conditional_t<std::is_void_v<T>, bool, std::optional<T>>;

template <class T>
maybe<T> to_maybe(outcome<T>&& result) {
    if (result.canceled()) return maybe<T>{};
    if constexpr (std::is_void_v<T>) {
        std::move(result).value();
        return true;
    } else {
        return maybe<T>(std::move(result).value());
    }
}

template <class T, class F>
class [[nodiscard("await it: co_await with_scope(...)")]] with_scope_operation final
    : public single_child<T> {
  public:
    template <class G>
    explicit with_scope_operation(G&& function)
        : single_child<T>(nullptr), function_(std::forward<G>(function)), handle_(this->scope_) {
        this->adopt(frame_of_call(function_, handle_).release());
    }
    maybe<T> await_resume() { return to_maybe<T>(std::move(this->result_)); }

  private:
    // A cancel of this scope ends here; one that came from outside travels on.
    bool has_result() noexcept override {
        return !this->result_.canceled() || !this->awaiting_->scope_->canceled();
    }
    F function_;
    cancel_scope handle_;
};

/// Ends the task here if its scope is canceled; otherwise goes on at once.
class [[nodiscard("await it: co_await checkpoint()")]] checkpoint_operation final
    : public leaf_operation<checkpoint_operation> {
  public:
    bool ready() const noexcept { return true; }
    bool start() const noexcept { return false; }
    void result() const noexcept {}
    const char* describe() const noexcept override { return "checkpoint"; }

  private:
    void on_cancel() noexcept override {}
};

}  // namespace detail

/// Runs `work` out of reach of cancels from outside; its own time limits still hold.
///
/// A caller that was canceled meanwhile gets the result, and stops at its next operation that waits. Work
/// that has not begun when the caller is already canceled begins all the same. Keep it short: nothing can
/// hurry it. Elsewhere: asyncio.shield, trio's shield=True.
template <class A>
    requires awaitable<std::remove_cvref_t<A>>
auto shield(A&& work) {
    return detail::shield_operation<await_result_t<std::remove_cvref_t<A>>>(
        detail::frame_of(std::forward<A>(work)));
}

/// Runs `work` and gives how it ended, as a value: nothing is thrown, and a cancel does not pass.
///
/// For code that must see all three ways. If the caller itself is canceled, `work` is canceled, the caller
/// goes on with outcome.canceled(), and stops at its next operation that waits.
template <class A>
    requires awaitable<std::remove_cvref_t<A>>
auto outcome_of(A&& work) {
    return detail::outcome_operation<await_result_t<std::remove_cvref_t<A>>>(
        detail::frame_of(std::forward<A>(work)));
}

/// Runs `body(scope)`, a function that takes a cancel_scope& and returns a task, in a scope that it can
/// cancel.
///
/// Gives optional<T> (bool for void): empty (false) if the scope was canceled before the body had a result.
/// Lifetime: `body` and the scope live until with_scope returns.
template <class F>
    requires std::invocable<std::decay_t<F>&, cancel_scope&>
auto with_scope(F&& body) {
    using A = std::invoke_result_t<std::decay_t<F>&, cancel_scope&>;
    return detail::with_scope_operation<await_result_t<A>, std::decay_t<F>>(std::forward<F>(body));
}

/// Ends the calling task here if it was canceled; else goes on at once. For long computations that never
/// wait.
inline auto checkpoint() { return detail::checkpoint_operation{}; }

}  // namespace simul
