#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include <simul/core/leaf.hpp>
#include <simul/core/outcome.hpp>
#include <simul/loop/loop.hpp>

namespace simul {
namespace detail {

/// A call on its way to a thread of the loop's pool and back. Shared by pool and awaiter: either may be the
/// last.
class blocking_call : public inbox_node, public std::enable_shared_from_this<blocking_call> {
  public:
    virtual ~blocking_call() = default;

    /// On a thread of the pool.
    void execute() noexcept;
    /// Nobody waits any more: if it has not started, it never does.
    void abandon() noexcept {
        waits_ = false;
        abandoned_.store(true, std::memory_order_relaxed);
    }
    bool waits_ = true;  ///< only touched on the loop

  protected:
    virtual void call() noexcept = 0;
    virtual void tell() noexcept = 0;

  private:
    friend void start_blocking(loop&, std::shared_ptr<blocking_call>);
    void arrived(loop* on) noexcept override;

    std::atomic<bool> abandoned_{false};
    std::shared_ptr<inbox> box_;
    std::shared_ptr<blocking_call> self_;  // while it is in the inbox
};

void start_blocking(loop& on, std::shared_ptr<blocking_call> call);

template <class R, class F, class... Args>
class [[nodiscard("await it: co_await blocking(...)")]] blocking_operation final
    : public leaf_operation<blocking_operation<R, F, Args...>> {
    struct state final : blocking_call {
        state(F&& function, std::tuple<Args...>&& arguments)
            : f(std::move(function)), args(std::move(arguments)) {}
        void call() noexcept override {
            try {
                if constexpr (std::is_void_v<R>) {
                    std::apply(std::move(f), std::move(args));
                    result.set_value();
                } else {
                    result.set_value(std::apply(std::move(f), std::move(args)));
                }
            } catch (...) {
                result.set_error(std::current_exception());
            }
        }
        void tell() noexcept override { waiting->returned(); }

        F f;
        std::tuple<Args...> args;
        outcome<R> result;
        blocking_operation* waiting = nullptr;
    };

  public:
    template <class G, class... A>
    explicit blocking_operation(std::in_place_t, G&& f, A&&... args)
        : state_(std::make_shared<state>(F(std::forward<G>(f)),
                                         std::tuple<Args...>(std::forward<A>(args)...))) {}
    blocking_operation(blocking_operation&& other) noexcept
        : leaf_operation<blocking_operation>(), state_(std::move(other.state_)) {}
    ~blocking_operation() {
        if (state_ && state_->waiting == this) state_->abandon();
    }

    bool ready() const noexcept { return false; }
    bool start() {
        state_->waiting = this;
        start_blocking(loop_access::of(this->on()), state_);
        return true;
    }
    R result() { return std::move(state_->result).value(); }
    const char* describe() const noexcept override { return "blocking call on a thread"; }
    void returned() noexcept { this->resume(); }

  private:
    void on_cancel() noexcept override {
        state_->abandon();
        this->stop();
    }
    std::shared_ptr<state> state_;
};

}  // namespace detail

/// Runs the plain function `f(args...)` on a thread of the loop's small pool for blocking calls: for what has
/// no asynchronous form (files, name look-ups, a library that waits). CPU work belongs to a thread_pool.
///
/// `f` and `args` are moved or copied; to refer to something of the caller's use std::ref only if nothing can
/// cancel the caller. At most loop_options::blocking_threads_max run at once; others wait in order. Cancel:
/// a blocking call cannot be stopped. The caller goes on at once; a call that has not begun never begins,
///          one that has runs to its end, and its result is destroyed there.
/// Errors:  what `f` throws.
template <class F, class... Args>
auto blocking(F&& f, Args&&... args) {
    using R = std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>;
    static_assert(!detail::is_task<R>::value,
                  "blocking runs plain functions; co_await a coroutine, or run it on a pool");
    return detail::blocking_operation<R, std::decay_t<F>, std::decay_t<Args>...>(
        std::in_place, std::forward<F>(f), std::forward<Args>(args)...);
}

}  // namespace simul
