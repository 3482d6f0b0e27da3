#include "jobs/redis_store.hpp"

#include <simul/base/log.hpp>
#include <simul/codec/json.hpp>
#include <simul/core/outcome.hpp>
#include <simul/core/race.hpp>
#include <simul/jobs/error.hpp>
#include <simul/jobs/payload.hpp>
#include <simul/loop/timeout.hpp>

#include "jobs/command_text.hpp"
#include "jobs/dependencies.hpp"
#include "jobs/failure_text.hpp"
#include "jobs/redis_text.hpp"
#include "jobs/sqlite_engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>

namespace simul::detail {
namespace {

using std::chrono::seconds;

std::int64_t micros(wall_time t) { return t.time_since_epoch().count(); }
std::string epoch(wall_time t) { return fmt::format("{:.6f}", static_cast<double>(micros(t)) / 1e6); }

std::optional<std::int64_t> whole_number(std::string_view text) {
    std::int64_t n = 0;
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return n;
}
std::optional<wall_time> from_micros(std::string_view text) {
    auto n = whole_number(text);
    if (!n) return std::nullopt;
    return wall_time(std::chrono::microseconds(*n));
}
std::optional<wall_time> from_epoch(const std::string& text) {
    if (text.empty()) return std::nullopt;
    char* end = nullptr;
    double s = std::strtod(text.c_str(), &end);
    if (end == text.c_str() || !std::isfinite(s) || std::abs(s) > 1e11) return std::nullopt;
    return wall_time(std::chrono::microseconds(std::llround(s * 1e6)));
}

std::map<std::string, std::string> fields_from(const redis::reply& flat) {
    std::map<std::string, std::string> fields;
    for (auto [key, value] : flat.as_map()) fields[key.as_string()] = value.as_string();
    return fields;
}
const std::string& field(const std::map<std::string, std::string>& fields, const char* name) {
    static const std::string none;
    auto found = fields.find(name);
    return found != fields.end() ? found->second : none;
}

std::vector<std::string> split(std::string_view text, char between = ',') {
    std::vector<std::string> out;
    while (!text.empty()) {
        std::size_t end = std::min(text.find(between), text.size());
        out.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}
std::string join(const std::vector<std::string>& list) {
    std::string s;
    for (const std::string& v : list) s += (s.empty() ? "" : ",") + v;
    return s;
}
std::vector<std::string> texts(const redis::reply& r) {
    std::vector<std::string> out;
    for (const redis::reply& item : r.as_array()) out.push_back(item.as_string());
    return out;
}

std::string identity_of(const process_identity& p) {
    return fmt::format("{} {} {} {} {}", p.host, p.boot, p.pid_namespace, p.pid, p.started);
}

process_identity process_from(const std::map<std::string, std::string>& f) {
    process_identity p;
    p.host = field(f, "host");
    p.boot = field(f, "boot");
    p.pid_namespace = field(f, "pid_namespace");
    p.pid = whole_number(field(f, "pid")).value_or(0);
    p.started = whole_number(field(f, "process_started")).value_or(0);
    return p;
}

worker_state state_from(std::string_view word) {
    for (auto s : {worker_state::started, worker_state::idle, worker_state::busy, worker_state::suspended})
        if (to_string(s) == word) return s;
    return worker_state::idle;
}

worker_record worker_from_own(std::string name, const std::map<std::string, std::string>& f) {
    worker_record w;
    w.name = std::move(name);
    w.process = process_from(f);
    w.version = field(f, "version");
    w.state = state_from(field(f, "state"));
    w.birth = from_micros(field(f, "birth")).value_or(wall_time{});
    w.last_heartbeat = from_micros(field(f, "last_heartbeat")).value_or(wall_time{});
    w.lease_until = from_micros(field(f, "lease_until")).value_or(wall_time{});
    return w;
}

// "SCRIPTERROR id rest": errors that the scripts make.
[[noreturn]] void throw_script_error(const redis::reply_error& e, std::string_view doing) {
    std::string text = e.what();
    std::string rest = text.substr(std::min(text.size(), e.code().size() + 1));
    if (e.code() == "IDINUSE")
        throw_job_error(job_errc::id_in_use, fmt::format("job {}; choose another id, or cancel it first",
                                                         rest.insert(rest.find(' '), " is")));
    if (e.code() == "NAMETAKEN")
        throw_job_error(
            job_errc::worker_name_taken,
            fmt::format("a worker named {} lives, or died and was not recovered yet; choose another name",
                        rest));
    if (e.code() == "NOJOB")
        throw_job_error(
            job_errc::no_such_job,
            fmt::format("there is no job {}: it was never made, or its record has expired", rest));
    if (e.code() == "WRONGSTATE") {  // "id status"; RQ before 2.8 takes ids with spaces
        const std::size_t space = std::min(rest.rfind(' '), rest.size());
        throw_job_error(job_errc::wrong_state, fmt::format("job {} is{} and cannot be {}",
                                                           rest.substr(0, space), rest.substr(space), doing));
    }
    if (auto words = split(rest, ' '); !words.empty()) {
        const std::string& other = words.back();
        if (e.code() == "NODEPENDENCY") throw_unknown_dependency(words.front(), other);
        if (e.code() == "LATER") throw_later_dependency(words.front(), other);
        if (e.code() == "DEPENDENTS") throw_too_many_dependents(words.front(), other);
        if (e.code() == "WALK") throw_walk_too_long(words.front());
        if (e.code() == "CYCLE") throw_dependency_cycle(words);
    }
    if (e.code() == "OOM" || e.code() == "LOADING" || e.code() == "BUSY" || e.code() == "READONLY" ||
        e.code() == "MISCONF" || e.code() == "TRYAGAIN" || e.code() == "CLUSTERDOWN" ||
        e.code() == "MASTERDOWN" || e.code() == "NOREPLICAS")
        throw std::system_error(make_error_code(redis::client_errc::not_ready), text);
    throw;
}

redis::client_options client_options_for(const redis_address& a, const store_options& o) {
    redis::client_options c = a.server;
    c.connect_timeout = o.connect_timeout;
    c.command_timeout = o.command_timeout;
    return c;
}

result_record result_from(const redis::reply& entry) {
    auto parts = entry.as_array();
    auto f = fields_from(parts[1]);
    result_record r;
    r.id = parts[0].as_string();
    r.type =
        static_cast<result_type>(std::clamp<std::int64_t>(whole_number(field(f, "type")).value_or(2), 1, 5));
    r.created_at = wall_time(std::chrono::milliseconds(std::strtoll(r.id.c_str(), nullptr, 10)));
    r.worker = field(f, "worker_name");
    r.execution = field(f, "execution_id");
    r.return_value = from_base64(field(f, "return_value"));
    if (const std::string& text = field(f, "exc_string"); !text.empty())
        r.error = zlib_inflate(from_base64(text));
    r.started_at = from_epoch(field(f, "execution_started_at"));
    r.ended_at = from_epoch(field(f, "execution_ended_at"));
    return r;
}

}  // namespace

// ------------------------------------------------------------------------------------- records and fields

std::optional<job_record> job_from_fields(const std::string& id,
                                          const std::map<std::string, std::string>& f) {
    if (f.find("data") == f.end()) return std::nullopt;
    job_record j;
    j.id = id;
    try {
        j.data = zlib_inflate(field(f, "data"));
    } catch (const std::exception&) {  // too large: reading the call will say that it cannot be read
        j.data = field(f, "data");
    }
    j.queue = field(f, "origin");
    j.description = field(f, "description");
    j.status = job_status_from(field(f, "status")).value_or(job_status::created);
    j.created_at = from_iso(field(f, "created_at")).value_or(wall_time{});
    j.enqueued_at = from_iso(field(f, "enqueued_at"));
    j.started_at = from_iso(field(f, "started_at"));
    j.ended_at = from_iso(field(f, "ended_at"));
    auto ttl = [&](const char* name) -> std::optional<seconds> {
        auto n = whole_number(field(f, name));
        if (!n) return std::nullopt;
        return seconds(*n);
    };
    j.timeout = ttl("timeout").value_or(default_job_timeout);
    j.ttl = ttl("ttl");
    j.result_ttl = ttl("result_ttl");
    j.failure_ttl = ttl("failure_ttl");
    j.retries_left = static_cast<int>(
        std::clamp<std::int64_t>(whole_number(field(f, "retries_left")).value_or(0), 0, 1'000'000));
    if (const std::string& text = field(f, "retry_intervals"); !text.empty()) {
        try {
            value list = json::parse(text);
            for (const value& v : list) j.retry_intervals.emplace_back(v.as_int());
        } catch (const std::exception&) {  // lenient: without pauses then
            j.retry_intervals.clear();
        }
    }
    j.at_front = field(f, "enqueue_at_front") == "1";
    j.at_front_on_retry = field(f, "enqueue_at_front_on_retry") == "1";
    if (const std::string& text = field(f, "dependency_ids"); !text.empty()) {
        try {
            value list = json::parse(text);
            for (const value& v : list) j.depends_on.push_back(v.as_string());
        } catch (const std::exception&) {  // lenient: what it waits for is in the sets, this only tells it
            j.depends_on.clear();
        }
    } else if (!field(f, "dependency_id").empty()) {
        j.depends_on.push_back(field(f, "dependency_id"));
    }
    j.allow_dependency_failures = field(f, "allow_dependency_failures") == "1";
    j.meta = field(f, "meta");
    j.worker = field(f, "worker_name");
    j.execution = field(f, "simul_execution");
    j.deaths = static_cast<int>(whole_number(field(f, "simul_deaths")).value_or(0));
    j.from_rq = f.find("simul_client") == f.end();
    return j;
}

std::vector<std::pair<std::string, std::string>> fields_of_job(const job_record& j) {
    std::vector<std::pair<std::string, std::string>> f{
        {"data", zlib_compress(j.data)},
        {"origin", j.queue},
        {"description", j.description},
        {"timeout", std::to_string(j.timeout.count())},
        {"success_callback_name", ""},
        {"failure_callback_name", ""},
        {"stopped_callback_name", ""},
        {"started_at", ""},
        {"ended_at", ""},
        {"last_heartbeat", ""},
        {"worker_name", ""},
        {"group_id", ""},
    };
    auto number = [&](const char* name, const std::optional<seconds>& s) {
        if (s) f.emplace_back(name, std::to_string(s->count()));
    };
    number("result_ttl", j.result_ttl);
    number("failure_ttl", j.failure_ttl);
    number("ttl", j.ttl);
    if (!j.meta.empty()) f.emplace_back("meta", j.meta);
    if (j.at_front) f.emplace_back("enqueue_at_front", "1");
    if (!j.depends_on.empty()) {
        std::string list;
        for (const std::string& id : j.depends_on)
            list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", id);
        f.emplace_back("dependency_ids", fmt::format("[{}]", list));
        f.emplace_back("dependency_id", j.depends_on.front());
        if (j.allow_dependency_failures) f.emplace_back("allow_dependency_failures", "1");
    }
    if (j.retries_left > 0) {
        std::string list;
        for (seconds s : j.retry_intervals) list += fmt::format("{}{}", list.empty() ? "" : ", ", s.count());
        f.emplace_back("retries_left", std::to_string(j.retries_left));
        f.emplace_back("retry_intervals", fmt::format("[{}]", list.empty() ? "0" : list));
        if (j.at_front_on_retry) f.emplace_back("enqueue_at_front_on_retry", "1");
    }
    return f;
}

// ---------------------------------------------------------------------------------------------- connection

redis_store::redis_store(redis_address address, store_options options, payload_format format)
    : address_(std::move(address)),
      options_(std::move(options)),
      format_(format),
      client_(client_options_for(address_, options_)) {}
redis_store::~redis_store() = default;

std::unique_ptr<job_store> redis_store::sibling() const {
    return std::make_unique<redis_store>(address_, options_, format_);
}

std::string redis_store::shift() const {
    return options_.clock_shift ? std::to_string(options_.clock_shift().count()) : "0";
}

wall_time redis_store::local_now() const {
    auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    return options_.clock_shift ? now + options_.clock_shift() : now;
}

task<void> redis_store::check_server() {
    if (checked_) co_return;
    redis::reply info = co_await client_.command("INFO", "server");
    std::string text = info.as_string();
    auto line = [&](std::string_view name) -> std::string {
        std::size_t at = text.find(fmt::format("\n{}:", name));
        if (at == text.npos) return {};
        at += name.size() + 2;
        return text.substr(at, text.find_first_of("\r\n", at) - at);
    };
    int major = 0;
    int minor = 0;
    std::string version = line("redis_version");
    if (std::sscanf(version.c_str(), "%d.%d", &major, &minor) == 2 &&
        (major < 6 || (major == 6 && minor < 2)))
        throw std::system_error(make_error_code(redis::client_errc::too_old),
                                fmt::format("{} is Redis {}", address_.shown, version));
    run_id_ = line("run_id");
    checked_ = true;
}

task<redis::reply> redis_store::run(redis_script script, arguments args, std::string_view doing) {
    co_await check_server();
    std::string& sha = sha_[static_cast<std::size_t>(script)];
    for (int attempt = 0;; ++attempt) {
        if (sha.empty()) {
            redis::reply loaded = co_await client_.command("SCRIPT", "LOAD", text_of(script));
            sha = loaded.as_string();
        }
        redis::pipeline one;
        one.begin("EVALSHA", 3 + args.size()).argument(sha).argument(0).argument(shift());
        for (const std::string& a : args) one.argument(a);
        std::vector<redis::reply> replies = co_await client_.send(std::move(one));
        redis::reply& r = replies.front();
        if (r.is_error() && r.error_text().starts_with("NOSCRIPT") && attempt == 0) {
            sha.clear();  // the server was restarted or its scripts were flushed
            continue;
        }
        if (r.is_error()) {
            try {
                throw redis::reply_error(r.error_text());
            } catch (const redis::reply_error& e) {
                throw_script_error(e, doing.empty() ? name_of(script) : doing);
            }
        }
        co_return std::move(r);
    }
}

// ---------------------------------------------------------------------------------------------- for clients

task<std::vector<enqueue_receipt>> redis_store::enqueue(std::vector<job_record> jobs) {
    check_enqueue(jobs);
    arguments args{std::to_string(job_dependents_max), std::to_string(dependency_walk_max),
                   std::to_string(jobs.size())};
    for (const job_record& j : jobs) {
        args.push_back(j.id);
        args.push_back(j.queue);
        args.push_back(j.due_at
                           ? std::to_string(std::chrono::floor<seconds>(*j.due_at).time_since_epoch().count())
                           : "");
        args.emplace_back(j.at_front ? "1" : "0");
        args.push_back(to_iso(j.created_at));
        args.emplace_back(j.allow_dependency_failures ? "1" : "0");
        args.push_back(std::to_string(j.depends_on.size()));
        args.insert(args.end(), j.depends_on.begin(), j.depends_on.end());
        auto fields = fields_of_job(j);
        args.push_back(std::to_string(fields.size()));
        for (auto& [name, value] : fields) {
            args.push_back(name);
            args.push_back(value);
        }
    }
    redis::reply r = co_await run(redis_script::enqueue, std::move(args));
    std::vector<enqueue_receipt> receipts;
    std::size_t i = 0;
    for (const redis::reply& last : r.as_array()) receipts.push_back({jobs[i++].id, last.as_string()});
    co_return receipts;
}

task<std::optional<job_record>> redis_store::fetch(std::string id) {
    redis::reply r = co_await client_.command("HGETALL", "rq:job:" + id);
    std::optional<job_record> job = job_from_fields(id, fields_from(r));
    if (job && job->status == job_status::scheduled) {
        redis::reply due = co_await client_.command("ZSCORE", "rq:scheduled:" + job->queue, id);
        if (!due.is_nil())
            job->due_at = wall_time(seconds(std::llround(std::clamp(due.as_double(), 0.0, 1e11))));
    }
    co_return job;
}

task<std::vector<result_record>> redis_store::results(std::string id, std::size_t limit) {
    redis::pipeline two;
    two.add("EXISTS", "rq:job:" + id).add("XREVRANGE", "rq:results:" + id, "+", "-", "COUNT", limit);
    std::vector<redis::reply> replies = co_await client_.send(std::move(two));
    std::vector<result_record> out;
    // The stream of a failed job may outlive its record when RQ wrote it.
    if (replies[0].throw_if_error().as_int() == 0) co_return out;
    for (const redis::reply& entry : replies[1].throw_if_error().as_array())
        out.push_back(result_from(entry));
    co_return out;
}

task<std::optional<result_record>> redis_store::wait_result(std::string id, std::string after,
                                                            std::chrono::milliseconds wait_max) {
    const time_point give_up = clock::now() + wait_max;
    std::string key = "rq:results:" + id;
    {
        redis::pipeline look;
        look.add("XRANGE", key, "(" + after, "+", "COUNT", 1).add("HMGET", "rq:job:" + id, "data", "status");
        std::vector<redis::reply> replies = co_await client_.send(std::move(look));
        redis::reply entries = std::move(replies[0]).throw_if_error();
        if (!entries.as_array().empty()) co_return result_from(entries.as_array()[0]);
        redis::reply job = std::move(replies[1]).throw_if_error();
        // An ended or missing job gives no result by waiting: the caller looks at its record.
        if (job.as_array()[0].is_nil()) co_return std::nullopt;
        auto status = job.as_array()[1].as_optional_string();
        if (status == "canceled" || status == "stopped") co_return std::nullopt;
    }
    auto left = std::chrono::ceil<std::chrono::milliseconds>(give_up - clock::now());
    if (left <= std::chrono::milliseconds(0)) co_return std::nullopt;
    redis::pipeline wait;
    wait.add("XREAD", "COUNT", 1, "BLOCK", left.count(), "STREAMS", key, after);
    redis::reply streams = co_await client_.blocking(std::move(wait), left);
    if (streams.is_nil()) co_return std::nullopt;
    co_return result_from(streams.as_array()[0].as_array()[1].as_array()[0]);
}

task<void> redis_store::cancel(std::string id, bool enqueue_dependents) {
    arguments args{std::move(id), enqueue_dependents ? "1" : "0"};
    co_await run(redis_script::cancel, std::move(args), "canceled");
}
task<void> redis_store::stop(std::string id) {
    // The message is put together in the script, which knows who runs the job.
    std::string quoted;
    try {
        quoted = json::dump(value(id));
    } catch (const std::exception&) {  // no UTF-8: nobody can have made a job of that id
        throw_job_error(job_errc::no_such_job, fmt::format("there is no job {}", escape_controls(id)));
    }
    arguments args{id, std::move(quoted)};
    redis::reply r = co_await run(redis_script::stop, std::move(args), "stopped");
    auto parts = r.as_array();
    if (parts[0].as_int() == 0) throw_nobody_stops(id, parts[1].as_string());
}

task<void> redis_store::send_command(std::string worker, worker_command command) {
    const std::string text = command_text(command);
    redis::reply heard = co_await client_.command("PUBLISH", "rq:pubsub:" + worker, text);
    if (heard.as_int() == 0) throw_no_such_worker(worker);
}

task<std::optional<worker_command>> redis_store::wait_command(std::string worker,
                                                              std::chrono::milliseconds wait_max) {
    if (!commands_ || commands_of_ != worker) {
        commands_.reset();
        commands_ =
            co_await redis::subscription::open(client_options_for(address_, options_), "rq:pubsub:" + worker);
        commands_of_ = worker;
    }
    std::optional<redis::message> m;
    try {
        m = co_await move_on_after(wait_max, commands_->next());
    } catch (const std::exception&) {  // passed on; the next call subscribes anew
        commands_.reset();
        throw;
    }
    if (!m) co_return std::nullopt;
    co_return read_command(m->text);
}

task<void> redis_store::requeue(std::string id) {
    arguments args{std::move(id), std::to_string(dependency_walk_max)};
    co_await run(redis_script::requeue, std::move(args), "requeued");
}
task<void> redis_store::remove(std::string id) {
    arguments args{std::move(id)};
    co_await run(redis_script::remove, std::move(args));
}

task<std::vector<std::string>> redis_store::dependents(std::string id, std::size_t limit) {
    arguments args{std::move(id), std::to_string(limit)};
    redis::reply r = co_await run(redis_script::dependents, std::move(args));
    co_return texts(r);
}

task<queue_piece> redis_store::piece_of(redis_script script, std::string queue, std::string from,
                                        std::size_t limit) {
    arguments args{std::move(queue), std::move(from), std::to_string(std::min(limit, jobs_per_piece_max))};
    redis::reply r = co_await run(script, std::move(args));
    auto parts = r.as_array();
    co_return queue_piece{static_cast<std::size_t>(parts[0].as_int()), parts[1].as_string()};
}
task<queue_piece> redis_store::empty(std::string queue, std::string from, std::size_t limit) {
    return piece_of(redis_script::empty, std::move(queue), std::move(from), limit);
}
task<queue_piece> redis_store::requeue_failed(std::string queue, std::string from, std::size_t limit) {
    return piece_of(redis_script::requeue_failed, std::move(queue), std::move(from), limit);
}

task<void> redis_store::set_suspended(bool on, std::optional<seconds> limit) {
    if (on && limit)
        co_await client_.command("SET", "rq:suspended", 1, "EX",
                                 std::max<std::int64_t>(1, within_limit(*limit).count()));
    else if (on)
        co_await client_.command("SET", "rq:suspended", 1);
    else
        co_await client_.command("DEL", "rq:suspended");
}

task<store_overview> redis_store::overview() {
    redis::reply r = co_await run(redis_script::overview, {});
    store_overview o;
    auto parts = r.as_array();
    o.now = from_micros(parts[0].as_string()).value_or(wall_time{});
    // -2: there is no such key; -1: it does not end by itself.
    const std::int64_t suspended_ms = parts[1].as_int();
    o.suspended = suspended_ms != -2;
    if (suspended_ms >= 0) o.suspended_until = o.now + std::chrono::milliseconds(suspended_ms);
    for (const redis::reply& q : parts[2].as_array()) {
        auto v = q.as_array();
        o.queues.push_back({v[0].as_string(), v[1].as_int(), v[2].as_int(), v[3].as_int(), v[4].as_int(),
                            v[5].as_int(), v[6].as_int(), v[7].as_int()});
    }
    for (const redis::reply& item : parts[3].as_array()) {
        auto v = item.as_array();
        auto shown = fields_from(v[1]);
        auto own = fields_from(v[2]);
        if (!field(shown, "death").empty()) continue;
        worker_record w = worker_from_own(v[0].as_string(), own);
        w.is_rq = own.empty();
        w.queues = split(field(shown, "queues"));
        w.state = state_from(field(shown, "state"));
        if (field(shown, "ip_address") != "unknown") w.address = field(shown, "ip_address");
        if (w.is_rq) {
            w.process.host = field(shown, "hostname");
            w.process.pid = whole_number(field(shown, "pid")).value_or(0);
            w.version = field(shown, "version");
            w.birth = from_iso(field(shown, "birth")).value_or(wall_time{});
            w.last_heartbeat = from_iso(field(shown, "last_heartbeat")).value_or(wall_time{});
        }
        w.successful = whole_number(field(shown, "successful_job_count")).value_or(0);
        w.failed = whole_number(field(shown, "failed_job_count")).value_or(0);
        w.working_seconds = std::strtod(field(shown, "total_working_time").c_str(), nullptr);
        for (const std::string& member : texts(v[3]))
            w.running.push_back(member.substr(0, member.rfind(':')));
        if (w.running.empty() && !field(shown, "current_job").empty())
            w.running.push_back(field(shown, "current_job"));
        std::sort(w.running.begin(), w.running.end());
        o.workers.push_back(std::move(w));
    }
    co_return o;
}

task<std::vector<std::string>> redis_store::list(std::string queue, job_status status, std::size_t limit) {
    limit = std::min<std::size_t>(limit, std::numeric_limits<std::int64_t>::max());
    if (limit == 0) co_return std::vector<std::string>();
    std::string last = std::to_string(static_cast<std::int64_t>(limit) - 1);
    std::string registry;
    switch (status) {
        case job_status::queued: {
            redis::reply r =
                co_await client_.command("LRANGE", "rq:queue:" + queue, fmt::format("-{}", limit), -1);
            std::vector<std::string> ids = texts(r);
            std::reverse(ids.begin(), ids.end());
            co_return ids;
        }
        case job_status::started:
            registry = "wip";
            break;
        case job_status::finished:
            registry = "finished";
            break;
        case job_status::failed:
        case job_status::stopped:
            registry = "failed";
            break;
        case job_status::deferred:
            registry = "deferred";
            break;
        case job_status::scheduled:
            registry = "scheduled";
            break;
        case job_status::canceled:
            registry = "canceled";
            break;
        default:
            co_return std::vector<std::string>();
    }
    redis::reply r = co_await client_.command("ZREVRANGE", fmt::format("rq:{}:{}", registry, queue), 0, last);
    std::vector<std::string> ids = texts(r);
    if (registry == "wip")
        for (std::string& member : ids) member.resize(std::min(member.size(), member.rfind(':')));
    co_return ids;
}

// ---------------------------------------------------------------------------------------------- for workers

task<void> redis_store::register_worker(worker_record w, std::chrono::seconds lease) {
    co_await check_server();
    arguments args{w.name, std::to_string(lease.count()), std::to_string(w.queues.size())};
    args.insert(args.end(), w.queues.begin(), w.queues.end());
    std::string version = "simul " + w.version;
    arguments shown{"queues",
                    join(w.queues),
                    "pid",
                    std::to_string(w.process.pid),
                    "hostname",
                    w.process.host,
                    "ip_address",
                    "unknown",
                    "version",
                    version,
                    "python_version",
                    version};
    args.push_back(std::to_string(shown.size() / 2));
    args.insert(args.end(), shown.begin(), shown.end());
    arguments own{"identity",
                  identity_of(w.process),
                  "host",
                  w.process.host,
                  "boot",
                  w.process.boot,
                  "pid_namespace",
                  w.process.pid_namespace,
                  "pid",
                  std::to_string(w.process.pid),
                  "process_started",
                  std::to_string(w.process.started),
                  "version",
                  version};
    args.push_back(std::to_string(own.size() / 2));
    args.insert(args.end(), own.begin(), own.end());
    co_await run(redis_script::register_worker, std::move(args));
    marked_connection_ = 0;
}

task<void> redis_store::unregister_worker(std::string name) {
    commands_.reset();
    arguments args{std::move(name)};
    co_await run(redis_script::unregister_worker, std::move(args));
}

// Which connection the worker's signs of life come through: the others look whether it is still there.
task<void> redis_store::mark_connections(const std::string& worker) {
    std::int64_t id = client_.connection_id();
    if (id == 0 || id == marked_connection_) co_return;
    co_await client_.command("HSET", "simul:worker:" + worker, "clients", id, "run_id", run_id_);
    marked_connection_ = id;
}

task<heartbeat_answer> redis_store::heartbeat(heartbeat_request q) {
    constexpr auto overdue = std::chrono::microseconds(std::chrono::seconds(6));
    arguments args{q.worker,
                   std::to_string(q.lease.count()),
                   q.rq_records ? "1" : "0",
                   std::string(to_string(q.state)),
                   this_process().host,
                   std::to_string(overdue.count()),
                   q.stopping ? "1" : "0"};
    redis::reply r = co_await run(redis_script::heartbeat, std::move(args));
    auto parts = r.as_array();
    heartbeat_answer a;
    a.known = parts[0].as_int() != 0;
    a.suspended = parts[1].as_int() != 0;
    a.now = from_micros(parts[2].as_string()).value_or(wall_time{});
    a.next_due = from_micros(parts[3].as_string());
    if (a.known) co_await mark_connections(q.worker);
    for (const redis::reply& item : parts[4].as_array()) {
        auto v = item.as_array();
        auto f = fields_from(v[1]);
        worker_record peer = worker_from_own(v[0].as_string(), f);
        if (a.now - peer.last_heartbeat > overdue && !field(f, "clients").empty()) {
            if (field(f, "run_id") != run_id_) {
                // The server was started anew: who has not come back since is not connected, but the lease
                // decides.
                peer.connected = true;
            } else {
                auto listed =
                    co_await outcome_of(client_.command("CLIENT", "LIST", "ID", field(f, "clients")));
                // Without the right to ask (ACL) the lease decides.
                if (listed.has_value()) peer.connected = !std::move(listed).value().as_string().empty();
            }
        }
        a.peers.push_back(std::move(peer));
    }
    co_return a;
}

task<take_answer> redis_store::take(take_request q) {
    // The ids of the executions are chosen here: where the answer to a take is lost, the same ids ask for the
    // same jobs, so that nothing is owned by this worker without its knowing.
    arguments executions;
    const bool again = !unsure_take_.empty();
    if (again)
        executions = unsure_take_;
    else
        for (std::size_t i = 0; i < q.limit; ++i) executions.push_back(new_execution_id());
    arguments args{q.worker, std::to_string(executions.size()), again ? "1" : "0",
                   std::to_string(q.queues.size())};
    args.insert(args.end(), q.queues.begin(), q.queues.end());
    args.push_back(std::to_string(q.skip.size()));
    args.insert(args.end(), q.skip.begin(), q.skip.end());
    args.insert(args.end(), executions.begin(), executions.end());
    unsure_take_ = executions;
    redis::reply r = co_await run(redis_script::take, std::move(args));
    unsure_take_.clear();
    take_answer a;
    auto parts = r.as_array();
    std::string state = parts[0].as_string();
    a.suspended = state == "suspended";
    a.only_skipped = state == "skipped";
    a.unknown_worker = state == "unknown";
    for (std::size_t i = 1; i < parts.size(); ++i) {
        auto v = parts[i].as_array();
        std::optional<job_record> job = job_from_fields(v[0].as_string(), fields_from(v[3]));
        if (!job) continue;  // the script takes none without data
        job->execution = v[1].as_string();
        job->queue = v[2].as_string();
        a.jobs.push_back({std::move(*job)});
    }
    co_return a;
}

task<void> redis_store::wait_for_work(std::vector<std::string> queues, std::chrono::milliseconds wait_max) {
    auto wait_on = [this, wait_max](const std::string& queue) -> task<void> {
        std::string key = "rq:queue:" + queue;
        redis::pipeline one;
        one.add("BLMOVE", key, key, "LEFT", "LEFT",
                std::max(0.001, std::chrono::duration<double>(wait_max).count()));
        co_await client_.blocking(std::move(one), wait_max);
    };
    if (queues.size() == 1)
        co_await wait_on(queues.front());
    else
        co_await race(queues, wait_on);
}

task<std::vector<finish_answer>> redis_store::finish(std::string worker,
                                                     std::vector<execution_outcome> outcomes) {
    arguments args{std::move(worker), std::to_string(outcomes.size())};
    for (const execution_outcome& o : outcomes) {
        args.push_back(o.job);
        args.push_back(o.execution);
        args.emplace_back(o.success ? "1" : "0");
        args.emplace_back(o.may_retry ? "1" : "0");
        args.emplace_back(o.stopped ? "1" : "0");
        args.push_back(base64(o.return_value));
        const std::string error = o.stopped ? std::string(stopped_text) : o.error;
        args.push_back(error.empty() ? "" : base64(zlib_compress(error)));
        args.push_back(to_iso(o.started_at));
        args.push_back(to_iso(o.ended_at));
        args.push_back(epoch(o.started_at));
        args.push_back(epoch(o.ended_at));
    }
    redis::reply r = co_await run(redis_script::finish, std::move(args));
    std::vector<finish_answer> answers;
    for (const redis::reply& item : r.as_array()) {
        auto v = item.as_array();
        finish_answer a;
        const std::string& kind = v[0].as_string();
        a.kind = kind == "recorded"    ? finish_kind::recorded
                 : kind == "requeued"  ? finish_kind::requeued
                 : kind == "scheduled" ? finish_kind::scheduled
                 : kind == "discarded" ? finish_kind::discarded
                                       : finish_kind::refused;
        a.due_at = from_micros(v[1].as_string());
        if (auto kept = whole_number(v[2].as_string())) a.kept = seconds(*kept);
        answers.push_back(a);
    }
    co_return answers;
}

task<void> redis_store::hand_back(std::string worker, std::vector<execution_outcome> executions) {
    arguments args{std::move(worker), std::to_string(executions.size())};
    for (const execution_outcome& o : executions) {
        args.push_back(o.job);
        args.push_back(o.execution);
    }
    co_await run(redis_script::hand_back, std::move(args));
}

task<recover_answer> redis_store::recover(recover_request q) {
    auto packed = [](const std::string& text) { return base64(zlib_compress(text)); };
    arguments args{q.worker,
                   std::to_string(micros(q.last_heartbeat)),
                   q.evidence == death_evidence::lease_expired ? "lease" : "seen",
                   std::to_string(q.deaths_max),
                   q.rerun_rq_jobs ? "1" : "0",
                   packed(poison_text(q.worker, q.evidence, q.deaths_max)),
                   packed(abandoned_text(local_now()))};
    redis::reply r = co_await run(redis_script::recover, std::move(args));
    auto parts = r.as_array();
    recover_answer a;
    a.recovered = parts[0].as_int() != 0;
    a.requeued = texts(parts[1]);
    a.failed = texts(parts[2]);
    co_return a;
}

task<maintain_answer> redis_store::maintain(std::string, std::vector<std::string> queues, bool clean) {
    auto packed = [](const std::string& text) { return base64(zlib_compress(text)); };
    arguments args{clean ? "1" : "0", packed(abandoned_text(local_now())),
                   packed("Job was stuck in intermediate queue."), std::to_string(queues.size())};
    args.insert(args.end(), queues.begin(), queues.end());
    redis::reply r = co_await run(redis_script::maintain, std::move(args));
    auto parts = r.as_array();
    maintain_answer a;
    a.due = texts(parts[0]);
    a.expired = static_cast<std::size_t>(parts[1].as_int());
    a.abandoned = texts(parts[2]);
    a.next_due = from_micros(parts[3].as_string());
    co_return a;
}

}  // namespace simul::detail
