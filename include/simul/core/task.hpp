#pragma once

#include <coroutine>
#include <exception>
#include <source_location>
#include <type_traits>
#include <utility>

#include <simul/core/leaf.hpp>
#include <simul/core/outcome.hpp>
#include <simul/core/promise_base.hpp>

namespace simul {

template <class T = void>
class task;

namespace detail {

template <class T>
struct is_task : std::false_type {};
template <class T>
struct is_task<task<T>> : std::true_type {};

/// A waiter that also keeps the result of its child.
template <class T>
struct result_waiter : waiter {
    outcome<T> result_;
};

/// The await of a task in a coroutine: owns the child's frame until the end of the full expression.
template <class T>
class task_awaiter final : public awaiter_base, public result_waiter<T> {
  public:
    explicit task_awaiter(promise_base* child) noexcept : child_(child) {}
    ~task_awaiter() {
        if (child_ != nullptr) child_->destroy();
    }

    bool await_ready() const noexcept { return false; }

    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) noexcept {
        static_assert(std::is_base_of_v<promise_base, Promise>,
                      "a simul::task can only be awaited in another simul coroutine; "
                      "from ordinary code call simul::run(function, arguments...)");
        this->continuation = parent;
        this->parent = &parent.promise();
        child_->waiter_ = this;
        child_->scope_ = this->parent->scope_;
        return child_->scope_->on().transfer(child_->handle());
    }

    T await_resume() { return std::move(this->result_).value(); }

  private:
    promise_base* child_stopped(promise_base& child) noexcept override {
        child.destroy();
        child_ = nullptr;
        return this->parent;
    }

    promise_base* child_;
};

/// The await of something that is not ours: afterwards the loop must know again what runs.
template <class Awaiter>
class foreign_awaiter : public awaiter_base {
  public:
    template <class A>
    foreign_awaiter(A&& awaitable, promise_base& promise)
        : awaiter_(get(std::forward<A>(awaitable))), promise_(promise) {}

    decltype(auto) await_ready() { return awaiter_.await_ready(); }
    template <class Promise>
    decltype(auto) await_suspend(std::coroutine_handle<Promise> h) {
        return awaiter_.await_suspend(h);
    }
    decltype(auto) await_resume() {
        promise_.scope_->on().current = promise_.scope_;
        return awaiter_.await_resume();
    }

    template <class A>
    static decltype(auto) get(A&& awaitable) {
        if constexpr (requires { std::forward<A>(awaitable).operator co_await(); })
            return std::forward<A>(awaitable).operator co_await();
        else if constexpr (requires { operator co_await(std::forward<A>(awaitable)); })
            return operator co_await(std::forward<A>(awaitable));
        else
            return std::forward<A>(awaitable);
    }

  private:
    Awaiter awaiter_;
    promise_base& promise_;
};

template <class A>
concept library_awaiter = std::is_base_of_v<awaiter_base, std::remove_cvref_t<A>>;

template <class A>
concept has_co_await = requires(A&& a) { std::forward<A>(a).operator co_await(); } ||
                       requires(A&& a) { operator co_await(std::forward<A>(a)); };
template <class A>
concept is_awaiter = requires(A& a, std::coroutine_handle<> h) {
    { a.await_ready() } -> std::convertible_to<bool>;
    a.await_suspend(h);
    a.await_resume();
};

/// What coroutines of the library can await.
struct coroutine_promise : promise_base {
    /// By value: a task that was stored first cannot be moved here, so it does not compile.
    template <class Task>
        requires(is_task<Task>::value)
    auto await_transform(Task child, std::source_location where = std::source_location::current()) noexcept {
        where_ = where;
        return task_awaiter<typename Task::value_type>(child.release());
    }

    /// More special than the one above, so that a stored task gets this message and not "ambiguous".
    template <class T>
    void await_transform(task<T>&) {
        static_assert(!std::is_same_v<T, T>,
                      "a task is awaited in the expression that makes it: co_await f(x). "
                      "To start work now and wait for it later, spawn it: with_group, or all(f(x), g(y))");
    }

    template <library_awaiter A>
    A&& await_transform(A&& awaiter, std::source_location where = std::source_location::current()) noexcept {
        static_assert(!std::is_lvalue_reference_v<A>,
                      "await an operation in the expression that makes it: co_await all(f(), g())");
        where_ = where;
        awaiter.awaiting_ = this;
        return std::forward<A>(awaiter);
    }

    /// Something of the library that makes its awaiter now (a request builder, a lock ...).
    template <class A>
        requires(!library_awaiter<A> && !is_task<std::remove_cvref_t<A>>::value &&
                 requires(A&& a) {
                     { std::forward<A>(a).operator co_await() } -> library_awaiter;
                 })
    auto await_transform(A&& awaitable, std::source_location where = std::source_location::current()) {
        using awaiter = decltype(std::forward<A>(awaitable).operator co_await());
        return prepared_awaiter<awaiter>(std::forward<A>(awaitable), *this, where);
    }

    /// Something whose co_await is a task of ours.
    template <class A>
        requires(!library_awaiter<A> &&
                 requires(A&& a) {
                     requires is_task<decltype(std::forward<A>(a).operator co_await())>::value;
                 })
    auto await_transform(A&& awaitable, std::source_location where = std::source_location::current()) {
        return await_transform(std::forward<A>(awaitable).operator co_await(), where);
    }

    template <class A>
        requires(
            !library_awaiter<A> && !is_task<std::remove_cvref_t<A>>::value &&
            (is_awaiter<std::remove_cvref_t<A>> || has_co_await<A>) &&
            !requires(A&& a) {
                { std::forward<A>(a).operator co_await() } -> library_awaiter;
            } &&
            !requires(A&& a) { requires is_task<decltype(std::forward<A>(a).operator co_await())>::value; })
    auto await_transform(A&& awaitable, std::source_location where = std::source_location::current()) {
        using awaiter = decltype(foreign_awaiter<int>::get(std::forward<A>(awaitable)));
        where_ = where;
        return foreign_awaiter<awaiter>(std::forward<A>(awaitable), *this);
    }

  private:
    template <class Awaiter>
    struct prepared_awaiter : awaiter_base {
        template <class A>
        prepared_awaiter(A&& awaitable, promise_base& promise, std::source_location where)
            : inner(std::forward<A>(awaitable).operator co_await()) {
            promise.where_ = where;
            inner.awaiting_ = &promise;
        }
        decltype(auto) await_ready() { return inner.await_ready(); }
        template <class Promise>
        decltype(auto) await_suspend(std::coroutine_handle<Promise> h) {
            return inner.await_suspend(h);
        }
        decltype(auto) await_resume() { return inner.await_resume(); }
        Awaiter inner;
    };
};

struct final_awaiter : awaiter_base {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) noexcept {
        promise_base& promise = done.promise();
        waiter& waits = *promise.waiter_;
        if (waits.continuation) return promise.scope_->on().transfer(waits.continuation);
        return waits.child_done(promise);
    }
    void await_resume() const noexcept {}
};

template <class T>
struct task_promise_base : coroutine_promise {
    std::suspend_always initial_suspend() const noexcept { return {}; }
    final_awaiter final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { result().set_error(this->escaping()); }

  protected:
    outcome<T>& result() noexcept { return static_cast<result_waiter<T>*>(waiter_)->result_; }
};

template <class T>
struct task_promise final : task_promise_base<T> {
    task<T> get_return_object() noexcept;

    template <class U = T>
        requires std::is_convertible_v<U&&, T>
    void return_value(U&& value) {
        this->result().set_value(static_cast<U&&>(value));
    }
};

template <>
struct task_promise<void> final : task_promise_base<void> {
    task<void> get_return_object() noexcept;
    void return_void() noexcept { result().set_value(); }
};

}  // namespace detail

/// A piece of work that waits: a coroutine that gives a T.
///
/// Lazy: it starts when it is awaited, once, in the expression that makes it: `T x = co_await f(arg)`. So
/// references to locals of the caller are safe in its parameters. It can be neither copied nor moved nor kept
/// for later; what is to run beside other work is given to all, race, map, or spawned in a group.
///
/// Lifetime: the frame belongs to the frame of the awaiting coroutine. A task that is never awaited never
/// starts. Cancel:   see cancel_scope.hpp: a canceled task is destroyed where it waits, innermost frame
/// first. Threads:  it stays on the loop on which it was started. Errors:   what it throws is thrown at the
/// co_await.
template <class T>
class [[nodiscard("a task does nothing until it is awaited: co_await it, or spawn it in a group")]] task {
  public:
    using promise_type = detail::task_promise<T>;
    using value_type = T;

    /// A task cannot be moved or copied: await it in the expression that makes it.
    task(const task&) = delete;
    task& operator=(const task&) = delete;

    ~task() {
        if (promise_ != nullptr) promise_->destroy();
    }

    /// For the library: hands the frame over.
    detail::promise_base* release() noexcept { return std::exchange(promise_, nullptr); }

  private:
    friend promise_type;
    explicit task(detail::promise_base& promise) noexcept : promise_(&promise) {}

    detail::promise_base* promise_;
};

namespace detail {

template <class T>
task<T> task_promise<T>::get_return_object() noexcept {
    static_assert(alignof(task_promise) == alignof(promise_base),
                  "the frame is found from the promise's address");
    return task<T>(*this);
}

inline task<void> task_promise<void>::get_return_object() noexcept { return task<void>(*this); }

}  // namespace detail
}  // namespace simul
