#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <simul/core/boundary.hpp>

namespace simul {

class task_group;

/// Limits of a group.
struct group_options {
    /// How many spawned tasks run at once; the others wait in the order they were spawned. Default: no limit.
    std::size_t limit = std::numeric_limits<std::size_t>::max();
};

namespace detail {

struct group_tag;

/// The promise of a spawned task's wrapper, which keeps callable and arguments. The group owns the frame.
///
/// No polymorphic base: such a base would take the first place in the promise, where promise_base has to be.
struct spawned_promise final : coroutine_promise, list_node<group_tag> {
    struct handle_type {
        using promise_type = spawned_promise;
        spawned_promise* promise;
    };
    struct end_awaiter : awaiter_base {
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<spawned_promise> done) noexcept {
            done.promise().scope_->on().post(done.promise().turn_);
        }
        void await_resume() const noexcept {}
    };

    handle_type get_return_object() noexcept {
        static_assert(alignof(spawned_promise) == alignof(promise_base));
        return {this};
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    end_awaiter final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() noexcept;
    void run() noexcept;

    struct turn final : ready_node {
        explicit turn(spawned_promise& p) noexcept : owner(p) {}
        void run() noexcept override { owner.run(); }
        spawned_promise& owner;
    };

    task_group* group_ = nullptr;
    turn turn_{*this};
    bool running_ = false;
};

template <class F, class... Args>
spawned_promise::handle_type run_spawned(F function, Args... arguments) {
    co_await std::invoke(std::move(function), std::move(arguments)...);
}

class group_boundary;

}  // namespace detail

/// Told by a child that it is ready for use: see task_group::start.
template <class T = void>
class started;

/// Children that are started as we go, and that all end before `with_group` returns.
///
/// Threads: only on its loop. Lifetime: valid until with_group returns; a reference to it may be given to
/// children.
class task_group {
  public:
    task_group(const task_group&) = delete;
    task_group& operator=(const task_group&) = delete;

    /// Starts `f(args...)`, which gives a task<>, beside the caller.
    ///
    /// `f` and `args` are copied or moved into the child and live as long as it; to share an object, pass
    /// std::ref(object) and let it outlive the group. The child runs at the next turn of the loop, not
    /// before. Its first failure cancels the group and is thrown by with_group. In a canceled group nothing
    /// is started. Throws errc::closed once with_group has ended.
    template <class F, class... Args>
    void spawn(F&& f, Args&&... args) {
        using A = std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>;
        static_assert(awaitable<A>, "spawn takes a function that returns a task, and its arguments");
        static_assert(
            std::is_void_v<await_result_t<A>>,
            "the result of a spawned task would be lost: let it return task<> and store what it found, "
            "or use all, map or race");
        adopt(detail::run_spawned<std::decay_t<F>, std::decay_t<Args>...>(std::forward<F>(f),
                                                                          std::forward<Args>(args)...)
                  .promise);
    }

    /// Starts `f(signal, args...)` and waits until it calls `signal.set(value)` (trio: nursery.start): the
    /// child is ready for use and goes on running in the group.
    ///
    /// `auto port = co_await group.start<int>(serve, options);` with `task<> serve(started<int> signal,
    /// options o)`. A child that ends or fails without the signal makes this throw (errc::broken_promise; its
    /// own error travels through the group).
    template <class T = void, class F, class... Args>
    auto start(F f, Args... args);

    /// Waits until all children have ended. For the body only. Call it at the end of a body whose locals
    /// children use: the body's locals are gone when it returns, its children need not be.
    auto join();

    /// Cancels all children and the body; with_group then returns as if the body had ended (see with_group).
    void cancel(std::string reason = {}) noexcept {
        scope_->cancel({cancel_reason::kind::requested, std::move(reason)});
    }
    bool canceled() const noexcept { return scope_->canceled(); }

    /// Children that are running or wait for their turn under the limit.
    std::size_t size() const noexcept { return running_ + waiting_; }
    /// Children that run.
    std::size_t running() const noexcept { return running_; }

  private:
    friend detail::group_boundary;
    friend detail::spawned_promise;
    class join_operation;
    friend class join_operation;

    task_group() = default;
    ~task_group() = default;

    void adopt(detail::spawned_promise* child);
    void launch(detail::spawned_promise& child) noexcept;
    void ended(detail::spawned_promise& child) noexcept;
    void child_gone() noexcept;

    struct child_waiter final : detail::waiter {
        task_group* group = nullptr;
        detail::promise_base* child_stopped(detail::promise_base& child) noexcept override;
    };

    detail::scope* scope_ = nullptr;
    detail::group_boundary* owner_ = nullptr;
    child_waiter waiter_;
    detail::intrusive_list<detail::spawned_promise, detail::group_tag> children_;
    detail::intrusive_list<detail::spawned_promise, detail::group_tag> queue_;
    std::size_t running_ = 0;
    std::size_t waiting_ = 0;
    bool cut_short_ = false;  ///< a child was canceled, or never ran because of it
    std::size_t limit_ = std::numeric_limits<std::size_t>::max();
    join_operation* joining_ = nullptr;
};

namespace detail {

/// The await of with_group: the body is one child, the group's tasks are the others.
class group_boundary : public many_children {
  public:
    task_group& group() noexcept { return group_; }

  protected:
    friend simul::task_group;
    friend spawned_promise;
    explicit group_boundary(group_options options) noexcept {
        group_.limit_ = options.limit == 0 ? 1 : options.limit;
        group_.scope_ = &this->scope_;
        group_.owner_ = this;
        group_.waiter_.group = &group_;
    }
    ~group_boundary() = default;

    void attach_group() noexcept { group_.waiter_.parent = this->awaiting_; }
    void hold() noexcept { ++this->running_count_; }
    void let_go() noexcept { this->one_settled(); }
    bool cut_short() const noexcept { return group_.cut_short_; }

    task_group group_;
};

template <class T, class F>
class [[nodiscard("await it: co_await with_group(...)")]] with_group_operation final : public group_boundary {
  public:
    template <class G>
    with_group_operation(G&& body, group_options options)
        : group_boundary(options), body_(std::forward<G>(body)) {}

    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise>) noexcept {
        static_assert(std::is_base_of_v<promise_base, Promise>, "await it in a simul::task");
        this->open();
        this->attach_group();
        this->hold();  // a body that is no coroutine may spawn in its call
        this->on().current = &this->scope_;
        try {
            slot_.set(frame_of_call(body_, this->group_));
            slot_.start(*this);
        } catch (...) {
            this->fail(std::current_exception());
        }
        this->let_go();
    }

    T await_resume() {
        if (this->first_error_) std::rethrow_exception(this->first_error_);
        if constexpr (std::is_void_v<T>) {
            if (slot_.result().has_value()) std::move(slot_.result()).value();
        } else {
            if (slot_.result().canceled())
                throw canceled_error("the body of with_group had no result: " +
                                     to_string(this->scope_.reason()));
            return std::move(slot_.result()).value();
        }
    }

  private:
    void settled(child_slot_base&) noexcept override {
        if (slot_.result().has_error()) this->fail(slot_.result().error());
        this->one_settled();
    }
    bool has_result() noexcept override {
        return this->first_error_ || !this->awaiting_->scope_->canceled() ||
               (slot_.result().has_value() && !this->cut_short());
    }

    F body_;
    child_slot<T> slot_;
};

}  // namespace detail

/// Waits in task_group::join.
class task_group::join_operation final : public detail::leaf_operation<join_operation> {
  public:
    explicit join_operation(task_group& group) noexcept : group_(group) {}
    ~join_operation() {
        if (group_.joining_ == this) group_.joining_ = nullptr;
    }
    bool ready() const noexcept { return group_.size() == 0; }
    bool start() {
        if (group_.joining_ != nullptr)
            throw std::system_error(
                make_error_code(errc::wrong_state),
                "task_group::join: another task joins already; only the body of the group may");
        group_.joining_ = this;
        return true;
    }
    void result() const noexcept {}
    void children_gone() noexcept {
        if (!posted()) resume();
    }
    const char* describe() const noexcept override { return "join of a task group"; }

  private:
    void on_cancel() noexcept override { stop(); }
    task_group& group_;
};

inline auto task_group::join() { return join_operation(*this); }

/// Runs `body(group)`, a function that takes a task_group& and returns a task, and waits for it and for all
/// that it spawned; gives what the body gives.
///
/// The first failure, of the body or of a child, cancels all others; they are awaited, and it is thrown,
/// later ones attached (attached_errors.hpp). After group.cancel() with_group returns normally if the body
/// gives nothing or had ended; else it throws canceled_error, since there is no result. Cancel: canceling the
/// caller cancels body and children; if all of them had completed nevertheless, the result is delivered.
/// Lifetime: `body` (with its captures) lives until with_group returns; its locals only until it returns:
/// what children share lives outside, or the body ends with `co_await group.join()`. Elsewhere:
/// asyncio.TaskGroup, trio's nursery, counting_scope.
template <class F>
    requires std::invocable<std::decay_t<F>&, task_group&>
auto with_group(F&& body, group_options options = {}) {
    using A = std::invoke_result_t<std::decay_t<F>&, task_group&>;
    static_assert(awaitable<A>, "with_group takes a function of task_group& that returns a task");
    return detail::with_group_operation<await_result_t<A>, std::decay_t<F>>(std::forward<F>(body), options);
}

// --- the "started" hand-shake
// ---------------------------------------------------------------------------------------

namespace detail {

template <class T>
struct start_state;

template <class T>
class start_operation final : public leaf_operation<start_operation<T>> {
  public:
    explicit start_operation(start_state<T>& state) noexcept : state_(state) {}
    bool ready() const noexcept { return state_.told(); }
    bool start() noexcept {
        state_.waiting = this;
        return true;
    }
    void result() const noexcept {}
    void told() noexcept {
        if (!this->posted()) this->resume();
    }
    const char* describe() const noexcept override { return "start of a task in a group"; }
    ~start_operation() {
        if (state_.waiting == this) state_.waiting = nullptr;
    }

  private:
    void on_cancel() noexcept override { this->stop(); }
    start_state<T>& state_;
};

/// Lives on the heap, shared by the starter and the child: either may be gone first.
template <class T>
struct start_state {
    outcome<T> value;
    start_operation<T>* waiting = nullptr;
    std::size_t references = 1;

    bool told() const noexcept { return value.how() != completion::none; }
    void tell() noexcept {
        if (waiting != nullptr) waiting->told();
    }
    void release() noexcept {
        if (--references == 0) delete this;
    }
};

}  // namespace detail

template <class T>
class started {
  public:
    explicit started(detail::start_state<T>& state) noexcept : state_(&state) { ++state.references; }
    started(started&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    started& operator=(started&&) = delete;
    ~started() {
        if (state_ == nullptr) return;
        if (!state_->told()) {
            state_->value.set_error(std::make_exception_ptr(
                std::system_error(make_error_code(errc::broken_promise),
                                  "task_group::start: the task ended before it was ready")));
            state_->tell();
        }
        state_->release();
    }

    /// "I am ready", with the value that start() gives. Once; later calls throw errc::wrong_state.
    template <class... V>
    void set(V&&... value) {
        if (state_->told())
            throw std::system_error(make_error_code(errc::wrong_state), "started::set was called before");
        state_->value.set_value(std::forward<V>(value)...);
        state_->tell();
    }

  private:
    detail::start_state<T>* state_;
};

namespace detail {
template <class T>
struct start_hold {
    start_state<T>* state;
    ~start_hold() { state->release(); }
};
template <class T, class F, class... Args>
task<T> start_in_group(task_group& group, F f, Args... args) {
    start_hold<T> hold{new start_state<T>};
    group.spawn(std::move(f), started<T>(*hold.state), std::move(args)...);
    co_await start_operation<T>(*hold.state);
    co_return std::move(hold.state->value).value();
}
}  // namespace detail

template <class T, class F, class... Args>
auto task_group::start(F f, Args... args) {
    return detail::start_in_group<T, F, Args...>(*this, std::move(f), std::move(args)...);
}

}  // namespace simul
