#pragma once

#include <simul/core/task.hpp>
#include <simul/jobs/record.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Where jobs are kept. Every function is one atomic step of the store: after a crash at any moment it has
// happened or it has not. docs/job_states.md lists the steps as a table of transitions; one contract suite
// (test/contract/store_contract.hpp) holds all stores to it.
//
// Who owns a running job: take() gives it to a worker under an execution id. The worker's lease, renewed by
// heartbeat(), covers all it runs. finish() and hand_back() name the execution and are refused when it is not
// the current one: an execution that was taken away cannot write any more (the fence). A worker that died is
// recovered by the others: recover() moves each of its jobs in the same step that removes it.

namespace simul {

struct enqueue_receipt {
    std::string id;
    std::string last_result;  ///< Id of the newest result already there; where a wait begins.
};

struct take_request {
    std::string worker;
    std::vector<std::string> queues;  ///< In the order of preference.
    std::size_t limit = 1;            ///< Free slots.
    std::vector<std::string> skip;    ///< Ids to leave where they are: handed back before as not known here.
};
struct taken_job {
    job_record job;
};
struct take_answer {
    std::vector<taken_job> jobs;
    bool suspended = false;     ///< Workers are paused: nothing is given out.
    bool only_skipped = false;  ///< Jobs wait, but all that were looked at are in `skip`.
    bool unknown_worker =
        false;  ///< The worker was declared dead, or the store was emptied: it must register again.
};

struct execution_outcome {
    std::string job;
    std::string execution;
    std::string queue;
    bool success = false;
    bool may_retry = true;     ///< False: failed for good, whatever retries are left.
    bool stopped = false;      ///< Ended by stop(): recorded as stopped, never tried again.
    std::string return_value;  ///< Serialized; empty is None.
    std::string error;         ///< Where it failed.
    wall_time started_at{};
    wall_time ended_at{};
};
enum class finish_kind {
    recorded,   ///< The outcome stands.
    requeued,   ///< Failed, on its queue again.
    scheduled,  ///< Failed, tried again at `due_at`.
    refused,    ///< The execution was not the current one any more: nothing was written.
    discarded,  ///< Recorded, and the lifetime 0 removed it at once.
};
struct finish_answer {
    finish_kind kind = finish_kind::recorded;
    std::optional<wall_time> due_at;
    std::optional<std::chrono::seconds> kept;  ///< How long the record is kept; `forever`.
};

struct heartbeat_request {
    std::string worker;
    std::chrono::seconds lease{90};
    bool rq_records = true;  ///< Also refresh what RQ's tools look at (every 30 s is enough).
    worker_state state = worker_state::idle;
    bool stopping = false;  ///< It was asked to stop and lets end what runs: RQ's tools show since when.
};
struct heartbeat_answer {
    bool known = true;  ///< False: this worker was declared dead; what it ran belongs to others.
    bool suspended = false;
    wall_time now{};
    std::vector<worker_record> peers;   ///< The other workers.
    std::optional<wall_time> next_due;  ///< The first scheduled job of this worker's queues.
};

enum class death_evidence {
    process_gone,   ///< Seen on its own host.
    disconnected,   ///< Its connections are closed and a heartbeat was missed.
    lease_expired,  ///< The store's clock says so.
};
struct recover_request {
    std::string worker;
    wall_time last_heartbeat{};  ///< As it was seen: a worker that came back is left alone.
    death_evidence evidence = death_evidence::lease_expired;
    int deaths_max = 3;          ///< A job that had so many workers die is set aside as failed.
    bool rerun_rq_jobs = false;  ///< Also run again what RQ clients enqueued and RQ would fail.
};
struct recover_answer {
    bool recovered = false;  ///< False: somebody else did it, or the worker lives.
    std::vector<std::string> requeued;
    std::vector<std::string> failed;
};

/// What a worker can be told from elsewhere. The words on Redis are RQ's.
enum class worker_command_kind {
    stop_job,        ///< "stop-job": the run of `job` ends as stopped, whichever run it is.
    stop_execution,  ///< "stop-execution": the same for the run `execution` alone.
    kill_horse,      ///< "kill-horse": all that runs ends as a failure; retries apply.
    shutdown,        ///< "shutdown": as worker::stop() the first time.
    unknown,         ///< Something else came; `text` says what. To be ignored.
};
std::string_view to_string(worker_command_kind k) noexcept;

struct worker_command {
    worker_command_kind kind = worker_command_kind::unknown;
    std::string job;
    std::string execution;
    std::string text;  ///< Of an unknown one: what came, and why it is not understood.
};

struct maintain_answer {
    std::vector<std::string> due;        ///< Scheduled jobs that went to their queues.
    std::size_t expired = 0;             ///< Records whose lifetime was over.
    std::vector<std::string> abandoned;  ///< Of RQ's workers: failed or tried again by RQ's rule.
    std::optional<wall_time> next_due;
};

struct queue_counts {
    std::string name;
    std::int64_t queued = 0, started = 0, finished = 0, failed = 0, deferred = 0, scheduled = 0, canceled = 0;
};
struct store_overview {
    std::vector<queue_counts> queues;
    std::vector<worker_record> workers;
    bool suspended = false;
    std::optional<wall_time> suspended_until;  ///< When that ends by itself.
    wall_time now{};
};

/// The most jobs that one step of empty() or requeue_failed() goes through: some milliseconds of a Redis
/// server, or of SQLite's writer lock.
inline constexpr std::size_t jobs_per_piece_max = 500;

/// What one step did of a work that goes through a whole queue.
struct queue_piece {
    std::size_t done = 0;  ///< Jobs that it removed, or put on the queue again.
    std::string next;      ///< Where the next piece begins; empty: that was the last one.
};

/// A job store. Belongs to the loop it was made on; sibling() makes one for another loop.
///
/// Cancel:  every call may be canceled; whether its step happened is then not known, as after a lost
///          connection, and every step may be repeated: it notices that it has happened.
/// Throws:  std::system_error of the store's system, with condition::disconnected where the server is gone,
///          condition::retry_later where a pause may help; job_errc where the job does not allow the step.
class job_store {
  public:
    virtual ~job_store() = default;

    /// The store's URL without a password.
    virtual std::string name() const = 0;
    /// True if programs other than simul use the same queues: unknown jobs are handed back there.
    virtual bool shared_with_rq() const noexcept = 0;
    /// How arguments are written where a job does not say.
    virtual payload_format format() const noexcept = 0;
    /// True if only this user can put jobs into the store.
    virtual bool private_to_owner() const = 0;
    /// The same store with connections of its own, for another thread's loop.
    virtual std::unique_ptr<job_store> sibling() const = 0;

    // --- for clients

    /// Puts new jobs on their queues, or into the schedule where due_at is set, or among the deferred where
    /// depends_on names a job that has not finished (nor failed, where that is allowed): all or none.
    /// The caller chooses the ids; a repeated call with the same records changes nothing. A job may depend on
    /// jobs that the store knows and on those before it in `jobs`.
    /// Throws: job_errc::id_in_use if a job of that id waits or runs; an ended one is replaced.
    ///         job_errc::no_such_job for a dependency of which there is no record; dependency_cycle, naming
    ///         the cycle; invalid_option where a limit of dependencies is passed, or due_at is set too.
    virtual task<std::vector<enqueue_receipt>> enqueue(std::vector<job_record> jobs) = 0;
    virtual task<std::optional<job_record>> fetch(std::string id) = 0;
    /// The newest recorded outcome, or the ten newest from new to old.
    virtual task<std::vector<result_record>> results(std::string id, std::size_t limit) = 0;
    /// The first outcome after `after`, waiting at most `wait_max` without polling.
    virtual task<std::optional<result_record>> wait_result(std::string id, std::string after,
                                                           std::chrono::milliseconds wait_max) = 0;
    /// The job will not run; one that runs is not interrupted, but "canceled" stands.
    /// With `enqueue_dependents` (RQ's word) the jobs that wait for it wait for it no longer: those that wait
    /// for nothing else go to their queues in the same step; this also holds for a job that was canceled
    /// before. Without, they stay deferred until it is requeued and finishes.
    virtual task<void> cancel(std::string id, bool enqueue_dependents) = 0;
    task<void> cancel(std::string id) { return cancel(std::move(id), false); }
    /// Tells the worker that runs the job to stop it. The job is still started when this returns: it becomes
    /// stopped when its worker has ended it, unless it has just ended by itself. Names the run, so that a
    /// later one is not hit (a Python worker is told the job alone).
    /// Throws: job_errc::wrong_state if the job does not run; job_errc::no_such_worker if nobody listens who
    ///         could stop it: its worker is gone, and what it ran is recovered once that is noticed.
    virtual task<void> stop(std::string id) = 0;
    /// Tells a worker something; it is not waited for. One that waits unread already is not doubled.
    /// Throws: job_errc::no_such_worker if nobody of that name listens; job_errc::invalid_option
    ///         for a command of the kind unknown.
    virtual task<void> send_command(std::string worker, worker_command command) = 0;
    /// A failed, stopped or canceled job goes to its queue again. One that was canceled before it ever came
    /// there, and whose dependencies have not finished, is deferred again.
    virtual task<void> requeue(std::string id) = 0;
    /// The record and every mention of the id go. Jobs that still wait for it are canceled: what they wait
    /// for will not come.
    virtual task<void> remove(std::string id) = 0;
    /// Ids of the jobs that wait for job `id`, at most `limit`, in no particular order.
    virtual task<std::vector<std::string>> dependents(std::string id, std::size_t limit) = 0;
    /// Removes the first jobs that wait on the queue, with their records: at most `limit` of them, and not
    /// more than jobs_per_piece_max. `from` is empty, or what the piece before gave as `next`. Jobs that come
    /// to the queue while its pieces are removed do not prolong that: what waited at the first piece goes.
    virtual task<queue_piece> empty(std::string queue, std::string from = {},
                                    std::size_t limit = jobs_per_piece_max) = 0;
    /// requeue() for the failed and stopped jobs of a queue, in pieces like those of empty(). A job that
    /// fails again meanwhile is left alone.
    virtual task<queue_piece> requeue_failed(std::string queue, std::string from = {},
                                             std::size_t limit = jobs_per_piece_max) = 0;
    /// While it is on, workers are given nothing. With a `limit` (at least 1 s) that ends by itself, by
    /// the store's clock; the latest call counts.
    virtual task<void> set_suspended(bool on, std::optional<std::chrono::seconds> limit = {}) = 0;
    /// Counts and workers. Reads only: nothing is cleared or repaired.
    virtual task<store_overview> overview() = 0;
    /// Ids of jobs in `status`, the newest first: queued ones by their place (the last to be taken first),
    /// scheduled ones by their time, started ones by their start and the others by their end. Redis knows
    /// these times where all jobs of the queue have the same lifetime.
    virtual task<std::vector<std::string>> list(std::string queue, job_status status, std::size_t limit) = 0;

    // --- for workers

    /// Throws: job_errc::worker_name_taken if a worker of that name lives.
    virtual task<void> register_worker(worker_record worker, std::chrono::seconds lease) = 0;
    virtual task<void> unregister_worker(std::string name) = 0;
    virtual task<heartbeat_answer> heartbeat(heartbeat_request request) = 0;
    /// Takes up to `limit` jobs: off their queues, started, owned by the worker, in one step.
    virtual task<take_answer> take(take_request request) = 0;
    /// The next command for the worker, waiting at most `wait_max` without polling. The first call, which may
    /// wait 0, begins to listen, and what is sent from then on is heard. On Redis a lost connection is an
    /// error of this call; the next one listens again, and what was sent in between is gone.
    virtual task<std::optional<worker_command>> wait_command(std::string worker,
                                                             std::chrono::milliseconds wait_max) = 0;
    /// Returns when one of the queues may have work, at the latest after `wait_max`.
    virtual task<void> wait_for_work(std::vector<std::string> queues, std::chrono::milliseconds wait_max) = 0;
    virtual task<std::vector<finish_answer>> finish(std::string worker,
                                                    std::vector<execution_outcome> outcomes) = 0;
    /// Running jobs go back to the head of their queues as if they had never been taken.
    virtual task<void> hand_back(std::string worker, std::vector<execution_outcome> executions) = 0;
    virtual task<recover_answer> recover(recover_request request) = 0;
    /// Moves due jobs to their queues; with `clean` also clears the registries of what has expired.
    virtual task<maintain_answer> maintain(std::string worker, std::vector<std::string> queues,
                                           bool clean) = 0;
};

/// The recorded text of a stopped job; RQ's own words.
inline constexpr std::string_view stopped_text = "Job stopped by user, work-horse terminated.";

struct store_options {
    /// Added to the store's clock; tests move it. Default: nothing. Threads: called from any.
    std::function<std::chrono::microseconds()> clock_shift{};
    /// Strict durability for SQLite: safe against a power cut too, at the price of an fsync per commit.
    bool survive_power_cut = false;
    std::chrono::milliseconds connect_timeout{5'000};
    std::chrono::milliseconds command_timeout{30'000};
};

/// Opens the store that `url` names:
///   sqlite:///absolute/path/jobs.db  sqlite:relative/jobs.db   one file, no server, one host
///   redis://[user:password@]host[:port][/db][?serializer=json]   Redis >= 6.2 or Valkey, in RQ's layout
///   rediss://...   the same over TLS, with redis-py's options in the query: ssl_ca_certs=FILE (default: the
///                  system's authorities), ssl_certfile=FILE and ssl_keyfile=FILE (our own),
///                  ssl_cert_reqs=none (no look at the server's certificate, for tests; a warning is logged)
///   redis+sentinel://[user:password@]host[:26379][,host...]/PRIMARY[/db]   asks the sentinels which server
///                  is the primary now; sentinel_username and sentinel_password in the query are for them;
///                  rediss+sentinel:// over TLS
///   unix:///path/to/redis.sock[?db=0][&username=...&password=...]
/// Throws: job_errc::unknown_store for anything else; what the store says when it cannot be opened.
std::unique_ptr<job_store> open_store(std::string_view url, store_options options = {});

}  // namespace simul
