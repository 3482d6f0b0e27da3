#include "command.hpp"

#include <simul/base/version.hpp>
#include <simul/jobs/record.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

// The command `simul`. Each subcommand is a function of command.hpp; here is only how it is spelled.

namespace {

constexpr const char* closing = R"(Examples:
  simul enqueue --exec --retry-max 3 -- convert a.png b.jpg    a shell command that survives you
  simul worker                                                 runs what is in the default store
  simul enqueue mymodule.count_words_at_url http://nvie.com    a job for a worker that knows the function
  simul worker high default --module ./libmyjobs.so            your functions, two queues, in this order
  simul info --watch --store redis://localhost                 what goes on, also in Python's RQ
  simul job --queue high --status failed                       what failed there; then simul job ID, simul requeue ID
  simul empty low                                              removes what waits on the queue low

Stores: sqlite:///path/jobs.db (one file, no server, this host), redis://[user:password@]host[:port][/db],
rediss://... (TLS), redis+sentinel://host[,host...]/NAME[/db] and unix:///path/redis.sock (RQ's layout: Python's clients
and workers may use the same). A password is best put into SIMUL_STORE, because command lines can be seen by others.

Exit status: 0 done; 1 failed, or refused in the state that things are in (the id or the worker's name is in use, the
job cannot be canceled, stopped or requeued now, its worker does not listen); 2 wrong command line (also a module that cannot be used); 3 the store cannot
be opened or reached; 4 no such job, or its record has expired; 5 (enqueue --wait) the job failed, was stopped or was
canceled.)";

constexpr std::int64_t concurrency_max = 1'000'000;
constexpr std::int64_t max_jobs_max = 1'000'000'000'000;
constexpr std::int64_t jobs_listed_max = 1'000'000;

// For CLI11, whose own checks tell the range in 300 digits and do not name the word.
auto whole_number(std::int64_t from, std::int64_t to) {
    return [from, to](const std::string& word) -> std::string {
        std::int64_t n = 0;
        const char* last = word.data() + word.size();
        auto [end, error] = std::from_chars(word.data(), last, n);
        if (error == std::errc() && end == last && n >= from && n <= to) return {};
        return fmt::format("'{}' is no whole number from {} to {}", word, from, to);
    };
}

double read_interval(const std::string& word) {
    double seconds = 0;
    const char* last = word.data() + word.size();
    auto [end, error] = std::from_chars(word.data(), last, seconds);
    if (error == std::errc() && end == last && seconds >= 0.1 && seconds <= 86'400) return seconds;
    throw CLI::ValidationError(
        fmt::format("--interval: '{}' is no number of seconds from 0.1 to 86400", word));
}

// What is wrong with the command line, in one line that names the word.
std::string explain(const CLI::App& app, const CLI::ParseError& wrong) {
    if (!app.get_subcommands().empty()) return wrong.what();
    std::string names;
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
        names += (names.empty() ? "" : ", ") + command->get_name();
    // CLI11 says that a subcommand is missing even where a word stands there.
    const std::vector<std::string> words = app.remaining();
    if (!words.empty() && words.front().starts_with('-'))
        return fmt::format("{} is no option of simul; write a command ({}) and its options", words.front(),
                           names);
    if (!words.empty()) return fmt::format("'{}' is no command of simul; it has: {}", words.front(), names);
    if (wrong.get_name() == "RequiredError")
        return fmt::format("a command is missing; write one of: {}", names);
    return wrong.what();
}

// A program started with a closed stdout would get its store's file as descriptor 1, and print into it. So
// the three exist, and writing to a stdout that was closed fails.
void open_missing_streams() {
    for (int fd = 0; fd <= 2; ++fd)
        if (::fcntl(fd, F_GETFD) == -1 && ::open(fd == 1 ? "/dev/full" : "/dev/null", O_RDWR) != fd)
            std::_Exit(1);
}

// Behind the function's name everything is its argument; but a word like --store there was hardly meant as
// one, and what was left out by mistake (the store!) would be taken from elsewhere. After `--` nobody asks.
void refuse_late_options(const std::vector<std::string>& call, int argc, char** argv) {
    if (std::find(argv, argv + argc, std::string_view("--")) != argv + argc) return;
    for (const std::string& word : call)
        if (word.size() > 1 && word[0] == '-' &&
            (std::isalpha(static_cast<unsigned char>(word[1])) != 0 || word[1] == '-'))
            throw CLI::ValidationError(
                fmt::format("{} stands behind the function's name: options come before it; if it is an "
                            "argument, write -- "
                            "before the name",
                            word));
}

}  // namespace

int main(int argc, char** argv) {
    using namespace simul::cli;
    open_missing_streams();
    std::signal(SIGPIPE, SIG_IGN);  // a closed stdout is an error of the write, not the end of a worker

    CLI::App app{"simul: jobs that survive the program that asked for them.", "simul"};
    app.footer(closing);
    app.require_subcommand(1);
    app.set_version_flag("--version", std::string("simul ") + SIMUL_VERSION);
    app.fallthrough();

    common_options common;
    app.add_option("-u,--store,--url", common.store_url,
                   "Where the jobs are; default: " + default_store_url())
        ->envname("SIMUL_STORE")
        ->type_name("URL");
    app.add_flag("--json", common.json, "Output for programs");

    int status = 0;

    worker_arguments w;
    auto* worker = app.add_subcommand(
        "worker",
        "Take jobs from queues and run them, until SIGTERM or Ctrl-C (a second one stops what runs)");
    worker->add_option("queues", w.queues, "Queues in the order of preference; default: default")
        ->type_name("QUEUE");
    worker->add_option("-m,--module", w.modules, "Shared library with job functions; may be repeated")
        ->allow_extra_args(false)
        ->envname("SIMUL_MODULE")
        ->type_name("FILE");
    worker->add_flag("-b,--burst", w.burst, "End when the queues are empty");
    worker->add_option("--max-jobs", w.max_jobs, "End after so many jobs")
        ->check(whole_number(1, max_jobs_max));
    worker->add_option("-n,--name", w.name, "Name of this worker; default: HOST.PID.XXXX");
    worker
        ->add_option("-c,--concurrency", w.concurrency,
                     "Jobs at once; default: 100, or one per CPU where functions are no coroutines")
        ->check(whole_number(1, concurrency_max));
    worker->add_flag("--allow-exec", w.allow_exec,
                     "Run commands of `enqueue --exec` also from a store that others can write to");
    worker->add_flag("-s,--with-scheduler", w.with_scheduler,
                     "Accepted as in RQ: delayed jobs and retries are always looked after");
    worker->add_flag("--rerun-rq-jobs", w.rerun_rq_jobs,
                     "Run jobs of RQ clients again when their worker died; RQ records a failure");
    worker->callback([&] { status = run_worker(common, w); });

    enqueue_arguments e;
    auto* enq = app.add_subcommand("enqueue", "Put a job on a queue");
    enq->add_option("-q,--queue", e.queue, "Queue; default: default");
    enq->add_flag("--exec", e.exec, "The job is a command: simul enqueue --exec -- COMMAND ARGS...");
    enq->add_option("--timeout,--job-timeout", e.timeout,
                    "Running time: 90, 5m, 1h, -1 for none; default 180");
    enq->add_option("--result-ttl", e.result_ttl,
                    "How long the result is kept; default 500 seconds, 0: not at all, -1: for ever");
    enq->add_option("--ttl", e.ttl, "How long it may wait");
    enq->add_option("--failure-ttl", e.failure_ttl, "How long a failure is kept; default a year");
    enq->add_option("--description", e.description, "What logs and lists show");
    enq->add_option("--job-id", e.id, "Id of the job (letters, digits, _ and -)");
    enq->add_flag("--at-front", e.at_front, "Before what waits already");
    enq->add_option("--retry-max", e.retry_max, "Further tries after a failure")
        ->check(whole_number(0, simul::job_retries_max));
    enq->add_option("--retry-interval", e.retry_intervals, "Pause before each try: 30, 5m; may be repeated")
        ->allow_extra_args(false);  // else it takes the function's name too
    enq->add_option("--depends-on", e.depends_on,
                    "Id of a job that has to finish before this one runs; may be repeated")
        ->allow_extra_args(false)
        ->type_name("ID");
    enq->add_flag("--allow-dependency-failures", e.allow_dependency_failures,
                  "Run also when what it depends on has failed");
    auto* in = enq->add_option("--schedule-in", e.schedule_in, "Start that much later: 30s, 10m, 2h");
    enq->add_option(
           "--schedule-at", e.schedule_at,
           "Start at that time: 2026-12-24T18:00:00 (local time), or with its offset, ...+01:00, ...Z")
        ->excludes(in);
    enq->add_flag("-w,--wait", e.wait, "Wait for the result and print it");
    enq->add_flag("--quiet", e.quiet, "Print only the id");
    enq->add_option(
           "call", e.arguments,
           "NAME ARGS...: text, :JSON, %PYTHON, key=text, key:=JSON, key%=PYTHON; a value @FILE is read "
           "from that file; or, with --exec, COMMAND ARGS...")
        ->type_name("NAME ARGS");
    enq->positionals_at_end();
    enq->callback([&] {
        if (e.arguments.empty())
            throw CLI::ValidationError(
                e.exec ? "--exec needs a command: simul enqueue --exec -- COMMAND ARGS..."
                       : "enqueue needs the name of a function: simul enqueue NAME ARGS...");
        if (!e.exec) {
            refuse_late_options(e.arguments, argc, argv);
            e.function = e.arguments.front();
            e.arguments.erase(e.arguments.begin());
        }
        status = enqueue(common, e);
    });

    info_arguments i;
    std::string interval;
    bool watch = false;
    auto* inf = app.add_subcommand("info", "Count jobs and list workers; reads only, and repairs nothing");
    inf->add_option("queues", i.queues, "Only these queues")->type_name("QUEUE");
    auto* only_queues = inf->add_flag("-Q,--only-queues,--queues-only", i.only_queues, "Only the queues");
    inf->add_flag("-W,--only-workers", i.only_workers, "Only the workers")->excludes(only_queues);
    inf->add_flag("-R,--by-queue", i.by_queue, "The workers of each queue");
    inf->add_flag("-r,--raw", i.raw, "Numbers and names for scripts: no bars and no sums");
    inf->add_option("-i,--interval", interval, "Look again every so many seconds (0.1 to 86400) until Ctrl-C")
        ->type_name("SECONDS");
    inf->add_flag("--watch", watch, fmt::format("Look again every {} seconds", watch_interval_default));
    inf->callback([&] {
        if (watch) i.interval = watch_interval_default;
        if (!interval.empty()) i.interval = read_interval(interval);
        status = info(common, i);
    });

    std::string id;
    list_arguments l;
    auto* job = app.add_subcommand(
        "job", "Show one job: its call, state, results; or list jobs: simul job --queue Q --status failed");
    job->alias("jobs");
    auto* job_id = job->add_option("id", id, "Id of the job");
    job->add_option("-q,--queue", l.queue, "List the jobs of this queue")->excludes(job_id);
    job->add_option("--status", l.status,
                    "List the jobs in this state: queued, started, scheduled, deferred, failed, stopped, "
                    "finished or canceled, the newest first")
        ->excludes(job_id);
    job->add_option("--limit", l.limit,
                    fmt::format("At most so many of each queue and state; default {}", jobs_listed_default))
        ->check(whole_number(1, jobs_listed_max));
    job->callback([&] {
        if (!l.queue.empty() || !l.status.empty()) {
            status = list_jobs(common, l);
            return;
        }
        if (id.empty())
            throw CLI::ValidationError(
                "job needs the id of a job: simul job ID; or --queue Q or --status S, to list jobs");
        status = show_job(common, id);
    });

    requeue_arguments r;
    auto* req = app.add_subcommand("requeue", "Put failed, stopped or canceled jobs on their queues again");
    req->add_option("ids", r.ids, "Ids of jobs")->type_name("ID");
    req->add_option("-q,-Q,--queue", r.queue, "Their queue; with --all, the one whose failed jobs are meant");
    req->add_flag("-a,--all", r.all, "All failed jobs of --queue");
    req->callback([&] {
        if (r.all && r.queue.empty())
            throw CLI::ValidationError("requeue --all needs the queue: simul requeue --all --queue QUEUE");
        if (r.all && !r.ids.empty())
            throw CLI::ValidationError("requeue takes the ids of jobs or --all, not both");
        if (r.ids.empty() && r.queue.empty())
            throw CLI::ValidationError(
                "requeue needs the ids of jobs: simul requeue ID...; or simul requeue --all --queue QUEUE");
        status = requeue(common, r);
    });

    std::vector<std::string> ids;
    auto* can =
        app.add_subcommand("cancel", "Cancel jobs that wait; one that runs ends, but its outcome is dropped");
    can->add_option("ids", ids, "Ids of jobs")->type_name("ID");
    bool enqueue_dependents = false;
    can->add_flag("--enqueue-dependents", enqueue_dependents,
                  "Jobs that wait for them wait no longer; without it they stay deferred");
    can->callback([&] {
        if (ids.empty()) throw CLI::ValidationError("cancel needs the ids of jobs: simul cancel ID...");
        status = cancel(common, ids, enqueue_dependents);
    });

    std::vector<std::string> emptied;
    bool all_queues = false;
    auto* emp = app.add_subcommand(
        "empty", "Remove the jobs that wait on queues, for good; what runs or has ended stays");
    emp->add_option("queues", emptied, "Queues")->type_name("QUEUE");
    emp->add_flag("-a,--all", all_queues, "All queues");
    emp->callback([&] {
        if (emptied.empty() == !all_queues)
            throw CLI::ValidationError(
                emptied.empty()
                    ? "empty needs the names of queues: simul empty QUEUE...; or simul empty --all"
                    : "empty takes the names of queues or --all, not both");
        status = empty(common, emptied);
    });

    auto* sto =
        app.add_subcommand("stop", "Stop jobs that run: they end as stopped, and are not tried again");
    sto->add_option("ids", ids, "Ids of jobs")->type_name("ID");
    sto->callback([&] {
        if (ids.empty()) throw CLI::ValidationError("stop needs the ids of jobs: simul stop ID...");
        status = stop(common, ids);
    });

    std::vector<std::string> names;
    auto* shut = app.add_subcommand(
        "shutdown", "Tell workers to end, wherever they run: they let end what runs, as after SIGTERM");
    shut->add_option("workers", names, "Names of workers; simul info lists them")->type_name("WORKER");
    shut->callback([&] {
        if (names.empty())
            throw CLI::ValidationError("shutdown needs the names of workers: simul shutdown WORKER...");
        status = command_workers(common, names, simul::worker_command_kind::shutdown);
    });
    auto* kil = app.add_subcommand(
        "kill-horse", "Tell workers to end all that they run: those jobs fail, and their retries apply");
    kil->add_option("workers", names, "Names of workers; simul info lists them")->type_name("WORKER");
    kil->callback([&] {
        if (names.empty())
            throw CLI::ValidationError("kill-horse needs the names of workers: simul kill-horse WORKER...");
        status = command_workers(common, names, simul::worker_command_kind::kill_horse);
    });

    std::string duration;
    auto* sus = app.add_subcommand("suspend", "Workers take no more jobs until resume; what runs ends");
    sus->add_option("--duration", duration, "Until then, or for so long: 60, 5m, 2h");
    sus->callback([&] { status = suspend(common, duration); });
    app.add_subcommand("resume", "Workers take jobs again")->callback([&] { status = resume(common); });

    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& shown) {
        app.exit(shown);  // prints to std::cout
        std::cout.flush();
        return flush_output() ? ok : failed;
    } catch (const CLI::ParseError& wrong) {
        std::cerr << fmt::format("simul: {} (simul --help tells more)\n",
                                 simul::escape_controls(explain(app, wrong)));
        return simul::cli::usage;
    }
    if (!flush_output() && status == 0) status = simul::cli::failed;
    return status;
}
