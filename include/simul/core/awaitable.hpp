#pragma once

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

#include <simul/core/task.hpp>

/// What can be awaited, and how combinators take it.
namespace simul {

namespace detail {

template <class A>
auto awaiter_of(coroutine_promise& promise, A&& awaitable)
    -> decltype(promise.await_transform(std::forward<A>(awaitable)));

template <class A>
struct await_result;
template <class A>
    requires(!is_task<std::remove_cvref_t<A>>::value &&
             requires { std::declval<coroutine_promise&>().await_transform(std::declval<A>()); })
struct await_result<A> {
    using type =
        decltype(std::declval<coroutine_promise&>().await_transform(std::declval<A>()).await_resume());
};
template <class T>
struct await_result<task<T>> {
    using type = T;
};

}  // namespace detail

/// What `co_await a` gives in a task.
template <class A>
using await_result_t = typename detail::await_result<A>::type;

/// Can be awaited in a task: a task, an operation of the library, or anything with the awaiter protocol.
template <class A>
concept awaitable = requires { typename detail::await_result<A>::type; };

namespace detail {

/// Turns an awaitable into a task. One that can be moved is kept in the frame; one that cannot is referred
/// to: it is a temporary of the expression that awaits the combinator.
template <class A>
task<await_result_t<A>> await_as_task(A awaitable) {
    co_return co_await std::move(awaitable);
}
template <class A>
task<await_result_t<A>> await_as_task_in_place(A&& awaitable) {
    co_return co_await static_cast<A&&>(awaitable);
}

/// Owns the frame of a child that was not started yet.
template <class T>
class child_frame {
  public:
    explicit child_frame(promise_base* promise) noexcept : promise_(promise) {}
    child_frame(child_frame&& other) noexcept : promise_(other.release()) {}
    child_frame& operator=(child_frame&&) = delete;
    ~child_frame() {
        if (promise_ != nullptr) promise_->destroy();
    }
    promise_base* release() noexcept { return std::exchange(promise_, nullptr); }

  private:
    promise_base* promise_;
};

template <class A>
auto frame_of(A&& child) {
    using T = await_result_t<std::remove_cvref_t<A>>;
    static_assert(!std::is_lvalue_reference_v<A>,
                  "combinators take what they wait for as it is made: all(f(x), g(y)), not a stored object");
    if constexpr (is_task<std::remove_cvref_t<A>>::value)
        return child_frame<T>(child.release());
    else if constexpr (std::is_move_constructible_v<std::remove_cvref_t<A>>)
        return child_frame<T>(await_as_task<std::remove_cvref_t<A>>(std::move(child)).release());
    else
        return child_frame<T>(await_as_task_in_place<std::remove_cvref_t<A>>(std::move(child)).release());
}

/// The same for what a callable returns, where no temporary survives.
template <class F, class... Args>
auto frame_of_call(F& f, Args&&... args) {
    using A = std::invoke_result_t<F&, Args...>;
    static_assert(awaitable<A>,
                  "the function has to return something that can be awaited, for example a task");
    using T = await_result_t<A>;
    if constexpr (is_task<A>::value)
        return child_frame<T>(std::invoke(f, std::forward<Args>(args)...).release());
    else {
        static_assert(std::is_move_constructible_v<A>,
                      "make the function a coroutine: [...](...) -> task<T> { co_return co_await ...; }");
        return child_frame<T>(await_as_task<A>(std::invoke(f, std::forward<Args>(args)...)).release());
    }
}

}  // namespace detail
}  // namespace simul
