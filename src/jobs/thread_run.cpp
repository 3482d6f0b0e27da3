#include "jobs/thread_run.hpp"

#include <simul/base/error.hpp>
#include <simul/core/call_context.hpp>
#include <simul/core/outcome.hpp>
#include <simul/core/race.hpp>
#include <simul/core/scopes.hpp>
#include <simul/core/this_task.hpp>
#include <simul/loop/future.hpp>
#include <simul/loop/sleep.hpp>

#include <atomic>
#include <exception>
#include <memory>
#include <utility>

namespace simul::detail {
namespace {

/// Owned by the queue of the threads and by the thread itself, besides by who waits.
class thread_run final : public thread_job {
  public:
    thread_run(std::function<value()> f, time_point deadline) noexcept
        : function_(std::move(f)), deadline_(deadline) {}

    static void start(const std::shared_ptr<thread_run>& run, thread_queue& queue) {
        run->self_ = run;
        try {
            queue.push(*run);
        } catch (...) {  // no thread could be started: the caller gets the error
            run->self_.reset();
            throw;
        }
    }
    future<value> result() { return promise_.get_future(); }
    /// True if it will never run; else it is asked to stop.
    bool withdraw(thread_queue& queue) {
        cancel_requested_.store(true, std::memory_order_relaxed);
        if (!queue.remove(*this)) return false;
        self_.reset();
        return true;
    }

  private:
    void execute() noexcept override {
        const std::shared_ptr<thread_run> self = std::move(self_);
        value result;
        std::exception_ptr error;
        try {
            const call_context_scope scope({deadline_, &cancel_requested_});
            result = function_();
        } catch (...) {  // carried to the caller
            error = std::current_exception();
        }
        function_ = nullptr;  // what it captured ends before anybody hears of the result
        if (error)
            promise_.set_error(std::move(error));
        else
            promise_.set_value(std::move(result));
    }

    std::function<value()> function_;
    time_point deadline_;
    std::atomic<bool> cancel_requested_{false};
    promise<value> promise_;
    std::shared_ptr<thread_run> self_;  // while it is in the queue
};

bool is_canceled_error(const outcome<value>& ended) noexcept {
    if (!ended.has_error()) return false;
    try {
        std::rethrow_exception(ended.error());
    } catch (const canceled_error&) {
        return true;
    } catch (...) {  // looked at only
        return false;
    }
}

}  // namespace

task<value> run_on_thread(thread_pool& pool, std::function<value()> f, async_event& given_up,
                          std::size_t& abandoned) {
    thread_queue& queue = thread_pool_access::queue(pool);
    const time_point deadline = this_task::deadline();
    auto run = std::make_shared<thread_run>(std::move(f), deadline);
    future<value> result = run->result();
    thread_run::start(run, queue);

    outcome<value> ended = co_await outcome_of(result.get());
    if (ended.canceled()) {
        if (run->withdraw(queue)) co_await checkpoint();
        auto waits = [&]() -> task<> { ended = co_await outcome_of(result.get()); };
        co_await shield(race(waits(), given_up.wait()));
        if (ended.canceled()) {
            ++abandoned;
            co_await checkpoint();
        }
    }
    if (is_canceled_error(ended)) {
        // It stopped because we are canceled, or saw the deadline before the loop's timer did.
        if (!this_task::canceled() && deadline <= clock::now()) co_await sleep_for(std::chrono::seconds(1));
        co_await checkpoint();
    }
    co_return std::move(ended).value();
}

}  // namespace simul::detail
