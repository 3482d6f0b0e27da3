#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <simul/base/time.hpp>
#include <simul/core/all.hpp>
#include <simul/core/task.hpp>
#include <simul/processes/call.hpp>
#include <simul/processes/error.hpp>

namespace simul {

struct process_pool_options {
    /// Worker processes, started with the pool. 0: available_cpus().
    std::size_t workers = 0;
    /// The longest result that is accepted, in bytes. A longer one is errc::limit_exceeded.
    std::uint64_t message_bytes_max = std::uint64_t{1} << 30U;
    /// What `ps` shows (15 bytes).
    std::string name = "simul-worker";
};

/// How a call runs: pool.with({.time_limit = 5s}).run(f, x).
struct process_call_options {
    /// The worker is killed when this is over, and the call throws std::errc::timed_out. Nothing: no limit.
    /// Counts from when a worker has the call, for each attempt.
    std::optional<duration> time_limit = std::nullopt;
    /// How often the call is given to another worker when its own died. The function then runs again from its
    /// start.
    unsigned retries = 0;
};

struct process_pool_statistics {
    std::size_t workers = 0;    ///< alive
    std::size_t idle = 0;       ///< of these, without a call
    std::size_t waiting = 0;    ///< calls that wait for a worker
    std::size_t completed = 0;  ///< calls that were answered, with a value or an exception
    std::size_t died = 0;       ///< workers that died by themselves
    std::size_t killed = 0;     ///< workers that were killed because their call was canceled or took too long
};

namespace detail {
class pool_core;

/// Runs an encoded call; gives the encoded result.
task<std::string> run_in_worker(std::shared_ptr<pool_core> pool, std::string call,
                                process_call_options options);

template <class R>
task<R> run_in_worker_for(std::shared_ptr<pool_core> pool, std::string call, process_call_options options) {
    const std::string answer = co_await run_in_worker(std::move(pool), std::move(call), options);
    if constexpr (!std::is_void_v<R>) co_return decode<R>(answer);
}
}  // namespace detail

/// Worker processes for functions that may crash, leak or take the whole machine: what happens in a worker
/// stays there.
///
///     process_pool processes;
///     int n = co_await processes.run(count_words, url);
///
/// A function is a function of the program or a captureless lambda, plain or a coroutine. Arguments and
/// result are copied by codec (numbers, strings, containers, tuples, optional, structs with SIMUL_FIELDS).
/// Workers are forks of the zygote (zygote.hpp) and see globals as they were when that was made. A function
/// finds the caller's deadline with here().deadline().
///
/// Errors of the function cross: std::system_error with its code and category, others as remote_error with
/// the name of their type. A worker that is killed, crashes or exits fails exactly its own call, with
/// worker_died, and is replaced at once.
///
/// Lifetime: destroying the pool kills its workers. Calls that still run fail with worker_died. One that was
///           moved from has no workers, and its calls throw errc::wrong_state.
/// Threads:  any; run() may be called on any loop. Not in a process forked from this one (errc::wrong_state):
/// there,
///           make a new pool.
class process_pool {
  public:
    /// Starts the workers, without waiting for them. Throws: as zygote::start().
    explicit process_pool(process_pool_options options = {});
    process_pool(process_pool&&) noexcept;
    process_pool& operator=(process_pool&&) noexcept;
    ~process_pool();

    /// Runs `f(args...)` in a worker, as soon as one is free, in the order of the calls; gives its result.
    ///
    /// Cancel: a call that waits never runs. The worker of one that runs is killed, and has ended before the
    /// cancel
    ///         goes on.
    /// Throws: what `f` throws (see above); worker_died; errc::closed after close();
    /// process_errc::unknown_image for a
    ///         function of a shared object that was loaded after the zygote was made.
    template <class F, class... Args>
    auto run(F function, const Args&... args) {
        return run_with({}, detail::plain_function(function), args...);
    }

    /// Calls `f` with each element of `range`, at most `limit` at a time (0: twice the number of workers);
    /// gives a vector of the results in the order of the range, nothing if `f` gives nothing.
    ///
    /// The first failure cancels the others, which are awaited. Lifetime: as simul::map.
    template <std::ranges::forward_range Range, class F>
    auto map(Range&& range, F function, std::size_t limit = 0) {
        return map_with({}, std::forward<Range>(range), detail::plain_function(function), limit);
    }

    class with_options;
    /// The same, with options for these calls.
    with_options with(process_call_options options);

    std::size_t size() const noexcept;
    process_pool_statistics statistics();

    /// Kills the workers and waits until they have ended. Calls that run fail with worker_died, later ones
    /// with errc::closed. Blocks for a millisecond or so, at most a second.
    void close() noexcept;

  private:
    template <class F, class... Args>
    auto run_with(process_call_options options, F function, const Args&... args) {
        using call = decltype(detail::remote_call_for<F, Args...>());
        using result = typename call::result;
        return detail::run_in_worker_for<result>(
            core_, call::encode_call(function, &call::run_for_result, false, args...), options);
    }
    template <class Range, class F>
    auto map_with(process_call_options options, Range&& range, F function, std::size_t limit) {
        auto one = [this, options, function](const auto& each) {
            return this->run_with(options, function, each);
        };
        return simul::map(std::forward<Range>(range), std::move(one), limit == 0 ? 2 * size() : limit);
    }

    std::shared_ptr<detail::pool_core> core_;
};

/// A pool and options for calls: what process_pool::with gives. Refers to the pool.
class process_pool::with_options {
  public:
    with_options(process_pool& pool, process_call_options options) : pool_(pool), options_(options) {}

    template <class F, class... Args>
    auto run(F function, const Args&... args) {
        return pool_.run_with(options_, detail::plain_function(function), args...);
    }
    template <std::ranges::forward_range Range, class F>
    auto map(Range&& range, F function, std::size_t limit = 0) {
        return pool_.map_with(options_, std::forward<Range>(range), detail::plain_function(function), limit);
    }

  private:
    process_pool& pool_;
    process_call_options options_;
};

inline process_pool::with_options process_pool::with(process_call_options options) {
    return {*this, options};
}

}  // namespace simul
