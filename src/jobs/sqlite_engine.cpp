#include "jobs/sqlite_engine.hpp"

#include <simul/jobs/error.hpp>

#include "jobs/command_text.hpp"
#include "jobs/dependencies.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <utility>

namespace simul::detail {
namespace {

using std::chrono::seconds;

std::int64_t micros(wall_time t) { return t.time_since_epoch().count(); }
std::optional<std::int64_t> micros(const std::optional<wall_time>& t) {
    if (!t) return std::nullopt;
    return micros(*t);
}
wall_time at_micros(std::int64_t us) { return wall_time(std::chrono::microseconds(us)); }
std::optional<wall_time> optional_time(const sqlite::statement& s, int column) {
    if (s.is_null(column)) return std::nullopt;
    return at_micros(s.integer(column));
}
std::optional<seconds> optional_seconds(const sqlite::statement& s, int column) {
    if (s.is_null(column)) return std::nullopt;
    return seconds(s.integer(column));
}
std::optional<std::int64_t> count(const std::optional<seconds>& s) {
    if (!s) return std::nullopt;
    return s->count();
}

std::string join_numbers(const std::vector<seconds>& list) {
    std::string s;
    for (seconds v : list) s += fmt::format("{}{}", s.empty() ? "" : ",", v.count());
    return s;
}
std::vector<seconds> split_numbers(const std::string& text) {
    std::vector<seconds> out;
    for (std::size_t at = 0; at < text.size();) {
        char* end = nullptr;
        out.emplace_back(std::strtoll(text.c_str() + at, &end, 10));
        at = static_cast<std::size_t>(end - text.c_str()) + 1;
    }
    return out;
}
std::string join(const std::vector<std::string>& list) {
    std::string s;
    for (auto& v : list) s += (s.empty() ? "" : ",") + v;
    return s;
}
std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> out;
    std::size_t at = 0;
    while (at < text.size()) {
        std::size_t end = std::min(text.find(',', at), text.size());
        out.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return out;
}

constexpr const char* job_columns =
    "id, queue, data, description, status, created_at, enqueued_at, started_at, ended_at, due_at, "
    "expires_at, "
    "timeout, ttl, result_ttl, failure_ttl, retries_left, retry_intervals, at_front, at_front_on_retry, "
    "meta, "
    "worker, execution, deaths, depends_on, allow_dependency_failures";

job_record read_job(const sqlite::statement& s) {
    job_record j;
    j.id = s.text(0);
    j.queue = s.text(1);
    j.data = s.text(2);
    j.description = s.text(3);
    j.status = job_status_from(s.text(4)).value_or(job_status::created);
    j.created_at = at_micros(s.integer(5));
    j.enqueued_at = optional_time(s, 6);
    j.started_at = optional_time(s, 7);
    j.ended_at = optional_time(s, 8);
    j.due_at = optional_time(s, 9);
    j.expires_at = optional_time(s, 10);
    j.timeout = seconds(s.integer(11));
    j.ttl = optional_seconds(s, 12);
    j.result_ttl = optional_seconds(s, 13);
    j.failure_ttl = optional_seconds(s, 14);
    j.retries_left = static_cast<int>(s.integer(15));
    j.retry_intervals = split_numbers(s.text(16));
    j.at_front = s.integer(17) != 0;
    j.at_front_on_retry = s.integer(18) != 0;
    j.meta = s.text(19);
    j.worker = s.text(20);
    j.execution = s.text(21);
    j.deaths = static_cast<int>(s.integer(22));
    j.depends_on = split(s.text(23));
    j.allow_dependency_failures = s.integer(24) != 0;
    return j;
}

result_record read_result(const sqlite::statement& s) {
    result_record r;
    r.id = std::to_string(s.integer(0));
    r.type = static_cast<result_type>(s.integer(1));
    r.created_at = at_micros(s.integer(2));
    r.worker = s.text(3);
    r.execution = s.text(4);
    r.return_value = s.text(5);
    r.error = s.text(6);
    r.started_at = optional_time(s, 7);
    r.ended_at = optional_time(s, 8);
    return r;
}

// How long past its end a record lives: nothing for `forever`.
std::optional<std::int64_t> expiry(wall_time at, seconds ttl) {
    if (ttl < seconds(0)) return std::nullopt;
    return micros(at + within_limit(ttl));
}

// Version 1. A new file is made as an old one is brought up, so that there is one way to each version.
constexpr const char* schema_1 = R"sql(
CREATE TABLE jobs(
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    queue TEXT NOT NULL,
    status TEXT NOT NULL,
    position INTEGER,
    data BLOB NOT NULL,
    description TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    enqueued_at INTEGER,
    started_at INTEGER,
    ended_at INTEGER,
    due_at INTEGER,
    expires_at INTEGER,
    timeout INTEGER NOT NULL,
    ttl INTEGER,
    result_ttl INTEGER,
    failure_ttl INTEGER,
    retries_left INTEGER NOT NULL,
    retry_intervals TEXT NOT NULL,
    at_front INTEGER NOT NULL,
    at_front_on_retry INTEGER NOT NULL,
    meta BLOB NOT NULL,
    worker TEXT NOT NULL,
    execution TEXT NOT NULL,
    deaths INTEGER NOT NULL);
CREATE INDEX jobs_waiting ON jobs(queue, position) WHERE status = 'queued';
CREATE INDEX jobs_due ON jobs(due_at) WHERE status = 'scheduled';
CREATE INDEX jobs_running ON jobs(worker) WHERE status = 'started';
CREATE INDEX jobs_expiring ON jobs(expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX jobs_by_status ON jobs(queue, status);
CREATE TABLE results(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    type INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    worker TEXT NOT NULL,
    execution TEXT NOT NULL,
    return_value BLOB NOT NULL,
    error TEXT NOT NULL,
    started_at INTEGER,
    ended_at INTEGER);
CREATE INDEX results_of_job ON results(job, number);
CREATE TABLE queues(
    name TEXT PRIMARY KEY,
    head INTEGER NOT NULL,
    tail INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE workers(
    name TEXT PRIMARY KEY,
    queues TEXT NOT NULL,
    host TEXT NOT NULL,
    boot TEXT NOT NULL,
    pid_namespace TEXT NOT NULL,
    pid INTEGER NOT NULL,
    process_started INTEGER NOT NULL,
    version TEXT NOT NULL,
    state TEXT NOT NULL,
    birth INTEGER NOT NULL,
    last_heartbeat INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    successful INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    working_seconds REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
)sql";

// Version 2. jobs_by_end alone counts the jobs of a queue that have not expired, and lists them from the
// newest: with 10^6 failed jobs both took long while each row had to be looked at. jobs_due finds the next
// one of a queue, which each heartbeat asks for, without a look at all that are scheduled. And jobs wait for
// others; commands: what workers were told and have not read.
constexpr const char* to_schema_2 = R"sql(
DROP INDEX jobs_by_status;
CREATE INDEX jobs_by_end ON jobs(queue, status, ended_at, expires_at);
DROP INDEX jobs_due;
CREATE INDEX jobs_due ON jobs(queue, due_at) WHERE status = 'scheduled';
ALTER TABLE jobs ADD COLUMN depends_on TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN allow_dependency_failures INTEGER NOT NULL DEFAULT 0;
CREATE TABLE dependencies(
    job TEXT NOT NULL,
    depends_on TEXT NOT NULL,
    PRIMARY KEY(job, depends_on)) WITHOUT ROWID;
CREATE INDEX dependents ON dependencies(depends_on, job);
CREATE TABLE commands(
    number INTEGER PRIMARY KEY,
    worker TEXT NOT NULL,
    command TEXT NOT NULL,
    job TEXT NOT NULL,
    execution TEXT NOT NULL,
    sent_at INTEGER NOT NULL);
CREATE UNIQUE INDEX commands_of_worker ON commands(worker, command, job, execution);
)sql";

sqlite::database_options database_options_for(const store_options& o) {
    sqlite::database_options d;
    d.application_id = jobs_application_id;
    d.schema_version = jobs_schema_version;
    if (o.survive_power_cut) d.durable = sqlite::durability::power_cut;
    return d;
}

}  // namespace

std::string_view to_string(death_evidence e) noexcept {
    switch (e) {
        case death_evidence::process_gone:
            return "its process is gone";
        case death_evidence::disconnected:
            return "its connections are closed";
        case death_evidence::lease_expired:
            return "its lease expired";
    }
    return "";
}

std::string poison_text(const std::string& worker, death_evidence evidence, int deaths) {
    return fmt::format(
        "simul.WorkerDied: {} workers died while they ran this job, the last one was {} ({}); it is set "
        "aside. "
        "Requeue it once the cause is repaired.",
        deaths, worker, to_string(evidence));
}

std::string abandoned_text(wall_time at) {
    return fmt::format("Moved to FailedJobRegistry, due to AbandonedJobError, at {}", to_iso(at));
}

sqlite_engine::sqlite_engine(const std::string& path, const store_options& options)
    : db_(path, database_options_for(options)), shift_(options.clock_shift) {
    if (db_.schema_version() < jobs_schema_version) make_tables();
}

// Also brings a file of an older version to this one. Programs of that version that have it open go on as
// long as they run: what is added has defaults.
void sqlite_engine::make_tables() {
    db_.write([&] {
        const int found = db_.schema_version();
        if (found >= jobs_schema_version) return;  // another process was faster
        if (found < 1) db_.execute(schema_1);
        if (found < 2) db_.execute(to_schema_2);
        db_.set_schema_version(jobs_schema_version);
    });
}

wall_time sqlite_engine::now() const {
    auto t = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    return shift_ ? t + shift_() : t;
}

std::optional<std::optional<wall_time>> sqlite_engine::suspension() {
    auto s = db_.prepare("SELECT value FROM settings WHERE name = 'suspended'");
    if (!s.step()) return std::nullopt;
    const std::string text = s.text(0);
    if (text == "1") return std::optional<wall_time>();
    const wall_time until = at_micros(std::strtoll(text.c_str(), nullptr, 10));
    if (until <= now()) return std::nullopt;
    return until;
}

// -------------------------------------------------------------------------------------------- for clients

std::int64_t sqlite_engine::next_position(const std::string& queue, bool front) {
    auto s = db_.prepare(front ? "UPDATE queues SET head = head - 1 WHERE name = ? RETURNING head"
                               : "UPDATE queues SET tail = tail + 1 WHERE name = ? RETURNING tail");
    s.bind_all(queue);
    if (s.step()) {
        std::int64_t position = s.integer(0);
        while (s.step()) {
        }
        return position;
    }
    db_.run("INSERT INTO queues(name, head, tail) VALUES(?, 0, 0)", queue);
    return 0;
}

void sqlite_engine::put_on_queue(const std::string& id, const std::string& queue, bool front, wall_time at) {
    std::int64_t position = next_position(queue, front);
    // Its waiting time begins now.
    db_.run(
        "UPDATE jobs SET status = 'queued', position = ?, enqueued_at = ?, due_at = NULL, worker = '', "
        "execution = '', expires_at = CASE WHEN ttl >= 0 THEN ? + min(ttl, ?) * 1000000 END WHERE id = ?",
        position, micros(at), micros(at), job_duration_max.count(), id);
    rings_.work = true;
}

// ----------------------------------------------------------------------------------------- dependencies
//
// The table holds what a job still waits for: rows for a job that is deferred, or was canceled while it was.
// They go when the job goes to its queue, and with its record. The record's depends_on stays as it was said.

std::vector<std::string> sqlite_engine::waits_for(const std::string& id) {
    std::vector<std::string> ids;
    auto s = db_.prepare("SELECT depends_on FROM dependencies WHERE job = ?");
    s.bind_all(id);
    while (s.step()) ids.push_back(s.text(0));
    return ids;
}

// For a step that has to reach all of them.
constexpr std::size_t no_limit = std::numeric_limits<std::int64_t>::max();

// In the order in which they were enqueued.
std::vector<std::string> sqlite_engine::waiting_for(const std::string& id, std::size_t limit) {
    std::vector<std::string> ids;
    auto s = db_.prepare(
        "SELECT jobs.id FROM dependencies JOIN jobs ON jobs.id = dependencies.job "
        "WHERE dependencies.depends_on = ? AND jobs.status = 'deferred' ORDER BY jobs.number LIMIT ?");
    s.bind_all(id, static_cast<std::int64_t>(limit));
    while (s.step()) ids.push_back(s.text(0));
    return ids;
}

// True if job `id` waits for nothing any more: see dependencies.hpp for what counts as met.
bool sqlite_engine::all_met(const std::string& id) {
    auto s = db_.prepare(
        "SELECT 1 FROM dependencies JOIN jobs ON jobs.id = dependencies.depends_on "
        "WHERE dependencies.job = ? AND jobs.status <> 'finished' AND NOT (jobs.status = 'failed' AND "
        "(SELECT allow_dependency_failures FROM jobs WHERE id = dependencies.job)) LIMIT 1");
    s.bind_all(id);
    return !s.step();
}

void sqlite_engine::release(const std::string& id, wall_time at) {
    auto job = read_record(id);
    put_on_queue(id, job->queue, job->at_front, at);
    db_.run("DELETE FROM dependencies WHERE job = ?", id);
}

// Job `id` has ended as its record says: those that waited for nothing else go to their queues.
void sqlite_engine::release_dependents(const std::string& id, wall_time at) {
    for (const std::string& dependent : waiting_for(id, no_limit))
        if (all_met(dependent)) release(dependent, at);
}

void sqlite_engine::check_dependencies_of(const std::vector<job_record>& jobs,
                                          const std::vector<bool>& repeated, wall_time at) {
    std::map<std::string, std::size_t> fresh;  // the place in `jobs`
    std::map<std::string, std::size_t> named;  // how often as a dependency
    for (std::size_t i = 0; i < jobs.size(); ++i)
        if (!repeated[i]) fresh[jobs[i].id] = i;
    auto waits = [&](const std::string& id) {
        auto j = fresh.find(id);
        return j != fresh.end() ? jobs[j->second].depends_on : waits_for(id);
    };
    auto refuse_cycle = [&](const std::string& id) {
        auto way = find_dependency_cycle(id, waits);
        if (!way.empty()) throw_dependency_cycle(way);
    };
    auto has_row = [&](const char* sql, const auto&... args) {
        auto s = db_.prepare(sql);
        s.bind_all(args...);
        return s.step();
    };
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        if (repeated[i] || jobs[i].depends_on.empty()) continue;
        const std::string& id = jobs[i].id;
        for (const std::string& dependency : jobs[i].depends_on) {
            auto other = fresh.find(dependency);
            if (other != fresh.end() && other->second > i) {
                refuse_cycle(id);
                throw_later_dependency(id, dependency);
            }
            if (other == fresh.end() &&
                !has_row("SELECT 1 FROM jobs WHERE id = ? AND (expires_at IS NULL OR expires_at > ?)",
                         dependency, micros(at)))
                throw_unknown_dependency(id, dependency);
            if (const std::size_t here = ++named[dependency];
                here > job_dependents_max ||
                has_row("SELECT 1 FROM dependencies WHERE depends_on = ? LIMIT 1 OFFSET ?", dependency,
                        static_cast<std::int64_t>(job_dependents_max - here)))
                throw_too_many_dependents(id, dependency);
        }
        // Who waits for this id already waits for it still: it was used before, or its record is gone.
        if (has_row("SELECT 1 FROM dependencies WHERE depends_on = ? LIMIT 1", id)) refuse_cycle(id);
    }
}

void sqlite_engine::insert(const job_record& job, wall_time at) {
    bool later = job.due_at.has_value();
    bool waits = false;
    if (!job.depends_on.empty()) {
        for (const std::string& dependency : job.depends_on) {
            const auto other = read_record(dependency);
            if (other && !is_met(other->status, job.allow_dependency_failures)) waits = true;
        }
        if (waits)
            for (const std::string& dependency : job.depends_on)
                db_.run("INSERT INTO dependencies(job, depends_on) VALUES(?, ?) ON CONFLICT DO NOTHING",
                        job.id, dependency);
    }
    std::optional<std::int64_t> position;
    std::optional<std::int64_t> enqueued;
    if (later || waits) {
        db_.run("INSERT INTO queues(name, head, tail) VALUES(?, 0, 0) ON CONFLICT DO NOTHING", job.queue);
    } else {
        position = next_position(job.queue, job.at_front);
        enqueued = micros(at);
        rings_.work = true;
    }
    std::optional<std::int64_t> expires;
    if (job.ttl && !later && !waits) expires = expiry(at, *job.ttl);
    db_.run(
        "INSERT INTO jobs(id, queue, status, position, data, description, created_at, enqueued_at, due_at, "
        "expires_at, timeout, ttl, result_ttl, failure_ttl, retries_left, retry_intervals, at_front, "
        "at_front_on_retry, meta, worker, execution, deaths, depends_on, allow_dependency_failures) "
        "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,'','',0,?,?)",
        job.id, job.queue,
        later   ? "scheduled"
        : waits ? "deferred"
                : "queued",
        position, bytes{job.data}, job.description, micros(job.created_at), enqueued, micros(job.due_at),
        expires, job.timeout.count(), count(job.ttl), count(job.result_ttl), count(job.failure_ttl),
        job.retries_left, join_numbers(job.retry_intervals), job.at_front, job.at_front_on_retry,
        bytes{job.meta}, join(job.depends_on), job.allow_dependency_failures);
}

std::vector<enqueue_receipt> sqlite_engine::enqueue(const std::vector<job_record>& jobs) {
    check_enqueue(jobs);
    return db_.write([&] {
        std::vector<enqueue_receipt> receipts;
        wall_time at = now();
        std::vector<bool> repeated(jobs.size(), false);
        std::vector<bool> replace(jobs.size(), false);
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            const job_record& job = jobs[i];
            auto s = db_.prepare("SELECT status, created_at, data, expires_at FROM jobs WHERE id = ?");
            s.bind_all(job.id);
            if (!s.step()) continue;
            auto status = job_status_from(s.text(0)).value_or(job_status::created);
            bool gone = !s.is_null(3) && s.integer(3) <= micros(at);
            repeated[i] = s.integer(1) == micros(job.created_at) && s.text(2) == job.data;
            bool ended = status == job_status::finished || status == job_status::failed ||
                         status == job_status::canceled || status == job_status::stopped;
            if (!repeated[i] && !ended && !gone)
                throw_job_error(job_errc::id_in_use,
                                fmt::format("job {} is {}; choose another id, or cancel it first", job.id,
                                            to_string(status)));
            replace[i] = !repeated[i];
        }
        check_dependencies_of(jobs, repeated, at);
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            const job_record& job = jobs[i];
            // Where the answer to the first call was lost, its results may already be there, and count.
            std::string last = "0";
            if (!repeated[i]) {
                {
                    auto s = db_.prepare("SELECT coalesce(max(number), 0) FROM results WHERE job = ?");
                    s.bind_all(job.id);
                    if (s.step()) last = std::to_string(s.integer(0));
                }
                if (replace[i]) {
                    db_.run("DELETE FROM jobs WHERE id = ?", job.id);
                    db_.run("DELETE FROM dependencies WHERE job = ?", job.id);
                }
                insert(job, at);
            }
            receipts.push_back({job.id, last});
        }
        return receipts;
    });
}

std::optional<job_record> sqlite_engine::fetch(const std::string& id) {
    auto s = db_.prepare(fmt::format(
        "SELECT {} FROM jobs WHERE id = ? AND (expires_at IS NULL OR expires_at > ?)", job_columns));
    s.bind_all(id, micros(now()));
    if (!s.step()) return std::nullopt;
    return read_job(s);
}

// Also one whose time is over, but which maintain() has not removed yet.
std::optional<job_record> sqlite_engine::read_record(const std::string& id) {
    auto s = db_.prepare(fmt::format("SELECT {} FROM jobs WHERE id = ?", job_columns));
    s.bind_all(id);
    if (!s.step()) return std::nullopt;
    return read_job(s);
}

constexpr const char* result_columns =
    "number, type, created_at, worker, execution, return_value, error, started_at, ended_at";

std::vector<result_record> sqlite_engine::results(const std::string& id, std::size_t limit) {
    std::vector<result_record> out;
    if (!fetch(id)) return out;
    auto s = db_.prepare(
        fmt::format("SELECT {} FROM results WHERE job = ? ORDER BY number DESC LIMIT ?", result_columns));
    s.bind_all(id, static_cast<std::int64_t>(limit));
    while (s.step()) out.push_back(read_result(s));
    return out;
}

std::optional<result_record> sqlite_engine::result_after(const std::string& id, const std::string& after) {
    if (!fetch(id)) return std::nullopt;
    auto s = db_.prepare(fmt::format(
        "SELECT {} FROM results WHERE job = ? AND number > ? ORDER BY number LIMIT 1", result_columns));
    s.bind_all(id, static_cast<std::int64_t>(std::strtoll(after.c_str(), nullptr, 10)));
    if (!s.step()) return std::nullopt;
    return read_result(s);
}

namespace {
[[noreturn]] void no_such_job(const std::string& id) {
    throw_job_error(job_errc::no_such_job,
                    fmt::format("there is no job {}: it was never made, or its record has expired", id));
}
[[noreturn]] void wrong_state(const job_record& job, std::string_view what) {
    throw_job_error(job_errc::wrong_state,
                    fmt::format("job {} is {} and cannot be {}", job.id, to_string(job.status), what));
}
}  // namespace

void sqlite_engine::cancel_one(const job_record& job, wall_time at) {
    db_.run(
        "UPDATE jobs SET status = 'canceled', position = NULL, due_at = NULL, ended_at = ?, expires_at = "
        "? WHERE id = ?",
        micros(at), expiry(at, job.failure_ttl.value_or(default_failure_ttl)), job.id);
    rings_.results = true;
}

void sqlite_engine::cancel(const std::string& id, bool enqueue_dependents) {
    db_.write([&] {
        auto job = fetch(id);
        if (!job) no_such_job(id);
        wall_time at = now();
        switch (job->status) {
            case job_status::created:
            case job_status::queued:
            case job_status::started:
            case job_status::deferred:
            case job_status::scheduled:
                cancel_one(*job, at);
                break;
            case job_status::canceled:
                if (enqueue_dependents) break;
                [[fallthrough]];
            default:
                wrong_state(*job, "canceled");
        }
        if (!enqueue_dependents) return;
        for (const std::string& dependent : waiting_for(id, no_limit)) {
            db_.run("DELETE FROM dependencies WHERE job = ? AND depends_on = ?", dependent, id);
            if (all_met(dependent)) release(dependent, at);
        }
    });
}

void sqlite_engine::add_command(const std::string& worker, const worker_command& c) {
    bool there = false;
    {
        auto s =
            db_.prepare("SELECT host, boot, pid_namespace, pid, process_started FROM workers WHERE name = ?");
        s.bind_all(worker);
        if (s.step()) there = !proven_dead({s.text(0), s.text(1), s.text(2), s.integer(3), s.integer(4)});
    }
    if (!there) {
        if (c.job.empty()) throw_no_such_worker(worker);
        throw_nobody_stops(c.job, worker);
    }
    db_.run(
        "INSERT INTO commands(worker, command, job, execution, sent_at) VALUES(?,?,?,?,?) ON CONFLICT DO "
        "NOTHING",
        worker, simul::to_string(c.kind), c.job, c.execution, micros(now()));
    rings_.commands = true;
}

void sqlite_engine::stop(const std::string& id) {
    db_.write([&] {
        auto job = fetch(id);
        if (!job) no_such_job(id);
        if (job->status != job_status::started) wrong_state(*job, "stopped");
        add_command(job->worker, {worker_command_kind::stop_execution, id, job->execution, {}});
    });
}

void sqlite_engine::send_command(const std::string& worker, const worker_command& command) {
    db_.write([&] { add_command(worker, command); });
}

std::optional<worker_command> sqlite_engine::take_command(const std::string& worker) {
    auto next = [&]() -> std::optional<std::pair<std::int64_t, worker_command>> {
        auto s = db_.prepare(
            "SELECT number, command, job, execution FROM commands WHERE worker = ? ORDER BY number LIMIT 1");
        s.bind_all(worker);
        if (!s.step()) return std::nullopt;
        worker_command c;
        const std::string word = s.text(1);
        for (auto kind : {worker_command_kind::stop_job, worker_command_kind::stop_execution,
                          worker_command_kind::kill_horse, worker_command_kind::shutdown})
            if (simul::to_string(kind) == word) c.kind = kind;
        c.job = s.text(2);
        c.execution = s.text(3);
        if (c.kind == worker_command_kind::unknown) c.text = fmt::format("'{}' is no command", word);
        return std::pair(s.integer(0), std::move(c));
    };
    if (!next()) return std::nullopt;  // without the lock: most looks find nothing
    return db_.write([&]() -> std::optional<worker_command> {
        auto found = next();
        if (!found) return std::nullopt;
        db_.run("DELETE FROM commands WHERE number = ?", found->first);
        return std::move(found->second);
    });
}

// Nobody reads any more what it was told.
void sqlite_engine::remove_worker(const std::string& name) {
    db_.run("DELETE FROM commands WHERE worker = ?", name);
    db_.run("DELETE FROM workers WHERE name = ?", name);
}

void sqlite_engine::requeue(const std::string& id) {
    db_.write([&] {
        auto job = fetch(id);
        if (!job) no_such_job(id);
        if (job->status != job_status::failed && job->status != job_status::stopped &&
            job->status != job_status::canceled)
            wrong_state(*job, "requeued");
        if (all_met(id)) {
            put_again(id, job->queue, now());
            db_.run("DELETE FROM dependencies WHERE job = ?", id);
        } else {
            start_anew(id);
            db_.run("UPDATE jobs SET status = 'deferred' WHERE id = ?", id);
        }
    });
}

void sqlite_engine::start_anew(const std::string& id) {
    db_.run("UPDATE jobs SET started_at = NULL, ended_at = NULL, expires_at = NULL, deaths = 0 WHERE id = ?",
            id);
}

void sqlite_engine::put_again(const std::string& id, const std::string& queue, wall_time at) {
    start_anew(id);
    put_on_queue(id, queue, false, at);
}

// The place is the last position that was given out when the first piece began.
queue_piece sqlite_engine::empty(const std::string& queue, const std::string& from, std::size_t limit) {
    return db_.write([&] {
        queue_piece piece;
        limit = std::min(limit, jobs_per_piece_max);
        std::int64_t last = std::strtoll(from.c_str(), nullptr, 10);
        if (from.empty()) {
            auto s = db_.prepare("SELECT tail FROM queues WHERE name = ?");
            s.bind_all(queue);
            if (!s.step()) return piece;
            last = s.integer(0);
        }
        const wall_time at = now();
        std::vector<std::pair<std::string, bool>> ids;
        {
            auto s = db_.prepare(
                "SELECT id, expires_at FROM jobs WHERE queue = ? AND status = 'queued' AND position <= ? "
                "ORDER BY position LIMIT ?");
            s.bind_all(queue, last, static_cast<std::int64_t>(limit));
            while (s.step()) ids.emplace_back(s.text(0), !s.is_null(1) && s.integer(1) <= micros(at));
        }
        for (auto& [id, expired] : ids) {
            erase(id, at);
            if (!expired) ++piece.done;
        }
        if (!ids.empty() && ids.size() == limit) piece.next = std::to_string(last);
        return piece;
    });
}

// The place is when the last one had failed that was there at the first piece: what fails again ends later.
queue_piece sqlite_engine::requeue_failed(const std::string& queue, const std::string& from,
                                          std::size_t limit) {
    return db_.write([&] {
        queue_piece piece;
        limit = std::min(limit, jobs_per_piece_max);
        std::int64_t last = std::strtoll(from.c_str(), nullptr, 10);
        if (from.empty()) {
            for (job_status status : {job_status::failed, job_status::stopped}) {
                auto s = db_.prepare("SELECT max(ended_at) FROM jobs WHERE queue = ? AND status = ?");
                s.bind_all(queue, simul::to_string(status));
                if (s.step() && !s.is_null(0)) last = std::max(last, s.integer(0));
            }
        }
        const wall_time at = now();
        std::vector<std::string> ids;
        for (job_status status : {job_status::failed, job_status::stopped}) {
            auto s = db_.prepare(
                "SELECT id FROM jobs WHERE queue = ? AND status = ? AND (ended_at IS NULL OR ended_at <= ?) "
                "AND (expires_at IS NULL OR expires_at > ?) ORDER BY ended_at LIMIT ?");
            s.bind_all(queue, simul::to_string(status), last, micros(at),
                       static_cast<std::int64_t>(limit - ids.size()));
            while (s.step()) ids.push_back(s.text(0));
        }
        for (const std::string& id : ids) put_again(id, queue, at);
        piece.done = ids.size();
        if (!ids.empty() && ids.size() == limit) piece.next = std::to_string(last);
        return piece;
    });
}

// The record goes; whoever still waits for it would wait for ever, and is canceled.
void sqlite_engine::erase(const std::string& id, wall_time at) {
    std::vector<std::string> waiting = waiting_for(id, no_limit);
    if (!waiting.empty()) {
        const auto job = read_record(id);
        for (const std::string& other : waiting) {
            const auto dependent = read_record(other);
            if (!is_met(job->status, dependent->allow_dependency_failures)) cancel_one(*dependent, at);
        }
    }
    db_.run("DELETE FROM jobs WHERE id = ?", id);
    db_.run("DELETE FROM dependencies WHERE job = ?", id);
    db_.run("DELETE FROM results WHERE job = ?", id);
    rings_.results = true;
}

void sqlite_engine::remove(const std::string& id) {
    db_.write([&] {
        if (!fetch(id)) no_such_job(id);
        erase(id, now());
    });
}

std::vector<std::string> sqlite_engine::dependents(const std::string& id, std::size_t limit) {
    return waiting_for(id, limit);
}

void sqlite_engine::set_suspended(bool on, std::optional<seconds> limit) {
    db_.write([&] {
        if (on)
            db_.run(
                "INSERT INTO settings VALUES('suspended', ?) ON CONFLICT DO UPDATE SET value = "
                "excluded.value",
                limit ? std::to_string(micros(now() + within_limit(*limit))) : "1");
        else
            db_.run("DELETE FROM settings WHERE name = 'suspended'");
        rings_.work = true;
    });
}

std::vector<worker_record> sqlite_engine::workers(const std::string& except) {
    std::vector<worker_record> out;
    {
        auto s = db_.prepare(
            "SELECT name, queues, host, boot, pid_namespace, pid, process_started, version, state, birth, "
            "last_heartbeat, lease_until, successful, failed, working_seconds FROM workers WHERE name <> ? "
            "ORDER BY name");
        s.bind_all(except);
        while (s.step()) {
            worker_record w;
            w.name = s.text(0);
            w.queues = split(s.text(1));
            w.process = {s.text(2), s.text(3), s.text(4), s.integer(5), s.integer(6)};
            w.version = s.text(7);
            std::string state = s.text(8);
            for (auto known :
                 {worker_state::started, worker_state::idle, worker_state::busy, worker_state::suspended})
                if (simul::to_string(known) == state) w.state = known;
            w.birth = at_micros(s.integer(9));
            w.last_heartbeat = at_micros(s.integer(10));
            w.lease_until = at_micros(s.integer(11));
            w.successful = s.integer(12);
            w.failed = s.integer(13);
            w.working_seconds = s.real(14);
            out.push_back(std::move(w));
        }
    }
    return out;
}

store_overview sqlite_engine::overview() {
    return db_.read([&] {
        store_overview o;
        o.now = now();
        if (auto suspended = suspension()) {
            o.suspended = true;
            o.suspended_until = *suspended;
        }
        {
            auto s = db_.prepare("SELECT name FROM queues ORDER BY name");
            while (s.step()) {
                o.queues.emplace_back();
                o.queues.back().name = s.text(0);
            }
        }
        for (queue_counts& q : o.queues) {
            auto s = db_.prepare(
                "SELECT status, count(*) FROM jobs WHERE queue = ? AND (expires_at IS NULL OR expires_at > "
                "?) GROUP BY status");
            s.bind_all(q.name, micros(o.now));
            while (s.step()) {
                std::int64_t n = s.integer(1);
                switch (job_status_from(s.text(0)).value_or(job_status::created)) {
                    case job_status::queued:
                        q.queued = n;
                        break;
                    case job_status::started:
                        q.started = n;
                        break;
                    case job_status::finished:
                        q.finished = n;
                        break;
                    case job_status::failed:
                    case job_status::stopped:
                        q.failed += n;
                        break;
                    case job_status::deferred:
                        q.deferred = n;
                        break;
                    case job_status::scheduled:
                        q.scheduled = n;
                        break;
                    case job_status::canceled:
                        q.canceled = n;
                        break;
                    default:
                        break;
                }
            }
        }
        o.workers = workers("");
        for (worker_record& w : o.workers) {
            auto s = db_.prepare(
                "SELECT id FROM jobs WHERE worker = ? AND status = 'started' ORDER BY started_at LIMIT 1000");
            s.bind_all(w.name);
            while (s.step()) w.running.push_back(s.text(0));
        }
        return o;
    });
}

std::vector<std::string> sqlite_engine::list(const std::string& queue, job_status status, std::size_t limit) {
    std::vector<std::string> out;
    // Each order has an index. The status is written out, because some are indexes of one status alone.
    const char* index = "";
    const char* order = "ended_at";
    if (status == job_status::queued) {
        order = "position";
    } else if (status == job_status::scheduled) {
        index = "INDEXED BY jobs_due";
        order = "due_at";
    } else if (status == job_status::started) {
        order = "started_at";
    }
    auto s =
        db_.prepare(fmt::format("SELECT id FROM jobs {} WHERE queue = ? AND status = '{}' AND "
                                "(expires_at IS NULL OR expires_at > ?) ORDER BY {} DESC LIMIT ?",
                                index, simul::to_string(status), order));
    s.bind_all(queue, micros(now()), static_cast<std::int64_t>(limit));
    while (s.step()) out.push_back(s.text(0));
    return out;
}

// -------------------------------------------------------------------------------------------- for workers

void sqlite_engine::register_worker(const worker_record& worker, std::chrono::seconds lease) {
    db_.write([&] {
        wall_time at = now();
        for (const worker_record& other : workers("")) {
            if (other.name != worker.name || other.process == worker.process) continue;
            if (other.lease_until > at && !proven_dead(other.process))
                throw_job_error(job_errc::worker_name_taken,
                                fmt::format("a worker named {} lives (process {} on {}); choose another name",
                                            worker.name, other.process.pid, other.process.host));
            throw_job_error(
                job_errc::worker_name_taken,
                fmt::format("a worker named {} died and was not recovered yet; try again in a moment",
                            worker.name));
        }
        db_.run(
            "INSERT INTO workers(name, queues, host, boot, pid_namespace, pid, process_started, version, "
            "state, birth, "
            "last_heartbeat, lease_until, successful, failed, working_seconds) "
            "VALUES(?,?,?,?,?,?,?,?,'started',?,?,?,0,0,0.0) "
            "ON CONFLICT(name) DO UPDATE SET last_heartbeat = excluded.last_heartbeat, lease_until = "
            "excluded.lease_until",
            worker.name, join(worker.queues), worker.process.host, worker.process.boot,
            worker.process.pid_namespace, worker.process.pid, worker.process.started, worker.version,
            micros(at), micros(at), micros(at + lease));
    });
}

void sqlite_engine::unregister_worker(const std::string& name) {
    db_.write([&] {
        // What it still runs by its own account goes back, without counting as a death.
        std::vector<std::pair<std::string, std::string>> left;
        {
            auto s = db_.prepare(
                "SELECT id, queue FROM jobs WHERE worker = ? AND status = 'started' ORDER BY started_at "
                "DESC");
            s.bind_all(name);
            while (s.step()) left.emplace_back(s.text(0), s.text(1));
        }
        for (auto& [id, queue] : left) put_on_queue(id, queue, true, now());
        remove_worker(name);
    });
}

heartbeat_answer sqlite_engine::heartbeat(const heartbeat_request& request) {
    heartbeat_answer answer;
    db_.write([&] {
        wall_time at = now();
        answer.now = at;
        answer.known =
            db_.run("UPDATE workers SET last_heartbeat = ?, lease_until = ?, state = ? WHERE name = ?",
                    micros(at), micros(at + request.lease), simul::to_string(request.state),
                    request.worker) == 1;
        std::vector<std::string> queues;
        {
            auto s = db_.prepare("SELECT queues FROM workers WHERE name = ?");
            s.bind_all(request.worker);
            if (s.step()) queues = split(s.text(0));
        }
        answer.suspended = suspended();
        answer.peers = workers(request.worker);
        answer.next_due = next_due(queues);
    });
    return answer;
}

std::optional<wall_time> sqlite_engine::next_due(const std::vector<std::string>& queues) {
    std::optional<wall_time> first;
    for (const std::string& q : queues) {
        auto s = db_.prepare(
            "SELECT min(due_at) FROM jobs INDEXED BY jobs_due WHERE queue = ? AND status = 'scheduled'");
        s.bind_all(q);
        if (s.step())
            if (auto due = optional_time(s, 0); due && (!first || *due < *first)) first = due;
    }
    return first;
}

bool sqlite_engine::has_work(const std::vector<std::string>& queues) {
    if (suspended()) return false;
    for (const std::string& q : queues) {
        auto s = db_.prepare("SELECT 1 FROM jobs WHERE queue = ? AND status = 'queued' LIMIT 1");
        s.bind_all(q);
        if (s.step()) return true;
    }
    return false;
}

take_answer sqlite_engine::take(const take_request& request) {
    // A look without the lock first: a worker that finds nothing must not slow the writers down.
    if (suspended()) return {{}, true, false, false};
    if (!has_work(request.queues)) return {};
    return db_.write([&] {
        take_answer answer;
        wall_time at = now();
        {
            auto s = db_.prepare("SELECT 1 FROM workers WHERE name = ?");
            s.bind_all(request.worker);
            if (!s.step()) {  // nothing is given to it until it registers again
                answer.unknown_worker = true;
                return answer;
            }
        }
        bool skipped = false;
        for (const std::string& queue : request.queues) {
            std::vector<job_record> found;
            {
                auto s = db_.prepare(fmt::format(
                    "SELECT {} FROM jobs WHERE queue = ? AND status = 'queued' ORDER BY position LIMIT ?",
                    job_columns));
                s.bind_all(queue, static_cast<std::int64_t>(request.limit + request.skip.size()));
                while (answer.jobs.size() + found.size() < request.limit && s.step()) {
                    job_record job = read_job(s);
                    if (job.expires_at && *job.expires_at <= at)
                        continue;  // its ttl is over; maintain() removes it
                    if (std::find(request.skip.begin(), request.skip.end(), job.id) != request.skip.end()) {
                        skipped = true;
                        continue;
                    }
                    found.push_back(std::move(job));
                }
            }
            for (job_record& job : found) {
                job.execution = new_execution_id();
                job.worker = request.worker;
                job.status = job_status::started;
                job.started_at = at;
                job.expires_at.reset();
                db_.run(
                    "UPDATE jobs SET status = 'started', position = NULL, worker = ?, execution = ?, "
                    "started_at = ?, "
                    "expires_at = NULL WHERE id = ?",
                    job.worker, job.execution, micros(at), job.id);
                answer.jobs.push_back({std::move(job)});
            }
            if (answer.jobs.size() >= request.limit) break;
        }
        answer.only_skipped = answer.jobs.empty() && skipped;
        return answer;
    });
}

void sqlite_engine::add_result(const std::string& id, result_type type, const std::string& worker,
                               const std::string& execution, const std::string& value,
                               const std::string& error, std::optional<wall_time> started,
                               std::optional<wall_time> ended, wall_time at) {
    db_.run(
        "INSERT INTO results(job, type, created_at, worker, execution, return_value, error, started_at, "
        "ended_at) "
        "VALUES(?,?,?,?,?,?,?,?,?)",
        id, static_cast<int>(type), micros(at), worker, execution, bytes{value}, error, micros(started),
        micros(ended));
    db_.run(
        "DELETE FROM results WHERE job = ? AND number <= "
        "(SELECT number FROM results WHERE job = ? ORDER BY number DESC LIMIT 1 OFFSET 10)",
        id, id);
    rings_.results = true;
}

finish_answer sqlite_engine::fail(const job_record& job, const execution_outcome& o,
                                  const std::string& worker, wall_time at) {
    if (o.may_retry && !o.stopped && job.retries_left > 0) {
        seconds pause = retry_pause(job.retry_intervals, job.retries_left);
        db_.run("UPDATE jobs SET retries_left = retries_left - 1, ended_at = ? WHERE id = ?",
                micros(o.ended_at), job.id);
        if (pause <= seconds(0)) {
            put_on_queue(job.id, job.queue, job.at_front_on_retry, at);
            return {finish_kind::requeued, {}, {}};
        }
        wall_time due = at + within_limit(pause);
        db_.run("UPDATE jobs SET status = 'scheduled', due_at = ?, worker = '', execution = '' WHERE id = ?",
                micros(due), job.id);
        return {finish_kind::scheduled, due, {}};
    }
    const job_status ended_as = o.stopped ? job_status::stopped : job_status::failed;
    seconds ttl = job.failure_ttl.value_or(default_failure_ttl);
    if (ttl == seconds(0)) {
        db_.run("UPDATE jobs SET status = ? WHERE id = ?", simul::to_string(ended_as), job.id);
        release_dependents(job.id, at);
        erase(job.id, at);
        return {finish_kind::discarded, {}, ttl};
    }
    db_.run("UPDATE jobs SET status = ?, ended_at = ?, execution = '', expires_at = ? WHERE id = ?",
            simul::to_string(ended_as), micros(o.ended_at), expiry(at, ttl), job.id);
    add_result(job.id, result_type::failed, worker, o.execution, "",
               o.stopped ? std::string(stopped_text) : o.error, o.started_at, o.ended_at, at);
    release_dependents(job.id, at);
    return {finish_kind::recorded, {}, ttl};
}

finish_answer sqlite_engine::finish_one(const std::string& worker, const execution_outcome& o, wall_time at) {
    std::optional<job_record> job;
    {
        auto s = db_.prepare(fmt::format("SELECT {} FROM jobs WHERE id = ?", job_columns));
        s.bind_all(o.job);
        if (s.step()) job = read_job(s);
    }
    if (!job || job->execution != o.execution || job->worker != worker) return {finish_kind::refused, {}, {}};
    double took = std::chrono::duration<double>(o.ended_at - o.started_at).count();
    db_.run(
        o.success
            ? "UPDATE workers SET successful = successful + 1, working_seconds = working_seconds + ? WHERE "
              "name = ?"
            : "UPDATE workers SET failed = failed + 1, working_seconds = working_seconds + ? WHERE name = ?",
        took, worker);
    if (job->status != job_status::started) {
        // Canceled while it ran: that stands, and the execution is over.
        db_.run("UPDATE jobs SET execution = '' WHERE id = ?", o.job);
        return {finish_kind::refused, {}, {}};
    }
    if (!o.success) return fail(*job, o, worker, at);
    seconds ttl = job->result_ttl.value_or(default_result_ttl);
    if (ttl == seconds(0)) {
        db_.run("UPDATE jobs SET status = 'finished' WHERE id = ?", job->id);
        release_dependents(job->id, at);
        erase(job->id, at);
        return {finish_kind::discarded, {}, ttl};
    }
    db_.run("UPDATE jobs SET status = 'finished', ended_at = ?, execution = '', expires_at = ? WHERE id = ?",
            micros(o.ended_at), expiry(at, ttl), job->id);
    add_result(job->id, result_type::successful, worker, o.execution, o.return_value, "", o.started_at,
               o.ended_at, at);
    release_dependents(job->id, at);
    return {finish_kind::recorded, {}, ttl};
}

std::vector<finish_answer> sqlite_engine::finish(const std::string& worker,
                                                 const std::vector<execution_outcome>& outcomes) {
    return db_.write([&] {
        std::vector<finish_answer> answers;
        wall_time at = now();
        for (const execution_outcome& o : outcomes) answers.push_back(finish_one(worker, o, at));
        return answers;
    });
}

void sqlite_engine::hand_back(const std::string& worker, const std::vector<execution_outcome>& executions) {
    db_.write([&] {
        wall_time at = now();
        // The last one first: each goes to the head, so the first one ends up there.
        for (auto one = executions.rbegin(); one != executions.rend(); ++one) {
            const execution_outcome& o = *one;
            std::optional<job_record> job;
            {
                auto s =
                    db_.prepare(fmt::format("SELECT {} FROM jobs WHERE id = ? AND execution = ? AND worker = "
                                            "? AND status = 'started'",
                                            job_columns));
                s.bind_all(o.job, o.execution, worker);
                if (s.step()) job = read_job(s);
            }
            if (!job) continue;
            auto enqueued = job->enqueued_at;
            put_on_queue(job->id, job->queue, true, at);
            db_.run("UPDATE jobs SET started_at = NULL, enqueued_at = ? WHERE id = ?",
                    micros(enqueued.value_or(at)), job->id);
        }
    });
}

recover_answer sqlite_engine::recover(const recover_request& request) {
    return db_.write([&] {
        recover_answer answer;
        wall_time at = now();
        {
            auto s = db_.prepare("SELECT last_heartbeat, lease_until FROM workers WHERE name = ?");
            s.bind_all(request.worker);
            if (!s.step() || s.integer(0) != micros(request.last_heartbeat)) return answer;
            if (request.evidence == death_evidence::lease_expired && s.integer(1) > micros(at)) return answer;
        }
        answer.recovered = true;
        std::vector<job_record> left;
        {
            auto s =
                db_.prepare(fmt::format("SELECT {} FROM jobs WHERE worker = ? AND status = 'started' ORDER "
                                        "BY started_at DESC, number DESC",
                                        job_columns));
            s.bind_all(request.worker);
            while (s.step()) left.push_back(read_job(s));
        }
        for (job_record& job : left) {
            ++job.deaths;
            db_.run("UPDATE jobs SET deaths = ? WHERE id = ?", job.deaths, job.id);
            if (job.deaths < request.deaths_max) {
                put_on_queue(job.id, job.queue, true, at);
                answer.requeued.push_back(job.id);
                continue;
            }
            execution_outcome o;
            o.job = job.id;
            o.execution = job.execution;
            o.may_retry = false;
            o.error = poison_text(request.worker, request.evidence, job.deaths);
            o.started_at = job.started_at.value_or(at);
            o.ended_at = at;
            fail(job, o, request.worker, at);
            answer.failed.push_back(job.id);
        }
        remove_worker(request.worker);
        return answer;
    });
}

maintain_answer sqlite_engine::maintain(const std::vector<std::string>& queues) {
    constexpr std::int64_t batch = 1000;  // a step is bounded, so that no writer waits long for it
    maintain_answer answer;
    wall_time at = now();
    bool something = false;
    {
        auto s = db_.prepare("SELECT 1 FROM jobs WHERE expires_at <= ? AND status <> 'started' LIMIT 1");
        s.bind_all(micros(at));
        something = s.step();
    }
    answer.next_due = next_due(queues);
    if (!something && !(answer.next_due && *answer.next_due <= at)) return answer;
    db_.write([&] {
        for (const std::string& queue : queues) {
            std::vector<std::pair<std::string, bool>> due;
            {
                auto s = db_.prepare(
                    "SELECT id, at_front, at_front_on_retry, ended_at FROM jobs INDEXED BY jobs_due WHERE "
                    "queue = ? AND status = "
                    "'scheduled' AND due_at <= ? "
                    "ORDER BY due_at LIMIT ?");
                s.bind_all(queue, micros(at), batch);
                while (s.step())
                    due.emplace_back(s.text(0), s.is_null(3) ? s.integer(1) != 0 : s.integer(2) != 0);
            }
            for (auto& [id, front] : due) {
                put_on_queue(id, queue, front, at);
                answer.due.push_back(id);
            }
        }
        std::vector<std::string> expired;
        {
            auto s = db_.prepare("SELECT id FROM jobs WHERE expires_at <= ? AND status <> 'started' LIMIT ?");
            s.bind_all(micros(at), batch);
            while (s.step()) expired.push_back(s.text(0));
        }
        for (const std::string& id : expired) erase(id, at);
        answer.expired = expired.size();
    });
    answer.next_due = next_due(queues);
    return answer;
}

}  // namespace simul::detail
