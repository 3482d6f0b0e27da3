#pragma once

#include <cstddef>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>

#include <simul/core/all.hpp>
#include <simul/core/task.hpp>
#include <simul/threads/loop_call.hpp>
#include <simul/threads/thread_call.hpp>

namespace simul {

struct thread_pool_options {
    /// Threads for functions; started when needed. 0: available_cpus().
    std::size_t threads = 0;
    /// Loops for coroutines, each on a thread of its own; started when needed. 0: available_cpus().
    std::size_t loops = 0;
    /// Calls that are queued for the threads; callers beyond it wait for room, in order.
    std::size_t queue_limit = 65'536;
    /// The threads are called NAME-0, NAME-1 ... (the system shows 15 bytes).
    std::string name = "simul-pool";
};

namespace detail {
struct thread_pool_access;
}

/// What a pool does now and has done.
struct thread_pool_statistics {
    std::size_t threads = 0;     ///< started
    std::size_t running = 0;     ///< functions that run
    std::size_t queued = 0;      ///< calls that wait for a thread
    std::size_t waiting = 0;     ///< calls that wait for room in the queue
    std::size_t completed = 0;   ///< functions that have ended
    std::size_t loops = 0;       ///< started
    std::size_t coroutines = 0;  ///< that run on the loops
};

/// Threads for CPU work, and loops for coroutines that should not run on the caller's: another core.
///
///     thread_pool threads;
///     int n = co_await threads.run(count_primes, 1'000'000);
///
/// A plain function runs on a thread of the pool from start to end. A coroutine function (one that gives a
/// task) runs on one of the pool's own loops, never half here and half there; what it uses (clients, streams)
/// it makes there. For functions that block on files or the like use `blocking` instead: they would keep a
/// core's thread idle.
///
/// Lifetime: must outlive its calls. The destructor waits for what still runs.
/// Threads:  run() may be called on any loop; the result arrives there.
class thread_pool {
  public:
    explicit thread_pool(thread_pool_options options = {});
    thread_pool(const thread_pool&) = delete;
    thread_pool& operator=(const thread_pool&) = delete;
    ~thread_pool();

    /// Runs `f(args...)` on another core; gives what it gives, throws what it throws.
    ///
    /// `f` and `args` are copied or moved, as for std::jthread: pass std::ref(x) to share x, which is then
    /// yours to synchronise. A function that takes a std::stop_token first gets one. Inside, here() has the
    /// caller's deadline and cancellation; in a coroutine this_task has them. Cancel: a call that waits for
    /// its thread never runs. A function that runs is asked to stop (stop_token,
    ///         here().canceled()) and awaited, since a thread cannot be killed: if it gives a result
    ///         nevertheless, that is delivered; if it throws canceled_error, the cancel goes on. A coroutine
    ///         is canceled.
    template <class F, class... Args>
    [[nodiscard("await it: co_await threads.run(...)")]] auto run(F&& f, Args&&... args) {
        using function = std::decay_t<F>;
        using returned = detail::thread_call_result_t<function, std::decay_t<Args>...>;
        if constexpr (detail::is_task<returned>::value)
            return detail::loop_call<typename returned::value_type, function, std::decay_t<Args>...>(
                loops_, std::forward<F>(f), std::forward<Args>(args)...);
        else
            return detail::thread_call<returned, function, std::decay_t<Args>...>(
                queue_, std::forward<F>(f), std::forward<Args>(args)...);
    }

    /// Calls `f` with each element of `range` on the pool, at most `limit` at a time (0: twice the number of
    /// threads); gives a vector of the results in the order of the range, nothing if `f` gives nothing.
    ///
    /// The first failure cancels the others, which are awaited. Lifetime: as simul::map.
    template <std::ranges::forward_range Range, class F>
    [[nodiscard("await it: co_await threads.map(...)")]] auto map(Range&& range, F f, std::size_t limit = 0) {
        // The elements of a range that is given away come as rvalues, as in simul::map.
        auto one = [this, f = std::move(f)](auto&& each)
            -> task<await_result_t<decltype(this->run(f, std::forward<decltype(each)>(each)))>> {
            co_return co_await this->run(f, std::forward<decltype(each)>(each));
        };
        return simul::map(std::forward<Range>(range), std::move(one), limit == 0 ? 2 * size() : limit);
    }

    /// The number of threads it uses at most.
    std::size_t size() const noexcept { return queue_.threads_max(); }
    thread_pool_statistics statistics();

  private:
    friend detail::thread_pool_access;
    detail::thread_queue queue_;
    detail::pool_loops loops_;
};

namespace detail {
/// For other layers that queue functions without a task that waits.
struct thread_pool_access {
    static thread_queue& queue(thread_pool& pool) noexcept { return pool.queue_; }
};
}  // namespace detail

}  // namespace simul
