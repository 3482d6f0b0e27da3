#include "command.hpp"

#include <simul/codec/python_text.hpp>
#include <simul/jobs/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace simul::cli {
namespace {

std::string seconds_text(std::chrono::seconds s) {
    return s == forever ? "for ever" : fmt::format("{} s", s.count());
}

value optional_time(const std::optional<wall_time>& t) { return t ? value(to_iso(*t)) : value(); }
value optional_seconds(const std::optional<std::chrono::seconds>& s) {
    return s ? value(s->count()) : value();
}

/// How many of the jobs that a job waits for, and that wait for it, are shown to people.
constexpr std::size_t related_jobs_shown = 20;

value ids_as_value(const std::vector<std::string>& ids) {
    value list = value::list();
    for (const std::string& id : ids) list.push_back(id);
    return list;
}

constexpr std::string_view name_of(result_type t) {
    switch (t) {
        case result_type::successful:
            return "successful";
        case result_type::failed:
            return "failed";
        case result_type::stopped:
            return "stopped";
        case result_type::retried:
            return "retried";
        case result_type::retries_exceeded:
            return "retries exceeded";
    }
    return "failed";
}

value as_value(const result_record& r) {
    value v;
    v.set("type", name_of(r.type)).set("created_at", to_iso(r.created_at)).set("worker", r.worker);
    if (r.type != result_type::successful) return v.set("error", r.error);
    try {
        v.set("value", printable(decode_payload(r.return_value)));
    } catch (const std::exception& e) {  // shown instead
        v.set("unreadable", e.what());
    }
    return v;
}

value as_value(const job_record& j) {
    value v;
    v.set("id", j.id)
        .set("queue", j.queue)
        .set("status", to_string(j.status))
        .set("description", j.description);
    try {
        job_call call = decode_call(j.data);
        v.set("function", call.function);
        v.set("args", printable(value::list(call.args)));
        v.set("kwargs", printable(value::dict(call.kwargs)));
    } catch (const std::exception& e) {  // shown instead
        v.set("unreadable", e.what());
    }
    v.set("created_at", to_iso(j.created_at)).set("enqueued_at", optional_time(j.enqueued_at));
    v.set("started_at", optional_time(j.started_at)).set("ended_at", optional_time(j.ended_at));
    v.set("due_at", optional_time(j.due_at)).set("expires_at", optional_time(j.expires_at));
    v.set("worker", j.worker).set("timeout", j.timeout.count()).set("ttl", optional_seconds(j.ttl));
    v.set("result_ttl", optional_seconds(j.result_ttl)).set("failure_ttl", optional_seconds(j.failure_ttl));
    value pauses = value::list();
    for (std::chrono::seconds s : j.retry_intervals) pauses.push_back(s.count());
    v.set("retries_left", j.retries_left).set("retry_intervals", std::move(pauses)).set("deaths", j.deaths);
    v.set("depends_on", ids_as_value(j.depends_on));
    v.set("allow_dependency_failures", j.allow_dependency_failures);
    try {
        v.set("meta", j.meta.empty() ? value::dict() : printable(decode_payload(j.meta)));
    } catch (const std::exception& e) {  // shown instead
        v.set("meta_unreadable", e.what());
    }
    return v;
}

std::string and_more(std::size_t all) {
    return all > related_jobs_shown ? fmt::format(" and {} more", all - related_jobs_shown) : "";
}

/// Serialized data as Python writes it, or why it cannot be read.
std::string read_or_reason(const std::string& data) {
    try {
        return python_repr(decode_payload(data));
    } catch (const std::exception& e) {  // shown instead
        return fmt::format("(cannot be read: {})", e.what());
    }
}

/// Where the job is and what comes next, as a sentence.
std::string place_of(const job_record& j) {
    auto until = [&](std::string_view what) {
        return j.expires_at ? fmt::format("{} until {}", what, to_iso(*j.expires_at)) : std::string(what);
    };
    switch (j.status) {
        case job_status::created:
            return "saved, on no queue";
        case job_status::queued:
            return until("waits on its queue");
        case job_status::started:
            return fmt::format("worker {} runs it", escape_controls(j.worker));
        case job_status::finished:
            return until("its result is kept");
        case job_status::failed:
        case job_status::stopped:
            return until("among the failed jobs: simul requeue puts it on its queue again; kept");
        case job_status::deferred:
            return "waits for other jobs";
        case job_status::scheduled:
            return fmt::format("{} goes to its queue at {}",
                               j.ended_at ? "failed and is tried again:" : "later:",
                               j.due_at ? to_iso(*j.due_at) : "a time that is not known");
        case job_status::canceled:
            return until("will not run: simul requeue puts it on its queue again; kept");
        case job_status::rate_limited:
            return "waits until fewer of its kind run";
        case job_status::ready_to_enqueue:
            return "what it waited for has ended: on its way to its queue";
    }
    return {};
}

/// The time that a list of jobs in this state is ordered by.
std::optional<wall_time> time_of(const job_record& j) {
    switch (j.status) {
        case job_status::queued:
            return j.enqueued_at;
        case job_status::scheduled:
            return j.due_at;
        case job_status::started:
            return j.started_at;
        default:
            return j.ended_at ? j.ended_at : j.created_at;
    }
}

std::string pause_text(std::chrono::seconds s) {
    return s <= std::chrono::seconds(0) ? "at once" : fmt::format("after {} s", s.count());
}

std::string padded(std::string_view name) { return fmt::format("{:<14}", name); }

}  // namespace

int show_job(const common_options& common, const std::string& id) {
    return run_command([&]() -> task<int> {
        std::unique_ptr<job_store> store = open(common);
        std::optional<job_record> j = co_await store->fetch(id);
        if (!j)
            throw_job_error(
                job_errc::no_such_job,
                fmt::format("there is no job {} in {}: it was never made, or its record has expired", id,
                            store->name()));
        std::vector<result_record> results = co_await store->results(id, 10);
        std::vector<std::string> dependents = co_await store->dependents(id, job_dependents_max);
        if (common.json) {
            value v = as_value(*j);
            value list = value::list();
            for (const result_record& r : results) list.push_back(as_value(r));
            v.set("dependents", ids_as_value(dependents));
            print_line(v.set("results", std::move(list)));
            co_return ok;
        }
        print(fmt::format("{}{}\n{}{}\n{}{}\n", padded("id"), escape_controls(j->id), padded("call"),
                          escape_controls(j->description), padded("queue"), escape_controls(j->queue)));
        print(fmt::format("{}{}\n{}{}\n", padded("status"), to_string(j->status), padded("where"),
                          place_of(*j)));
        auto line = [&](std::string_view what, const std::optional<wall_time>& t) {
            if (t) print(fmt::format("{}{}\n", padded(what), to_iso(*t)));
        };
        line("created", j->created_at);
        line("enqueued", j->enqueued_at);
        line("due", j->due_at);
        line("started", j->started_at);
        line("ended", j->ended_at);
        if (!j->worker.empty()) print(fmt::format("{}{}\n", padded("worker"), escape_controls(j->worker)));
        print(fmt::format("{}{}\n", padded("timeout"),
                          j->timeout == forever ? "none" : seconds_text(j->timeout)));
        print(fmt::format("{}result {}, failure {}\n", padded("kept"),
                          seconds_text(j->result_ttl.value_or(default_result_ttl)),
                          seconds_text(j->failure_ttl.value_or(default_failure_ttl))));
        if (j->retries_left != 0)
            print(fmt::format("{}{}, the next one {}\n", padded("retries left"), j->retries_left,
                              pause_text(retry_pause(j->retry_intervals, j->retries_left))));
        std::string related;
        for (std::size_t i = 0; i < std::min(j->depends_on.size(), related_jobs_shown); ++i) {
            const std::optional<job_record> other = co_await store->fetch(j->depends_on[i]);
            related += fmt::format("{}{} ({})", i == 0 ? "" : ", ", escape_controls(j->depends_on[i]),
                                   other ? to_string(other->status) : "no record");
        }
        if (!related.empty())
            print(fmt::format("{}{}{}{}\n", padded("depends on"), related, and_more(j->depends_on.size()),
                              j->allow_dependency_failures ? "; failures are allowed" : ""));
        related.clear();
        for (std::size_t i = 0; i < std::min(dependents.size(), related_jobs_shown); ++i)
            related += (i == 0 ? "" : ", ") + escape_controls(dependents[i]);
        if (!related.empty())
            print(fmt::format("{}{}{}\n", padded("dependents"), related, and_more(dependents.size())));
        if (j->deaths != 0)
            print(fmt::format("{}{} workers died while they ran it\n", padded("deaths"), j->deaths));
        if (!j->meta.empty()) print(fmt::format("{}{}\n", padded("meta"), read_or_reason(j->meta)));
        for (const result_record& r : results) {
            if (r.type == result_type::successful)
                print(fmt::format("{}{}\n", padded("result"), read_or_reason(r.return_value)));
            else
                print(fmt::format("{}{}\n{}\n",
                                  padded(r.type == result_type::failed ? "failure" : name_of(r.type)),
                                  to_iso(r.created_at), r.error));
        }
        co_return ok;
    });
}

int list_jobs(const common_options& common, const list_arguments& a) {
    return run_command([&]() -> task<int> {
        std::vector<job_status> statuses{job_status::queued,   job_status::started, job_status::scheduled,
                                         job_status::deferred, job_status::failed,  job_status::stopped,
                                         job_status::finished, job_status::canceled};
        if (!a.status.empty()) {
            const std::optional<job_status> one = job_status_from(a.status);
            if (!one || std::find(statuses.begin(), statuses.end(), *one) == statuses.end()) {
                std::string names;
                for (job_status s : statuses)
                    names += fmt::format("{}{}", names.empty() ? "" : ", ", to_string(s));
                throw_job_error(job_errc::invalid_option, fmt::format("--status is '{}'; write one of: {}",
                                                                      escape_controls(a.status), names));
            }
            statuses = {*one};
        }
        std::shared_ptr<job_store> store = open(common);
        std::vector<std::string> queues{a.queue};
        if (a.queue.empty()) {
            const store_overview o = co_await store->overview();
            queues.clear();
            for (const queue_counts& q : o.queues) queues.push_back(q.name);
        } else {
            (void)job_queue(store, a.queue);  // its name may be one that no queue can have
        }
        std::vector<job_record> jobs;
        for (const std::string& queue : queues)
            for (job_status status : statuses) {
                const std::vector<std::string> ids = co_await store->list(queue, status, a.limit);
                for (const std::string& id : ids) {
                    std::optional<job_record> job = co_await store->fetch(id);
                    // Redis keeps stopped jobs among the failed ones; others may have moved meanwhile.
                    if (job && job->status == status) jobs.push_back(std::move(*job));
                }
            }
        std::size_t widest = 0;
        for (const job_record& j : jobs) widest = std::max(widest, j.id.size());
        for (const job_record& j : jobs) {
            if (common.json) {
                print_line(as_value(j));
                continue;
            }
            const std::optional<wall_time> time = time_of(j);
            print(fmt::format("{:<{}}  {:<9}  {}  {}  {}\n", escape_controls(j.id), widest,
                              to_string(j.status), time ? to_iso(*time) : std::string(27, ' '),
                              escape_controls(j.queue), escape_controls(j.description)));
        }
        co_return ok;
    });
}

}  // namespace simul::cli
