#include "command.hpp"

#include <simul/jobs/error.hpp>

#include "time_text.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <system_error>

namespace simul::cli {
namespace {

/// Tells on a terminal how far a work has come, once it takes longer than a second.
class progress_line {
  public:
    progress_line(std::string_view what, std::int64_t total) : what_(what), total_(total) {}
    ~progress_line() {
        if (shown_) std::fputs("\r\x1b[K", stderr);
    }
    progress_line(const progress_line&) = delete;
    progress_line& operator=(const progress_line&) = delete;

    void operator()(std::size_t done) {
        const auto now = std::chrono::steady_clock::now();
        if (!terminal_ || now < next_) return;
        next_ = now + std::chrono::milliseconds(100);
        shown_ = true;
        std::fputs(
            fmt::format("\r{} {} of {}\x1b[K", what_, done, std::max(total_, static_cast<std::int64_t>(done)))
                .c_str(),
            stderr);
    }

  private:
    std::string what_;
    std::int64_t total_;
    bool terminal_ = ::isatty(STDERR_FILENO) == 1;
    bool shown_ = false;
    std::chrono::steady_clock::time_point next_ = std::chrono::steady_clock::now() + std::chrono::seconds(1);
};

queue_counts counts_of(const store_overview& o, const std::string& queue) {
    for (const queue_counts& q : o.queues)
        if (q.name == queue) return q;
    return {};
}

/// One step for each job or worker. What cannot be done is told in a line of its own, and the others have
/// their turn; the status is that of the refusals, or `failed` where they differ.
template <class F>
task<int> for_each_name(const common_options& common, const std::vector<std::string>& names,
                        std::string_view what, std::string_view done, F step) {
    int status = ok;
    for (const std::string& name : names) {
        std::exception_ptr error;
        try {
            co_await step(name);
        } catch (const std::system_error&) {  // reported below; the others have their turn
            error = std::current_exception();
        }
        if (error) {
            const int refused = report(error);
            if (refused == no_store) co_return refused;  // it would be the same for the others
            status = status == ok || status == refused ? refused : failed;
        } else if (common.json) {
            print_line(value().set(what == "Job" ? "id" : "worker", name).set("done", done));
        } else {
            print(fmt::format("{} {} {}.\n", what, escape_controls(name), done));
        }
    }
    co_return status;
}

template <class F>
task<int> for_each_id(const common_options& common, const std::vector<std::string>& ids,
                      std::string_view done, F step) {
    return for_each_name(common, ids, "Job", done, std::move(step));
}

task<int> requeue_all(const common_options& common, std::shared_ptr<job_store> store, std::string name) {
    job_queue queue(store, name);
    const store_overview o = co_await store->overview();
    const std::int64_t there = counts_of(o, name).failed;
    if (there == 0 && !common.json) print("Nothing to do\n");
    if (there != 0 && !common.json) {
        print(fmt::format("Requeueing {} jobs from failed queue\n", there));
        (void)flush_output();
    }
    std::size_t done = 0;
    if (there != 0) {
        progress_line progress("requeued", there);
        done = co_await queue.requeue_failed([&](std::size_t n) { progress(n); });
    }
    if (common.json)
        print_line(value().set("queue", name).set("requeued", done));
    else if (static_cast<std::int64_t>(done) < there)
        print(fmt::format("{} of them had no record any more, or were requeued by others\n",
                          there - static_cast<std::int64_t>(done)));
    co_return ok;
}

}  // namespace

int requeue(const common_options& common, const requeue_arguments& a) {
    return run_command([&]() -> task<int> {
        std::shared_ptr<job_store> store = open(common);
        if (a.all) co_return co_await requeue_all(common, store, a.queue);
        if (a.ids.empty()) {
            if (!common.json) print("Nothing to do\n");
            co_return ok;
        }
        auto step = [&](std::string id) -> task<void> {
            if (!a.queue.empty()) {
                const std::optional<job_record> job = co_await store->fetch(id);
                if (job && job->queue != a.queue)
                    throw_job_error(job_errc::wrong_state, fmt::format("job {} is on the queue {}, not {}",
                                                                       id, job->queue, a.queue));
            }
            co_await store->requeue(id);
        };
        co_return co_await for_each_id(common, a.ids, "requeued", step);
    });
}

int cancel(const common_options& common, const std::vector<std::string>& ids, bool enqueue_dependents) {
    return run_command([&]() -> task<int> {
        std::unique_ptr<job_store> store = open(common);
        auto step = [&](std::string id) -> task<void> { co_await store->cancel(id, enqueue_dependents); };
        co_return co_await for_each_id(common, ids, "canceled", step);
    });
}

int stop(const common_options& common, const std::vector<std::string>& ids) {
    return run_command([&]() -> task<int> {
        std::unique_ptr<job_store> store = open(common);
        auto step = [&](std::string id) -> task<void> { co_await store->stop(id); };
        co_return co_await for_each_id(common, ids, "told to stop", step);
    });
}

int command_workers(const common_options& common, const std::vector<std::string>& names,
                    worker_command_kind kind) {
    return run_command([&]() -> task<int> {
        std::unique_ptr<job_store> store = open(common);
        auto step = [&](std::string name) -> task<void> {
            worker_command c;
            c.kind = kind;
            co_await store->send_command(name, c);
        };
        const std::string_view done =
            kind == worker_command_kind::shutdown ? "told to shut down" : "told to kill what it runs";
        co_return co_await for_each_name(common, names, "Worker", done, step);
    });
}

int empty(const common_options& common, const std::vector<std::string>& names) {
    return run_command([&]() -> task<int> {
        std::shared_ptr<job_store> store = open(common);
        std::vector<job_queue> queues;  // all of them first: a name that cannot be stops before anything goes
        for (const std::string& name : names) queues.emplace_back(store, name);
        const store_overview o = co_await store->overview();
        if (names.empty())
            for (const queue_counts& q : o.queues) queues.emplace_back(store, q.name);
        if (queues.empty() && !common.json) print("Nothing to do\n");
        for (const job_queue& queue : queues) {
            std::size_t removed = 0;
            {
                progress_line progress("removed", counts_of(o, queue.name()).queued);
                removed = co_await queue.empty([&](std::size_t n) { progress(n); });
            }
            if (common.json)
                print_line(value().set("queue", queue.name()).set("removed", removed));
            else
                print(fmt::format("{} jobs removed from {} queue\n", removed, escape_controls(queue.name())));
        }
        co_return ok;
    });
}

int suspend(const common_options& common, const std::string& time_limit) {
    return run_command([&]() -> task<int> {
        std::optional<std::chrono::seconds> limit;
        if (!time_limit.empty()) {
            limit = read_duration(time_limit, "duration");
            if (*limit < std::chrono::seconds(1))
                throw_job_error(job_errc::invalid_option,
                                fmt::format("--duration is '{}'; it is at least 1 second, and without it the "
                                            "workers are suspended until `simul resume`",
                                            time_limit));
        }
        std::unique_ptr<job_store> store = open(common);
        co_await store->set_suspended(true, limit);
        const store_overview o = co_await store->overview();
        if (common.json) {
            value v;
            v.set("suspended", o.suspended);
            if (o.suspended_until) v.set("suspended_until", to_iso(*o.suspended_until));
            print_line(v);
        } else if (o.suspended_until) {
            print(fmt::format("Workers are suspended until {}, or `simul resume`; what runs ends.\n",
                              local_time_text(*o.suspended_until)));
        } else {
            print("Workers are suspended; `simul resume` lets them go on. What runs ends.\n");
        }
        co_return ok;
    });
}

int resume(const common_options& common) {
    return run_command([&]() -> task<int> {
        std::unique_ptr<job_store> store = open(common);
        co_await store->set_suspended(false);
        if (common.json)
            print_line(value().set("suspended", false));
        else
            print("Workers take jobs again.\n");
        co_return ok;
    });
}

}  // namespace simul::cli
