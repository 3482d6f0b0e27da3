#pragma once

#include <simul/codec/codec.hpp>
#include <simul/codec/value.hpp>
#include <simul/core/task.hpp>
#include <simul/jobs/job.hpp>
#include <simul/jobs/store.hpp>
#include <simul/processes/process_pool.hpp>
#include <simul/threads/thread_pool.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace simul {

/// How a worker runs a job.
enum class job_kind {
    coroutine,  ///< On the worker's loop, beside thousands of others. What functions that return a task get.
    thread,     ///< On a thread of its pool. What plain functions get.
    isolated,   ///< In a process of its own: a crash, an exit or a timeout ends only that job.
};
std::string_view to_string(job_kind k) noexcept;

/// Marks a function that is to run in a process of its own: `worker.handle(resize, isolated(&resize_image))`.
/// It must be a function or a captureless lambda, because another process cannot have what it would capture.
template <class F>
struct isolated_function {
    F function;
};
template <class F>
constexpr isolated_function<F> isolated(F function) {
    return {function};
}

/// What to do with a job whose function this worker does not know.
enum class unknown_jobs {
    automatic,  ///< Hand it back where RQ's workers may take it (Redis), else fail it.
    hand_back,  ///< Leave it for others; a worker that finds nothing it knows leaves the queue alone for a
                ///< while.
    fail,       ///< Record a failure that lists the names this worker knows.
};

struct worker_options {
    std::vector<std::string> queues{"default"};  ///< In the order of preference.
    std::string name{};  ///< At most worker_name_bytes_max, no control characters. Default: HOST.PID.XXXX
    /// Jobs at once. Default (0): 100, or one per pool thread where a handler is no coroutine.
    std::size_t concurrency = 0;
    bool burst = false;                     ///< Ends when the queues are empty.
    std::optional<std::size_t> max_jobs{};  ///< Ends after so many jobs. Default: never.
    unknown_jobs unknown = unknown_jobs::automatic;

    /// How long the worker counts as alive after its last sign of life, where nobody can see its process.
    std::chrono::seconds lease{90};
    /// Pause between signs of life. They come from a thread that no job can block.
    std::chrono::milliseconds heartbeat{2'000};
    /// How long a job may go on past its timeout before it is recorded as failed while it still runs. Also
    /// how long one that was stopped may go on: after that its slot counts as lost, as that of one that
    /// hangs.
    std::chrono::milliseconds timeout_grace{5'000};
    /// A job that had so many workers die is set aside as failed.
    int deaths_max = 3;
    /// Run again what RQ clients enqueued when its worker died; RQ itself would record a failure.
    bool rerun_rq_jobs = false;
    /// Functions that hang in a thread past timeout and grace hold their slot for good; with so many, or when
    /// no slot is left, the worker takes nothing more and ends as soon as the other jobs have ended.
    std::size_t lost_slots_max = 3;

    /// Receives the worker's log, line by line without the time. Default: stdout as "HH:MM:SS LINE".
    /// Control characters are escaped (\n, \x1b); only the text of a failure has lines of its own, indented.
    /// Threads: called from the worker's thread and its heartbeat thread, never by both at once.
    std::function<void(std::string_view line)> log{};
    /// Pools to use. Default: the worker makes its own when a handler needs one.
    thread_pool* threads = nullptr;
    process_pool* processes = nullptr;
};

struct worker_report {
    std::size_t succeeded = 0;
    std::size_t failed = 0;  ///< Runs that failed, tried again or not, and those that were stopped.
    std::size_t handed_back = 0;
    std::size_t lost_slots = 0;  ///< As worker::lost_slots().
};

/// The job that the calling coroutine runs in; null elsewhere. Lifetime: the job's run.
const job_record* this_job() noexcept;

/// Takes jobs from queues and runs them, and does what it is told from elsewhere (job_store::stop,
/// job_store::send_command): a coroutine that is stopped is canceled, an isolated function's process is
/// killed, and a function in a thread sees here().canceled(); it is recorded as stopped at once even if it
/// goes on.
///
///     worker w("sqlite:///var/lib/app/jobs.db");
///     w.handle(count_words, [](std::string url) -> task<int> {...});
///     return worker_main(w);
///
/// Threads: belongs to one thread; run() on its loop. It starts threads of its own: for heartbeats, for the
/// store and for plain functions.
class worker {
  public:
    explicit worker(std::string_view store_url, worker_options options = {}, store_options store = {});
    explicit worker(std::unique_ptr<job_store> store, worker_options options = {});
    ~worker();
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    /// Runs jobs of contract `j` with `f`: coroutines on the loop, plain functions on a thread, `isolated(f)`
    /// in a process. A second handler of the same name replaces the first. Not while run() runs.
    template <class R, class... A, class F>
    worker& handle(const job<R(A...)>& j, F f) {
        if constexpr (is_isolated<F>::value) {
            using function = decltype(f.function);
            static_assert(std::is_empty_v<function> || std::is_pointer_v<function>,
                          "isolated() takes a function or a captureless lambda: another process has not what "
                          "is captured");
            static_assert(std::is_invocable_v<function, std::decay_t<A>...>,
                          "the function does not take the arguments of the job's contract");
            need_processes();
            add(std::string(j.name()), job_kind::isolated, [this, j, f](job_call c) {
                return run_isolated<R, A...>(this, j, f.function, std::move(c));
            });
        } else {
            static_assert(std::is_invocable_v<F&, std::decay_t<A>...>,
                          "the function does not take the arguments of the job's contract");
            using result = std::invoke_result_t<F&, std::decay_t<A>...>;
            static_assert(
                std::is_void_v<R> || std::is_convertible_v<typename detail::task_value<result>::type, R>,
                "the function's result is not the one that the job's contract promises");
            auto shared = std::make_shared<F>(std::move(f));
            if constexpr (detail::task_value<result>::is_task)
                add(std::string(j.name()), job_kind::coroutine,
                    [j, shared](job_call c) { return run_here<R, A...>(j, shared, std::move(c)); });
            else
                add(std::string(j.name()), job_kind::thread, [this, j, shared](job_call c) {
                    return run_on_thread<R, A...>(this, j, shared, std::move(c));
                });
        }
        return *this;
    }
    /// Runs jobs of a bound contract with its own function.
    template <class R, class... A, class F>
        requires(!std::is_void_v<F>)
    worker& handle(const job<R(A...), F>& j) {
        return handle(j.terms(), j.function());
    }
    /// Runs jobs of `name` with the call as it came.
    worker& handle_call(std::string name, job_kind kind, std::function<task<value>(job_call)> f);

    /// Takes and runs jobs until stop(), or until burst or max_jobs end it.
    /// Throws: what the store throws when the worker cannot be registered; later losses of the store are
    /// waited for.
    task<worker_report> run();

    /// The first call lets what runs come to its end and takes nothing more; it does not wait for functions
    /// that hang. The second one hands what runs back to its queues and cancels it; functions in threads,
    /// which cannot be canceled, are left behind. To cancel run() is like the second call. On the loop of
    /// run().
    void stop();
    /// Functions that still run in threads of the pool although run() has ended: those that hang past their
    /// timeout, and those that were handed back. The pool's destructor waits for them, so the process should
    /// end without it (exit_if_slots_were_lost).
    std::size_t lost_slots() const noexcept;
    /// Writes one line to the worker's log; control characters in it are escaped.
    void log(std::string_view line);

    const worker_options& options() const noexcept;
    job_store& store() noexcept;
    std::vector<std::string> handled() const;

  private:
    struct impl;
    template <class F>
    struct is_isolated : std::false_type {};
    template <class F>
    struct is_isolated<isolated_function<F>> : std::true_type {};
    using body = std::function<task<value>(job_call)>;

    void add(std::string name, job_kind kind, body f);
    void need_processes();
    task<value> on_thread(std::function<value()> f);
    process_pool& processes();

    template <class R, class... A, class F>
    static task<value> run_here(job<R(A...)> j, std::shared_ptr<F> f, job_call c) {
        auto arguments = j.bind(c);
        if constexpr (std::is_void_v<R>) {
            co_await std::apply([&](auto&... a) { return (*f)(std::move(a)...); }, arguments);
            co_return value();
        } else {
            R result = co_await std::apply([&](auto&... a) { return (*f)(std::move(a)...); }, arguments);
            co_return to_value(result);
        }
    }
    template <class R, class... A, class F>
    static task<value> run_on_thread(worker* w, job<R(A...)> j, std::shared_ptr<F> f, job_call c) {
        auto arguments = j.bind(c);
        auto shared = std::make_shared<decltype(arguments)>(std::move(arguments));
        co_return co_await w->on_thread([f, shared]() -> value {
            if constexpr (std::is_void_v<R>) {
                std::apply([&](auto&... a) { (*f)(std::move(a)...); }, *shared);
                return {};
            } else {
                R result = std::apply([&](auto&... a) -> R { return (*f)(std::move(a)...); }, *shared);
                return to_value(result);
            }
        });
    }
    template <class R, class... A, class F>
    static task<value> run_isolated(worker* w, job<R(A...)> j, F f, job_call c) {
        auto arguments = j.bind(c);
        if constexpr (std::is_void_v<R>) {
            co_await std::apply([&](auto&... a) { return w->processes().run(f, std::move(a)...); },
                                arguments);
            co_return value();
        } else {
            R result = co_await std::apply([&](auto&... a) { return w->processes().run(f, std::move(a)...); },
                                           arguments);
            co_return to_value(result);
        }
    }

    std::unique_ptr<impl> impl_;
};

/// Runs the worker on a loop of its own until it ends; SIGINT and SIGTERM stop it as stop() does.
/// Throws: as worker::run().
worker_report run_until_signaled(worker& w);

/// `int main() { worker w(...); w.handle(...); return worker_main(w); }`: run_until_signaled as a program: 0,
/// or 1 after an error, which is printed on stderr. Ends the program at once where jobs hang in threads.
int worker_main(worker& w);

/// For programs that call run_until_signaled themselves: ends the program with `status` (1 if it is 0) if
/// functions still run in threads (worker::lost_slots), because waiting for those would make the program hang
/// too; else does nothing.
void exit_if_slots_were_lost(const worker& w, int status) noexcept;

}  // namespace simul
