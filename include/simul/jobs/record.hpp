#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace simul {

/// Calendar time of a store, in the resolution that all stores keep.
using wall_time = std::chrono::sys_time<std::chrono::microseconds>;

/// Where a job is in its life; docs/job_states.md has the picture and every transition. The words are RQ's.
enum class job_status {
    created,    ///< Saved, never on a queue.
    queued,     ///< Waits on its queue.
    started,    ///< A worker runs it.
    finished,   ///< It returned; the result is kept for result_ttl.
    failed,     ///< It threw, ran too long or was set aside; the reason is kept for failure_ttl.
    deferred,   ///< Waits for other jobs.
    scheduled,  ///< Waits for its time: a delayed job, or one that is tried again later.
    stopped,    ///< Was stopped while it ran.
    canceled,   ///< Will not run.
    rate_limited,
    ready_to_enqueue,
};
inline constexpr std::array<std::string_view, 11> job_status_names{
    "created",   "queued",  "started",  "finished",     "failed",          "deferred",
    "scheduled", "stopped", "canceled", "rate_limited", "ready_to_enqueue"};

constexpr std::string_view to_string(job_status s) noexcept {
    return job_status_names[static_cast<std::size_t>(s)];
}
std::optional<job_status> job_status_from(std::string_view word) noexcept;

/// The format of a job's arguments and result. Pickle is RQ's default; only plain data is written and read.
enum class payload_format { pickle, json };

/// Lifetimes and limits that hold where a job says nothing; RQ's values.
inline constexpr std::chrono::seconds default_job_timeout{180};
inline constexpr std::chrono::seconds default_result_ttl{500};
inline constexpr std::chrono::seconds default_failure_ttl{31'536'000};
/// As a lifetime: never ends. As a timeout: no limit.
inline constexpr std::chrono::seconds forever{-1};

/// The longest delay, timeout, ttl, result_ttl, failure_ttl and pause before a retry of a new job: 100 years.
/// A record that others wrote may say more; it is then treated as if it said this.
inline constexpr std::chrono::seconds job_duration_max{std::int64_t{100} * 365 * 86'400};
/// The most retries of a new job.
inline constexpr int job_retries_max = 1'000'000;
/// The longest id of a new job, in bytes.
inline constexpr std::size_t job_id_bytes_max = 255;
/// The most jobs that one job may wait for.
inline constexpr std::size_t job_dependencies_max = 1'000;
/// The most jobs that may wait for one job: all of them are released in the one step that ends it.
inline constexpr std::size_t job_dependents_max = 10'000;
/// The most jobs that one enqueue puts into a store.
inline constexpr std::size_t enqueue_many_max = 10'000;
/// The most waiting jobs that an enqueue follows when it looks for a cycle of dependencies.
inline constexpr std::size_t dependency_walk_max = 10'000;
/// The longest name of a worker, in bytes.
inline constexpr std::size_t worker_name_bytes_max = 255;

/// Everything a store keeps about one job. A plain value: copying it reads or writes nothing.
struct job_record {
    std::string id;           ///< [A-Za-z0-9_-]+
    std::string queue;        ///< RQ's "origin".
    std::string data;         ///< The call, serialized: function, instance, arguments, keyword arguments.
    std::string description;  ///< The call as people read it.
    job_status status = job_status::created;

    wall_time created_at{};
    std::optional<wall_time> enqueued_at;
    std::optional<wall_time> started_at;
    std::optional<wall_time> ended_at;
    std::optional<wall_time> due_at;      ///< When scheduled: the time it goes to its queue.
    std::optional<wall_time> expires_at;  ///< When the record goes, if that is known.

    std::chrono::seconds timeout = default_job_timeout;  ///< Running time; `forever` is none.
    std::optional<std::chrono::seconds> ttl;             ///< Waiting time, after which the job goes unrun.
    std::optional<std::chrono::seconds> result_ttl;      ///< Default 500 s; 0 keeps nothing; `forever`.
    std::optional<std::chrono::seconds> failure_ttl;     ///< Default a year; 0 keeps nothing; `forever`.

    int retries_left = 0;
    /// Pauses before each retry; the last ones where there are more retries than pauses are the last ones'.
    std::vector<std::chrono::seconds> retry_intervals;
    bool at_front = false;
    bool at_front_on_retry = false;

    /// Ids of the jobs that have to finish before this one goes to its queue, as it was enqueued.
    std::vector<std::string> depends_on;
    bool allow_dependency_failures = false;  ///< They may also fail.

    std::string meta;       ///< A serialized dict; empty for none.
    std::string worker;     ///< Who runs it, or ran it last.
    std::string execution;  ///< The id of the run under way: the fence of its outcome.
    int deaths = 0;         ///< Workers that died while they ran it.
    bool from_rq = false;   ///< Enqueued by an RQ client: RQ's rules hold when its worker dies.
    std::map<std::string, std::string> extra;  ///< simul_* fields that this version does not know.
};

/// The pause before the next try, by RQ's rule: with intervals {10, 30, 60} and 3 retries 10, 30, 60; with 5
/// retries 10, 10, 10, 30, 60; with one, 60. `retries_left` is counted before this try is taken.
std::chrono::seconds retry_pause(const std::vector<std::chrono::seconds>& intervals,
                                 int retries_left) noexcept;

enum class result_type { successful = 1, failed = 2, stopped = 3, retried = 4, retries_exceeded = 5 };

/// One recorded outcome of a job.
struct result_record {
    std::string id;  ///< Increases; pass it as `after` to wait for the next one.
    result_type type = result_type::successful;
    wall_time created_at{};
    std::string worker;
    std::string execution;
    std::string return_value;  ///< Serialized; empty is None.
    std::string error;         ///< Text whose last line is "Type: message".
    std::optional<wall_time> started_at;
    std::optional<wall_time> ended_at;
};

/// Which process a worker is, so that others on its host can see whether it still runs.
struct process_identity {
    std::string host;
    std::string boot;           ///< Boot id of the kernel.
    std::string pid_namespace;  ///< Process ids mean the same only in the same namespace.
    std::int64_t pid = 0;
    std::int64_t started = 0;  ///< Start time in clock ticks: a process id may be used again.

    friend bool operator==(const process_identity&, const process_identity&) = default;
};
process_identity this_process();

/// True if `p` ran where this process can see it and does not run any more. False also means "cannot know".
bool proven_dead(const process_identity& p);

enum class worker_state { started, idle, busy, suspended };
std::string_view to_string(worker_state s) noexcept;

struct worker_record {
    std::string name;
    std::vector<std::string> queues;
    process_identity process;
    std::string address;  ///< Of its connection, as RQ's workers tell it; empty where that is not known.
    std::string version;
    worker_state state = worker_state::started;
    wall_time birth{};
    wall_time last_heartbeat{};
    wall_time lease_until{};           ///< After this the worker counts as dead wherever it ran.
    std::vector<std::string> running;  ///< Ids of the jobs it runs.
    std::int64_t successful = 0;
    std::int64_t failed = 0;
    double working_seconds = 0;
    bool connected = true;  ///< False: the store saw that its connections are closed.
    bool is_rq = false;     ///< A Python worker.
};

/// "2026-11-22T07:16:18.901953Z", RQ's form.
std::string to_iso(wall_time t);
/// Reads RQ's form with 0 to 6 digits of a second; empty where it is anything else.
std::optional<wall_time> from_iso(std::string_view text) noexcept;

/// A new random id: a dashed UUID4 for jobs, 32 hex digits for executions.
std::string new_job_id();
std::string new_execution_id();
/// RQ accepts [A-Za-z0-9_-]+ only, and a worker of RQ quits when it reads another.
bool valid_job_id(std::string_view id) noexcept;
/// A queue's name: not empty, no comma, no control bytes, and not ":intermediate" at its end.
bool valid_queue_name(std::string_view name) noexcept;
/// A function's name: identifiers with dots between them, "module.function". Letters other than ASCII's count
/// as parts of an identifier, as in Python. Names in stored jobs need not be valid: they are just not known.
bool valid_function_name(std::string_view name) noexcept;
/// A worker's name: 1 to worker_name_bytes_max bytes, no control characters.
bool valid_worker_name(std::string_view name) noexcept;

/// `text` as one line for logs and messages: control characters are written as \n, \t, \x1b.
std::string escape_controls(std::string_view text);

namespace detail {

/// A lifetime, timeout or pause that a record says, in the range that times can be calculated with.
constexpr std::chrono::seconds within_limit(std::chrono::seconds s) noexcept {
    return s < job_duration_max ? s : job_duration_max;
}

}  // namespace detail

}  // namespace simul
