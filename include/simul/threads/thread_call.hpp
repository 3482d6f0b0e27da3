#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <tuple>
#include <type_traits>
#include <utility>

#include <simul/base/error.hpp>
#include <simul/core/call_context.hpp>
#include <simul/core/leaf.hpp>
#include <simul/core/outcome.hpp>
#include <simul/loop/loop.hpp>
#include <simul/threads/thread_queue.hpp>

/// The await of a function that runs on a thread of a pool.
///
/// Theory. The operation lives in the frame of the waiting task and is everything at once: leaf (it waits on
/// its loop), job (it is in the queue of the threads) and inbox node (it carries the result back). So a call
/// allocates nothing. It is touched by one side at a time: by the loop until push(), by the thread that took
/// it until the inbox has it, then by the loop again. The exceptions are `cancel_requested_` and the stop
/// source, made for two sides.
namespace simul::detail {

template <class F, class... Args>
inline constexpr bool takes_stop_token = std::is_invocable_v<F, std::stop_token, Args...>;

template <class F, class... Args>
struct thread_call_result : std::invoke_result<F, Args...> {};
template <class F, class... Args>
    requires takes_stop_token<F, Args...>
struct thread_call_result<F, Args...> : std::invoke_result<F, std::stop_token, Args...> {};
template <class F, class... Args>
using thread_call_result_t = typename thread_call_result<F, Args...>::type;

/// The part that does not depend on the function.
class thread_call_base : public thread_job, public inbox_node {
  protected:
    explicit thread_call_base(thread_queue& queue) noexcept : queue_(queue) {}

    /// On the loop: queues the call.
    void begin(loop& on, time_point deadline) {
        box_ = loop_access::box(on);
        deadline_ = deadline;
        box_->add_hope();
        try {
            queue_.push(*this);
        } catch (...) {  // no thread could be started: the caller gets the error
            box_->drop_hope();
            throw;
        }
    }
    /// On the loop: true if the call will never run.
    bool withdraw() noexcept {
        cancel_requested_.store(true, std::memory_order_relaxed);
        if (!queue_.remove(*this)) return false;
        box_->drop_hope();
        return true;
    }
    /// On the thread, as the last thing: sends this home.
    void send_back() noexcept {
        const std::shared_ptr<inbox> box = box_;  // this may be gone before push() returns
        box->push(*this);
    }

    call_context context() const noexcept { return {deadline_, &cancel_requested_}; }

    thread_queue& queue_;
    std::shared_ptr<inbox> box_;
    time_point deadline_ = time_point::max();
    std::atomic<bool> cancel_requested_{false};
};

template <class R, class F, class... Args>
class thread_call final : public leaf_operation<thread_call<R, F, Args...>>, private thread_call_base {
  public:
    template <class G, class... A>
    explicit thread_call(thread_queue& queue, G&& function, A&&... arguments)
        : thread_call_base(queue),
          function_(std::forward<G>(function)),
          arguments_(std::forward<A>(arguments)...) {}

    bool ready() const noexcept { return false; }
    bool start() {
        begin(loop_access::of(this->on()), this->my_scope().deadline());
        return true;
    }
    R result() { return std::move(outcome_).value(); }
    const char* describe() const noexcept override { return "call on a thread pool"; }

  private:
    void execute() noexcept override {
        try {
            const call_context_scope scope(context());
            invoke();
        } catch (...) {  // carried to the caller
            outcome_.set_error(std::current_exception());
        }
        send_back();
    }

    void invoke() {
        std::apply(
            [this](Args&... each) {
                if constexpr (takes_stop_token<F, Args...>)
                    keep([&]() -> R {
                        return std::invoke(std::move(function_), stop_.get_token(), std::move(each)...);
                    });
                else
                    keep([&]() -> R { return std::invoke(std::move(function_), std::move(each)...); });
            },
            arguments_);
    }
    template <class Call>
    void keep(Call call) {
        if constexpr (std::is_void_v<R>) {
            call();
            outcome_.set_value();
        } else {
            outcome_.set_value(call());
        }
    }

    void arrived(loop*) noexcept override {
        box_->drop_hope();
        home_ = true;
        if (!threw_canceled())
            this->resume();
        else if (this->canceled())
            this->stop();
        else if (deadline_ > clock::now())
            this->resume();  // nobody canceled: an error like any other
        // Else the function saw the deadline before the loop's timer did: on_cancel comes at once.
    }
    void on_cancel() noexcept override {
        if constexpr (takes_stop_token<F, Args...>) stop_.request_stop();
        if (home_ || withdraw()) this->stop();
    }
    bool threw_canceled() const noexcept {
        if (!outcome_.has_error()) return false;
        try {
            std::rethrow_exception(outcome_.error());
        } catch (const canceled_error&) {
            return true;
        } catch (...) {  // looked at only
            return false;
        }
    }

    struct no_stop {};
    F function_;
    std::tuple<Args...> arguments_;
    std::conditional_t<takes_stop_token<F, Args...>, std::stop_source, no_stop> stop_;
    outcome<R> outcome_;
    bool home_ = false;
};

}  // namespace simul::detail
