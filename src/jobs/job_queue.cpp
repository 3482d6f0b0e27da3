#include <simul/codec/python_text.hpp>
#include <simul/jobs/error.hpp>
#include <simul/jobs/job_queue.hpp>

#include "jobs/dependencies.hpp"
#include "jobs/failure_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace simul {
namespace {

using std::chrono::seconds;

std::string too_long(std::string_view name, seconds given) {
    return fmt::format("{} is {} s; the longest is simul::job_duration_max, {} s (100 years)", name,
                       given.count(), job_duration_max.count());
}

void check_longest(const std::optional<seconds>& given, std::string_view name) {
    if (given && *given > job_duration_max) throw_job_error(job_errc::invalid_option, too_long(name, *given));
}

void check_lifetime(const std::optional<seconds>& ttl, std::string_view name) {
    if (ttl && *ttl < seconds(-1))
        throw_job_error(job_errc::invalid_option,
                        fmt::format("{} is {} s; it is 0 or more, or simul::forever", name, ttl->count()));
    check_longest(ttl, name);
}

}  // namespace

job_queue::job_queue(std::shared_ptr<job_store> store, std::string name)
    : store_(std::move(store)), name_(std::move(name)) {
    if (!valid_queue_name(name_))
        throw_job_error(
            job_errc::invalid_queue,
            fmt::format(
                "'{}' cannot name a queue: it may not be empty, have commas or control bytes, or end in "
                "':intermediate'",
                escape_controls(name_)));
}

namespace detail {

job_record make_record(const std::string& queue, const job_call& call, const call_options& o,
                       payload_format format) {
    job_record r;
    r.id = o.id.empty() ? new_job_id() : o.id;
    if (!valid_job_id(r.id))
        throw_job_error(job_errc::invalid_id,
                        fmt::format("'{}' cannot be a job's id: it may have letters, digits, '_' and '-'",
                                    escape_controls(r.id)));
    if (r.id.size() > job_id_bytes_max)
        throw_job_error(job_errc::invalid_id,
                        fmt::format("a job's id of {} bytes is longer than simul::job_id_bytes_max, {}",
                                    r.id.size(), job_id_bytes_max));
    if (call.function.empty())
        throw_job_error(job_errc::invalid_option, "a job needs the name of a function");
    if (!valid_function_name(call.function))
        throw_job_error(job_errc::invalid_option,
                        fmt::format("'{}' cannot name a function: it is identifiers with dots between them, "
                                    "as in module.function",
                                    escape_controls(call.function)));
    if (o.retries < 0)
        throw_job_error(job_errc::invalid_option, fmt::format("retries is {}; it is 0 or more", o.retries));
    if (o.retries > job_retries_max)
        throw_job_error(
            job_errc::invalid_option,
            fmt::format("retries is {}; the most is simul::job_retries_max, {}", o.retries, job_retries_max));
    for (seconds s : o.retry_intervals) {
        if (s < seconds(0)) throw_job_error(job_errc::invalid_option, "a retry interval is negative");
        check_longest(s, "a retry interval");
    }
    if (o.timeout && *o.timeout != forever && *o.timeout <= seconds(0))
        throw_job_error(
            job_errc::invalid_option,
            fmt::format("timeout is {} s; it is more than 0, or simul::forever", o.timeout->count()));
    if (o.ttl && *o.ttl <= seconds(0))
        throw_job_error(job_errc::invalid_option,
                        fmt::format("ttl is {} s; it is more than 0", o.ttl->count()));
    if (o.delay && *o.delay < seconds(0))
        throw_job_error(job_errc::invalid_option,
                        fmt::format("delay is {} s; it is 0 or more", o.delay->count()));
    if (o.delay && o.at)
        throw_job_error(job_errc::invalid_option, "delay and at are both given; a job has one time");
    check_longest(o.timeout, "timeout");
    check_longest(o.ttl, "ttl");
    check_longest(o.delay, "delay");
    check_lifetime(o.result_ttl, "result_ttl");
    check_lifetime(o.failure_ttl, "failure_ttl");
    if (!o.meta.is_null() && !o.meta.is_dict()) throw_job_error(job_errc::invalid_option, "meta is no dict");

    if (o.depends_on.size() > job_dependencies_max)
        throw_job_error(job_errc::invalid_option,
                        fmt::format("depends_on names {} jobs; the most is simul::job_dependencies_max, {}",
                                    o.depends_on.size(), job_dependencies_max));
    for (const std::string& id : o.depends_on) {
        if (!valid_job_id(id) || id.size() > job_id_bytes_max)
            throw_job_error(job_errc::invalid_id,
                            fmt::format("depends_on names '{}', which cannot be a job's id: it may have at "
                                        "most {} letters, digits, '_' and '-'",
                                        escape_controls(id), job_id_bytes_max));
        // Named twice is named once.
        if (std::find(r.depends_on.begin(), r.depends_on.end(), id) == r.depends_on.end())
            r.depends_on.push_back(id);
    }
    r.allow_dependency_failures = o.allow_dependency_failures;

    r.queue = queue;
    r.data = encode_call(call, format);
    r.description =
        o.description.empty() ? describe_call(call.function, call.args, call.kwargs) : o.description;
    r.created_at = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    if (o.delay && *o.delay > seconds(0)) r.due_at = r.created_at + *o.delay;
    if (o.at && *o.at > r.created_at) {
        if (*o.at - r.created_at > job_duration_max)
            throw_job_error(job_errc::invalid_option,
                            fmt::format("at is {}; the latest is simul::job_duration_max from now, 100 years",
                                        to_iso(*o.at)));
        r.due_at = *o.at;
    }
    r.timeout = o.timeout.value_or(default_job_timeout);
    r.ttl = o.ttl;
    r.result_ttl = o.result_ttl;
    r.failure_ttl = o.failure_ttl;
    r.retries_left = o.retries;
    r.retry_intervals = o.retry_intervals;
    r.at_front = o.at_front;
    r.at_front_on_retry = o.at_front_on_retry;
    if (!o.meta.is_null() && o.meta.size() > 0) r.meta = encode_payload(o.meta, format);
    check_dependencies(r);
    return r;
}

task<enqueue_receipt> submit(std::shared_ptr<job_store> store, job_record record) {
    std::vector<job_record> one;
    one.push_back(std::move(record));
    std::vector<enqueue_receipt> receipts = co_await store->enqueue(std::move(one));
    co_return std::move(receipts.front());
}

task<std::vector<enqueue_receipt>> submit_many(std::shared_ptr<job_store> store,
                                               std::vector<job_record> records) {
    if (records.size() > enqueue_many_max)
        throw_job_error(job_errc::invalid_option,
                        fmt::format("{} jobs are more than one enqueue_many takes, simul::enqueue_many_max, "
                                    "{}; enqueue them in parts",
                                    records.size(), enqueue_many_max));
    if (records.empty()) co_return std::vector<enqueue_receipt>();
    co_return co_await store->enqueue(std::move(records));
}

task<std::string> await_outcome(std::shared_ptr<job_store> store, std::string id, std::string after) {
    constexpr std::chrono::milliseconds look_every{5'000};
    for (;;) {
        std::optional<result_record> r = co_await store->wait_result(id, after, look_every);
        if (r) {
            switch (r->type) {
                case result_type::successful:
                    co_return std::move(r->return_value);
                case result_type::retried:
                    after = r->id;
                    continue;
                case result_type::stopped:
                    throw_job_error(job_errc::stopped, fmt::format("job {} was stopped", id));
                case result_type::failed:
                    if (r->error == stopped_text)  // as RQ records it
                        throw_job_error(job_errc::stopped, fmt::format("job {} was stopped", id));
                    throw_recorded_failure(id, r->error);
                case result_type::retries_exceeded:
                    throw_recorded_failure(id, r->error);
            }
        }
        std::optional<job_record> job = co_await store->fetch(id);
        if (!job)
            throw_job_error(job_errc::expired, fmt::format("job {} has no record any more: it expired, was "
                                                           "deleted, or keeps no result (result_ttl 0)",
                                                           id));
        if (job->status == job_status::canceled)
            throw_job_error(job_errc::canceled, fmt::format("job {} was canceled", id));
        if (job->status == job_status::stopped)
            throw_job_error(job_errc::stopped, fmt::format("job {} was stopped", id));
    }
}

task<std::size_t> in_pieces(std::shared_ptr<job_store> store, std::string queue,
                            task<queue_piece> (job_store::*step)(std::string, std::string, std::size_t),
                            std::function<void(std::size_t)> progress) {
    std::size_t done = 0;
    std::string from;
    do {
        queue_piece piece = co_await ((*store).*step)(queue, std::move(from), jobs_per_piece_max);
        done += piece.done;
        from = std::move(piece.next);
        if (progress) progress(done);
    } while (!from.empty());
    co_return done;
}

}  // namespace detail
}  // namespace simul
