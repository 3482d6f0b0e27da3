#include <simul/jobs/error.hpp>
#include <simul/jobs/payload.hpp>
#include <simul/jobs/worker.hpp>

#include <simul/base/cpus.hpp>
#include <simul/base/version.hpp>
#include <simul/core/async_event.hpp>
#include <simul/core/context_value.hpp>
#include <simul/core/outcome.hpp>
#include <simul/core/race.hpp>
#include <simul/core/scopes.hpp>
#include <simul/core/task_group.hpp>
#include <simul/loop/finally.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>
#include <simul/net/error.hpp>

#include "jobs/failure_text.hpp"
#include "jobs/heart.hpp"
#include "jobs/thread_run.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <netdb.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>

// A worker in three parts:
//   * the take loop: asks the store for as many jobs as there are free slots, waits at the doorbell when
//   there
//     are none, and spawns a task for each job it got;
//   * run_one, one task per job: finds the handler, runs it within its timeout, hands the outcome to
//   finish();
//     outcomes that come while one batch is on its way travel together in the next;
//   * the heart (jobs/heart.hpp), on a thread and a loop of its own: signs of life, recovery of dead workers,
//     jobs whose time has come, jobs that hang. No job can block it.
// What runs is in `shared.running` under its execution id until its outcome is recorded. Whoever takes it out
// of there owns the outcome: the task, the heart (a job that hangs), or stop() (handing back).
// A fourth part listens to commands from elsewhere. One that ends a run marks it in `runs` and cancels its
// scope; the task then records the end that was asked for, whatever the function makes of its cancel. Where
// the function goes on (a thread cannot be killed, a coroutine may take its time) the heart records that end.

namespace simul {
namespace {

constexpr context_value<const job_record*> job_here;

/// An idle worker looks at its queues that often even if no news come.
constexpr std::chrono::milliseconds wait_for_work_max(60'000);
/// A wait for commands begins anew that often.
constexpr std::chrono::milliseconds wait_for_command_max(60'000);
/// Stops of jobs that are on their way to this worker; more are not remembered.
constexpr std::size_t early_stops_max = 1000;

wall_time wall_now() {
    return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

std::string default_name() {
    process_identity p = this_process();
    return fmt::format("{}.{}.{}", p.host, p.pid, new_execution_id().substr(0, 4));
}

std::string kept_text(const finish_answer& a) {
    if (a.kind == finish_kind::discarded || (a.kept && *a.kept == std::chrono::seconds(0)))
        return "Result discarded immediately";
    if (a.kept && *a.kept < std::chrono::seconds(0))
        return "Result will never expire, clean up result key manually";
    return fmt::format("Result is kept for {} seconds", a.kept.value_or(default_result_ttl).count());
}

bool worth_waiting(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::system_error& e) {
        // A Unix socket's file is gone for a moment while its server is started again.
        return e.code() == condition::disconnected || e.code() == condition::retry_later ||
               e.code() == condition::timed_out || e.code() == std::errc::no_such_file_or_directory ||
               e.code() == std::errc::host_unreachable ||
               e.code() == std::error_code(EAI_NONAME, resolver_category());
    } catch (...) {  // rethrown by the caller
        return false;
    }
}

std::string text_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {  // only its text is wanted
        return "unknown error";
    }
}

}  // namespace

std::string_view to_string(job_kind k) noexcept {
    switch (k) {
        case job_kind::coroutine:
            return "coroutine";
        case job_kind::thread:
            return "thread";
        case job_kind::isolated:
            return "isolated";
    }
    return "";
}

const job_record* this_job() noexcept {
    const job_record* const* found = job_here.get();
    return found != nullptr ? *found : nullptr;
}

struct worker::impl {
    struct handler {
        job_kind kind;
        body run;
    };

    impl(std::unique_ptr<job_store> s, worker_options o) : store(std::move(s)), options(std::move(o)) {
        if (options.name.empty()) options.name = default_name();
        if (options.queues.empty()) options.queues.emplace_back("default");
        for (const std::string& q : options.queues)
            if (!valid_queue_name(q))
                throw_job_error(job_errc::invalid_queue,
                                fmt::format("'{}' cannot name a queue", escape_controls(q)));
        if (!valid_worker_name(options.name))
            throw_job_error(job_errc::invalid_option,
                            fmt::format("'{}' cannot name a worker: it has at most {} bytes and no control "
                                        "characters",
                                        escape_controls(options.name), worker_name_bytes_max));
        check("lease", options.lease, std::chrono::seconds(1));
        check("heartbeat", options.heartbeat, std::chrono::milliseconds(1));
        check("timeout_grace", options.timeout_grace, std::chrono::milliseconds(0));
    }

    template <class Duration>
    static void check(std::string_view name, Duration given, Duration least) {
        if (given < least || given > std::chrono::duration_cast<Duration>(job_duration_max))
            throw_job_error(job_errc::invalid_option,
                            fmt::format("the worker's {} is out of its range, {} to 100 years", name, least));
    }

    // ---- log
    // Every line goes through here: what others wrote (names, arguments, errors) can neither end a line nor
    // begin one. `details` are lines of their own below it, and indented.
    void log(std::string_view head, std::string_view details = {}) {
        std::string line = escape_controls(head);
        while (!details.empty()) {
            const std::size_t end = std::min(details.find('\n'), details.size());
            line += "\n  " + escape_controls(details.substr(0, end));
            details.remove_prefix(std::min(end + 1, details.size()));
        }
        write_log(line);
    }
    void write_log(std::string_view line) {
        std::lock_guard lock(log_mutex);
        if (options.log) {
            options.log(line);
            return;
        }
        std::time_t now = std::time(nullptr);
        std::string text = fmt::format("{:%H:%M:%S} {}\n", fmt::localtime(now), line);
        std::fwrite(text.data(), 1, text.size(), stdout);
        std::fflush(stdout);
    }

    // ---- slots
    std::size_t blocking_slots() {
        std::size_t n = 0;
        for (auto& [name, h] : handlers)
            if (h.kind != job_kind::coroutine) n = std::max(n, std::size_t{available_cpus()});
        return n;
    }
    std::size_t slots() {
        if (options.concurrency != 0) return options.concurrency;
        std::size_t blocking = blocking_slots();
        return blocking != 0 ? blocking : 100;
    }

    // ---- outcomes
    struct pending_outcome {
        execution_outcome outcome;
        async_event done;
        std::optional<finish_answer> answer;
    };

    task<finish_answer> finish(execution_outcome outcome) {
        pending_outcome mine{std::move(outcome), {}, {}};
        waiting_outcomes.push_back(&mine);
        struct remove_me {
            std::vector<pending_outcome*>& from;
            pending_outcome* p;
            ~remove_me() { std::erase(from, p); }
        } guard{waiting_outcomes, &mine};
        while (!mine.answer) {
            if (flushing)
                co_await mine.done.wait();
            else
                co_await flush();
            mine.done.reset();
        }
        co_return *mine.answer;
    }

    // Sends what waits. Until it returns, what comes newly gathers for the next one.
    task<void> flush() {
        flushing = true;
        struct clear {
            impl& self;
            std::vector<pending_outcome*> sent;
            ~clear() {
                self.flushing = false;
                for (pending_outcome* p : self.waiting_outcomes) p->done.set();  // somebody sends the rest
            }
        } guard{*this, {}};
        std::vector<execution_outcome> batch;
        std::vector<pending_outcome*> sent = waiting_outcomes;
        for (pending_outcome* p : sent) batch.push_back(p->outcome);
        std::vector<finish_answer> answers =
            co_await trying([&] { return store->finish(options.name, batch); });
        for (std::size_t i = 0; i < sent.size(); ++i) {
            // One that was canceled meanwhile has left the list.
            if (std::find(waiting_outcomes.begin(), waiting_outcomes.end(), sent[i]) ==
                waiting_outcomes.end())
                continue;
            sent[i]->answer = answers[i];
            if (answers[i].due_at) the_heart->note_due(*answers[i].due_at);
            std::erase(waiting_outcomes, sent[i]);
            sent[i]->done.set();
        }
    }

    template <class F>
    using result_of = typename detail::task_value<std::invoke_result_t<F&>>::type;

    // A step of the store that waits for the store to come back when it is lost, or until the worker is asked
    // to stop: then it gives nothing.
    template <class F>
    task<std::optional<result_of<F>>> trying_until_stop(F make) {
        return try_step<F>(std::move(make), true);
    }
    // The same for a step that has to be made: only the second stop, which cancels it, ends the waiting.
    template <class F>
    task<result_of<F>> trying(F make) {
        auto result = co_await try_step<F>(std::move(make), false);
        co_return std::move(*result);
    }
    template <class F>
    task<std::optional<result_of<F>>> try_step(F make, bool may_stop) {
        std::chrono::milliseconds pause(50);
        bool told = false;
        for (;;) {
            auto result = co_await outcome_of(make());
            if (result.canceled()) co_await checkpoint();
            if (result.has_value()) {
                if (told) log("The store is back");
                co_return std::move(result).value();
            }
            if (!worth_waiting(result.error())) std::rethrow_exception(result.error());
            if (may_stop && stop_asked.is_set()) co_return std::nullopt;
            if (!told) log(fmt::format("Lost the store: {}; trying again", text_of(result.error())));
            told = true;
            if (may_stop)
                co_await move_on_after(pause, stop_asked.wait());
            else
                co_await sleep_for(pause);
            pause = std::min(pause * 2, std::chrono::milliseconds(5'000));
        }
    }

    // ---- one job
    execution_outcome outcome_for(const job_record& job, wall_time started) {
        execution_outcome o;
        o.job = job.id;
        o.execution = job.execution;
        o.queue = job.queue;
        o.started_at = started;
        o.ended_at = wall_now();
        return o;
    }

    /// A run from when it was taken until its function has ended.
    struct live_run {
        enum class end { by_itself, stopped, killed };
        std::string job;
        std::string queue;
        std::string function;
        job_kind kind = job_kind::coroutine;
        end told = end::by_itself;
        bool over = false;              // its function has ended: it is too late to tell it anything
        cancel_scope* scope = nullptr;  // while its function runs
    };

    std::string end_text(const live_run& run) const {
        if (run.told == live_run::end::stopped) return std::string(stopped_text);
        return detail::failure_text("simul.HorseKilled", "ended by a kill-horse command", run.function,
                                    options.name);
    }

    // The function in a scope that a command may cancel; empty where one did. It may also have ended
    // otherwise after it was told to end: `run.told` counts.
    task<std::optional<value>> run_in_scope(live_run& run, const handler& h, const job_record& job,
                                            job_call call, bool limited) {
        struct leave {
            live_run& run;
            ~leave() { run.scope = nullptr; }
        } guard{run};
        auto body = [&](cancel_scope& scope) {
            run.scope = &scope;
            return run_limited(h, job, std::move(call), limited);
        };
        std::optional<std::optional<value>> result = co_await with_scope(body);
        if (!result) co_return std::nullopt;
        co_return std::move(*result);
    }

    task<value> call_handler(const handler& h, const job_record* job, job_call call) {
        co_return co_await job_here.with(job, h.run(std::move(call)));
    }

    task<void> run_one(job_record job) {
        struct leave {
            impl& self;
            std::string execution;
            ~leave() {
                self.runs.erase(execution);
                --self.running;
                self.slot_free.set();
            }
        } guard{*this, job.execution};
        live_run& run = runs[job.execution];  // take_jobs() has made it
        const wall_time started = wall_now();
        execution_outcome out = outcome_for(job, started);

        std::optional<job_call> call;
        try {
            call = decode_call(job.data);
        } catch (const std::exception& e) {
            out.error = detail::failure_text("simul.BadPayload", e.what(), job.description, options.name);
            out.may_retry = false;
        }
        const handler* h = nullptr;
        if (call) {
            auto found = handlers.find(call->function);
            if (found != handlers.end()) h = &found->second;
        }
        if (call && h == nullptr) {
            bool back = options.unknown == unknown_jobs::hand_back ||
                        (options.unknown == unknown_jobs::automatic && store->shared_with_rq());
            if (back && run.told != live_run::end::stopped) {
                co_await give_back_unknown(std::move(job), call->function, std::move(out));
                co_return;
            }
            out.error = detail::failure_text(
                "simul.UnknownFunction",
                fmt::format("no handler for '{}'; this worker knows: {}", call->function, known_names()),
                call->function, options.name);
            out.may_retry = false;
        }
        std::string function = call ? call->function : std::string("?");
        log(fmt::format("{}: {} ({})", job.queue, job.description, job.id));
        if (h != nullptr) {
            const bool limited = job.timeout > std::chrono::seconds(0);
            shared.add(job, function,
                       limited ? clock::now() + detail::within_limit(job.timeout) + options.timeout_grace
                               : time_point::max());
            payload_format format = format_of(job.data);
            run.kind = h->kind;
            run.function = function;
            if (run.told == live_run::end::by_itself) {  // else it was told to end before it began
                outcome<std::optional<value>> result =
                    co_await outcome_of(run_in_scope(run, *h, job, std::move(*call), limited));
                if (result.canceled()) co_await checkpoint();  // handed back by whoever canceled
                out.ended_at = wall_now();
                if (run.told == live_run::end::by_itself) record(result, format, function, job, out);
            }
        } else {
            shared.add(job, function, time_point::max());
        }
        run.over = true;
        if (run.told != live_run::end::by_itself) {
            out.error = end_text(run);
            out.stopped = run.told == live_run::end::stopped;
        }
        if (!shared.claim(job.execution)) {
            log(fmt::format("{}: late result of {} dropped: it was recorded as {} before", job.queue, job.id,
                            run.told == live_run::end::stopped ? "stopped" : "failed"));
            co_return;
        }
        shared_state::finishing still_here{shared, job.execution};
        finish_answer answer = co_await finish(out);
        tell(job, function, out, answer);
    }

    task<std::optional<value>> run_limited(const handler& h, const job_record& job, job_call call,
                                           bool limited) {
        if (!limited) {
            value v = co_await call_handler(h, &job, std::move(call));
            co_return v;
        }
        co_return co_await move_on_after(detail::within_limit(job.timeout),
                                         call_handler(h, &job, std::move(call)));
    }

    void record(outcome<std::optional<value>>& result, payload_format format, const std::string& function,
                const job_record& job, execution_outcome& out) {
        if (result.has_error()) {
            out.error = detail::failure_text(result.error(), function, options.name);
            return;
        }
        std::optional<value> v = std::move(result).value();
        if (!v) {
            out.error = timeout_text(job, function, options.name);
            return;
        }
        out.success = true;
        if (v->is_null()) return;
        try {
            out.return_value = encode_payload(*v, format);
        } catch (const std::exception& e) {
            out.success = false;
            out.may_retry = false;
            out.error = detail::failure_text(
                "simul.BadResult", fmt::format("the result has no form in the job's format: {}", e.what()),
                function, options.name);
        }
    }

    task<void> give_back_unknown(job_record job, std::string function, execution_outcome out) {
        if (told_unknown.insert(function).second)
            log(fmt::format("{}: '{}' is not known here; jobs of it are left for other workers", job.queue,
                            function));
        if (skip.size() >= 100) skip.pop_front();
        skip.push_back(job.id);
        std::vector<execution_outcome> one{std::move(out)};
        auto done = co_await trying_until_stop([&]() -> task<bool> {
            co_await store->hand_back(options.name, one);
            co_return true;
        });
        // A worker that goes while the store is away leaves it to those who see that it has gone.
        if (done) ++report.handed_back;
    }

    void tell(const job_record& job, const std::string& function, const execution_outcome& out,
              const finish_answer& a) {
        if (a.kind == finish_kind::refused) {
            log(
                fmt::format("{}: the outcome of {} was not recorded: the job was canceled, deleted or taken "
                            "over meanwhile",
                            job.queue, job.id));
            return;
        }
        if (out.success) {
            ++report.succeeded;
            log(fmt::format("{}: Job OK ({})", job.queue, job.id));
            log(kept_text(a));
            return;
        }
        ++report.failed;
        if (out.stopped) {
            log(fmt::format("{}: Job stopped by user ({})", job.queue, job.id));
            return;
        }
        log(fmt::format("{}: job {}: exception raised while executing ({})", job.queue, job.id, function),
            out.error);
        if (a.kind == finish_kind::requeued)
            log(fmt::format("{}: job {} is tried again at once", job.queue, job.id));
        if (a.kind == finish_kind::scheduled)
            log(fmt::format("{}: job {} is tried again at {}", job.queue, job.id,
                            a.due_at ? to_iso(*a.due_at) : std::string()));
    }

    std::string known_names() const {
        std::string names;
        for (auto& [name, h] : handlers) names += (names.empty() ? "" : ", ") + name;
        return names.empty() ? "none" : names;
    }

    // ---- commands
    void tell_run(const std::string& execution, live_run& run, live_run::end how) {
        if (run.over) {
            log(fmt::format("Job {} has just ended, command ignored", run.job));
            return;
        }
        if (run.told == how || run.told == live_run::end::stopped) return;  // on its way
        run.told = how;
        log(fmt::format("{}: job {}: told to {}", run.queue, run.job,
                        how == live_run::end::stopped ? "stop" : "end"));
        if (run.scope == nullptr) return;  // it has not begun
        // A coroutine or a process has time to end well. A function in a thread may go on for long, and who
        // stopped it does not wait for that; what is tried again had better not run beside itself.
        const bool stopped = how == live_run::end::stopped;
        const bool at_once = stopped && run.kind == job_kind::thread;
        const time_point now = clock::now();
        const time_point patience = now + options.timeout_grace;
        shared.tell_end(execution, end_text(run), stopped, at_once ? now : patience, patience);
        if (at_once) the_heart->hurry();
        run.scope->cancel(stopped ? "the job was stopped" : "a kill-horse command");
    }

    void stop_job(const worker_command& c) {
        bool found = false;
        // A cancel may end a run at once, and take it out of `runs`.
        std::vector<std::string> executions;
        for (auto& [execution, run] : runs)
            if (run.job == c.job && (c.kind == worker_command_kind::stop_job || c.execution == execution))
                executions.push_back(execution);
        for (const std::string& execution : executions) {
            auto at = runs.find(execution);
            if (at == runs.end()) continue;
            found = true;
            tell_run(execution, at->second, live_run::end::stopped);
        }
        if (found) return;
        if (taking && early_stops.size() < early_stops_max)
            early_stops.push_back(c);  // it may be on its way here
        else
            log(fmt::format("Not working on job {}, command ignored", c.job));
    }

    void kill_horse() {
        log("Received kill horse command");
        if (runs.empty()) log("Nothing runs, kill horse command ignored");
        std::vector<std::string> executions;
        for (auto& [execution, run] : runs) executions.push_back(execution);
        for (const std::string& execution : executions)
            if (auto at = runs.find(execution); at != runs.end())
                tell_run(execution, at->second, live_run::end::killed);
    }

    void obey(const worker_command& c) {
        switch (c.kind) {
            case worker_command_kind::stop_job:
            case worker_command_kind::stop_execution:
                stop_job(c);
                break;
            case worker_command_kind::kill_horse:
                kill_horse();
                break;
            case worker_command_kind::shutdown:
                log("Received shutdown command");
                if (stops == 0) stop();
                break;
            case worker_command_kind::unknown:
                log(fmt::format("A command that is not understood was ignored: {}", c.text));
                break;
        }
    }

    // Never returns. A store that cannot be listened to leaves the worker without commands, but working.
    task<void> listen() {
        std::chrono::milliseconds pause(50);
        bool told = false;
        for (;;) {
            auto heard = co_await outcome_of(store->wait_command(options.name, wait_for_command_max));
            if (heard.canceled()) co_await checkpoint();
            if (heard.has_error()) {
                if (!told)
                    log(fmt::format("Commands cannot be heard: {}; trying again", text_of(heard.error())));
                told = true;
                co_await sleep_for(pause);
                pause = std::min(pause * 2, std::chrono::milliseconds(5'000));
                // Silence is no proof that they are heard again, but a subscription without an error is.
                heard = co_await outcome_of(store->wait_command(options.name, std::chrono::milliseconds(0)));
                if (heard.canceled()) co_await checkpoint();
                if (heard.has_error()) continue;
            }
            if (told) log("Commands are heard again");
            told = false;
            pause = std::chrono::milliseconds(50);
            if (std::optional<worker_command> c = std::move(heard).value()) obey(*c);
        }
    }
    task<void> listen_until_served() { co_await race(listen(), served.wait()); }

    // Before anything is taken: who stops a job that runs here finds a listener.
    task<void> begin_to_listen() {
        auto heard = co_await outcome_of(trying_until_stop(
            [&] { return store->wait_command(options.name, std::chrono::milliseconds(0)); }));
        if (heard.canceled()) co_await checkpoint();
        if (heard.has_error()) co_return;  // listen() meets it again, and tells it
        auto first = std::move(heard).value();
        if (first && *first) obey(**first);
    }

    // ---- taking
    void begin_run(const job_record& job) {
        live_run& run = runs[job.execution];
        run.job = job.id;
        run.queue = job.queue;
        for (const worker_command& c : early_stops)
            if (c.job == job.id && (c.kind == worker_command_kind::stop_job || c.execution == job.execution))
                run.told = live_run::end::stopped;
    }

    std::size_t free_slots() {
        std::size_t limit = slots();
        std::size_t busy = running;  // those that hang count too
        std::size_t n = busy < limit ? limit - busy : 0;
        if (options.max_jobs)
            n = std::min(n, *options.max_jobs > taken_total ? *options.max_jobs - taken_total : 0);
        return std::min<std::size_t>(n, 1000);
    }

    // Jobs that may still end by themselves.
    std::size_t busy() const { return running - std::min(running, shared.lost()); }

    // The reset comes before anything else can run: what was looked at must not change in between.
    task<void> wait_for_slot_end() {
        slot_free.reset();
        co_await slot_free.wait();
    }
    task<void> wait_for_slot() {
        slot_free.reset();
        co_await race(slot_free.wait(), stop_asked.wait());
    }

    task<void> take_jobs(task_group& jobs) {
        std::chrono::milliseconds leave_alone(500);
        while (!stop_asked.is_set()) {
            if (options.max_jobs && taken_total >= *options.max_jobs) break;
            std::size_t n = free_slots();
            if (n == 0) {
                co_await wait_for_slot();
                continue;
            }
            take_request request;
            request.worker = options.name;
            request.queues = options.queues;
            request.limit = n;
            request.skip.assign(skip.begin(), skip.end());
            const bool was_idle = busy() == 0;
            taking = true;
            struct end_of_taking {
                impl& self;
                ~end_of_taking() { self.taking = false; }
            } guard{*this};
            early_stops.clear();
            auto taken = co_await trying_until_stop([&] { return store->take(request); });
            taking = false;
            if (!taken) break;
            take_answer& answer = *taken;
            for (taken_job& t : answer.jobs) begin_run(t.job);
            for (const worker_command& c : std::exchange(early_stops, {}))
                if (std::none_of(answer.jobs.begin(), answer.jobs.end(),
                                 [&](const taken_job& t) { return t.job.id == c.job; }))
                    log(fmt::format("Not working on job {}, command ignored", c.job));
            for (taken_job& t : answer.jobs) {
                ++taken_total;
                ++running;  // now, not when it begins: else its slot would be given away twice
                jobs.spawn(&impl::run_one, this, std::move(t.job));
            }
            if (!answer.jobs.empty()) {
                leave_alone = std::chrono::milliseconds(500);
                continue;
            }
            if (answer.unknown_worker) {  // the heart registers it again
                co_await move_on_after(std::chrono::milliseconds(100), stop_asked.wait());
                continue;
            }
            if (options.burst) {
                // What ended while the store looked may have put jobs on the queues behind its back.
                if (!was_idle && busy() == 0) continue;
                if (busy() == 0 && looked_for_dead.is_set())
                    break;  // what ran has ended and put nothing new on the queues, and no dead worker has
                if (busy() == 0)
                    co_await race(looked_for_dead.wait(), stop_asked.wait());
                else
                    co_await wait_for_slot();
                continue;
            }
            if (answer.only_skipped || answer.suspended) {
                // Nothing here that this worker may take: it comes back later, and later still.
                std::chrono::milliseconds pause =
                    answer.suspended ? std::chrono::milliseconds(1'000) : leave_alone;
                leave_alone = std::min(leave_alone * 2, std::chrono::milliseconds(30'000));
                co_await move_on_after(pause, stop_asked.wait());
                if (leave_alone >= std::chrono::milliseconds(8'000))
                    skip.clear();  // it may know them by now, or they are gone
                continue;
            }
            co_await race(trying([&]() -> task<bool> {
                              co_await store->wait_for_work(options.queues, wait_for_work_max);
                              co_return true;
                          }),
                          stop_asked.wait());
        }
    }

    task<void> serve() {
        co_await with_group([this](task_group& jobs) -> task<void> {
            group = &jobs;
            served.reset();
            given_up.reset();
            runs.clear();
            jobs.spawn(&impl::watch_group, this);
            co_await begin_to_listen();
            jobs.spawn(&impl::listen_until_served, this);
            for (const std::string& q : options.queues)
                log(fmt::format("Cleaning registries for queue: {}", q));
            co_await trying_until_stop([&] { return store->maintain(options.name, options.queues, true); });
            co_await take_jobs(jobs);
            while (busy() > 0) co_await wait_for_slot_end();
            if (running > 0) {
                log(fmt::format("{} of the jobs hang in their threads; this worker ends without them",
                                running));
                jobs.cancel("its function hangs");
            }
            served.set();
            co_await jobs.join();
        });
        group = nullptr;
    }

    // Ends with the group, and tells the functions' callers that nobody waits any more.
    task<void> watch_group() {
        struct at_end {
            async_event& given_up;
            ~at_end() { given_up.set(); }
        } guard{given_up};
        co_await served.wait();
    }

    void lost_slot() {
        slot_free.set();  // there is something to look at
        if (stop_asked.is_set() || shared.lost() < std::min(options.lost_slots_max, slots())) return;
        log(fmt::format("{} jobs hang and hold their slots; this worker ends", shared.lost()));
        stop_asked.set();
    }

    task<void> leave() {
        group = nullptr;
        the_heart->stop();
        std::vector<execution_outcome> late = the_heart->take_written_off();
        std::vector<execution_outcome> back = shared.take_all(options.name);
        // A job that was stopped does not run again because its worker leaves before it has ended.
        for (execution_outcome& o : back)
            if (o.stopped) late.push_back(std::move(o));
        std::erase_if(back, [](const execution_outcome& o) { return o.stopped; });
        if (!late.empty()) {
            report.failed += late.size();
            co_await store->finish(options.name, late);
        }
        if (!back.empty()) {
            report.handed_back += back.size();
            co_await store->hand_back(options.name, back);
            log(fmt::format("Handed {} running job{} back", back.size(), back.size() == 1 ? "" : "s"));
        }
        co_await store->unregister_worker(options.name);
    }

    task<worker_report> run() {
        worker_record record;
        record.name = options.name;
        record.queues = options.queues;
        record.process = this_process();
        record.version = SIMUL_VERSION;
        co_await store->register_worker(record, options.lease);
        log(fmt::format("simul worker '{}' started, version {}", options.name, SIMUL_VERSION));
        std::string names;
        for (const std::string& q : options.queues) names += (names.empty() ? "" : ", ") + q;
        log(fmt::format("*** Listening on {}...", names));

        the_heart = std::make_unique<detail::heart>(*store, record, options, shared, this_loop().handle(),
                                                    [this](std::string_view line) { log(line); });
        // They may lie in the loop's inbox when the worker is gone.
        std::weak_ptr<impl> me = alive;
        the_heart->on_lost_slot([me] {
            if (auto self = me.lock()) self->lost_slot();
        });
        the_heart->on_first_beat([me] {
            if (auto self = me.lock()) self->looked_for_dead.set();
        });
        the_heart->on_written_off([me](std::size_t n) {
            if (auto self = me.lock()) self->report.failed += n;
        });
        the_heart->start();
        co_await finally(serve(), [this] { return leave(); });
        report.lost_slots = abandoned;
        log(fmt::format("Worker {}: done, quitting", options.name));
        co_return report;
    }

    void stop() {
        ++stops;
        if (stops == 1) {
            log(running == 0 ? "Warm shut down requested"
                             : fmt::format("Warm shut down requested: waiting for {} running jobs", running));
            stop_asked.set();
            if (the_heart && running > 0) the_heart->note_stopping();
        } else if (stops == 2) {
            log(fmt::format("Cold shut down: {} running jobs go back to their queues", running));
            if (group != nullptr) group->cancel("second stop of the worker");
        }
    }

    using shared_state = detail::running_jobs;

    std::unique_ptr<job_store> store;
    worker_options options;
    std::map<std::string, handler> handlers;
    std::unique_ptr<thread_pool> own_threads;
    std::unique_ptr<process_pool> own_processes;

    std::mutex log_mutex;
    detail::running_jobs shared;
    std::unique_ptr<detail::heart> the_heart;
    worker_report report;
    std::vector<pending_outcome*> waiting_outcomes;
    bool flushing = false;
    std::size_t running = 0;
    std::size_t taken_total = 0;
    std::deque<std::string> skip;  // ids handed back as unknown, the newest last
    std::unordered_set<std::string> told_unknown;
    std::size_t abandoned = 0;  // functions that run on in their threads
    async_event slot_free;      // or lost
    async_event served;         // what was taken has ended
    async_event given_up;       // nobody waits for functions in threads any more
    async_event stop_asked;
    async_event looked_for_dead;  // by the heart's first beat
    int stops = 0;
    task_group* group = nullptr;

    std::unordered_map<std::string, live_run> runs;  // by execution
    bool taking = false;                             // a take is under way
    std::vector<worker_command> early_stops;         // that came meanwhile, for jobs that do not run here yet
    std::shared_ptr<impl> alive{this, [](impl*) {}};  // owns nothing: it tells whether this is still there
};

worker::worker(std::string_view store_url, worker_options options, store_options store)
    : worker(open_store(store_url, std::move(store)), std::move(options)) {}
worker::worker(std::unique_ptr<job_store> store, worker_options options)
    : impl_(std::make_unique<impl>(std::move(store), std::move(options))) {}
worker::~worker() = default;

void worker::add(std::string name, job_kind kind, body f) {
    impl_->handlers.insert_or_assign(std::move(name), impl::handler{kind, std::move(f)});
}

worker& worker::handle_call(std::string name, job_kind kind, std::function<task<value>(job_call)> f) {
    add(std::move(name), kind, std::move(f));
    return *this;
}

void worker::need_processes() {
    if (impl_->options.processes == nullptr && !impl_->own_processes)
        impl_->own_processes = std::make_unique<process_pool>();
}
task<value> worker::on_thread(std::function<value()> f) {
    thread_pool* pool = impl_->options.threads;
    if (pool == nullptr) {
        if (!impl_->own_threads) impl_->own_threads = std::make_unique<thread_pool>();
        pool = impl_->own_threads.get();
    }
    return detail::run_on_thread(*pool, std::move(f), impl_->given_up, impl_->abandoned);
}
process_pool& worker::processes() {
    return impl_->options.processes != nullptr ? *impl_->options.processes : *impl_->own_processes;
}

task<worker_report> worker::run() { co_return co_await impl_->run(); }
void worker::stop() { impl_->stop(); }
std::size_t worker::lost_slots() const noexcept { return impl_->abandoned; }
void worker::log(std::string_view line) { impl_->log(line); }
const worker_options& worker::options() const noexcept { return impl_->options; }
job_store& worker::store() noexcept { return *impl_->store; }
std::vector<std::string> worker::handled() const {
    std::vector<std::string> names;
    for (auto& [name, h] : impl_->handlers) names.push_back(name);
    return names;
}

}  // namespace simul
