#include "command.hpp"

#include <simul/codec/python_text.hpp>
#include <simul/jobs/error.hpp>

#include <fmt/format.h>

namespace simul::cli {
namespace {

std::string seconds_text(std::chrono::seconds s) {
    return s == forever ? "for ever" : fmt::format("{} s", s.count());
}

value optional_time(const std::optional<wall_time>& t) { return t ? value(to_iso(*t)) : value(); }

value job_as_value(const job_record& j, const std::vector<result_record>& results) {
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
    } catch (const std::exception& e) {
        v.set("unreadable", e.what());
    }
    v.set("created_at", to_iso(j.created_at)).set("enqueued_at", optional_time(j.enqueued_at));
    v.set("started_at", optional_time(j.started_at)).set("ended_at", optional_time(j.ended_at));
    v.set("due_at", optional_time(j.due_at)).set("worker", j.worker).set("timeout", j.timeout.count());
    v.set("retries_left", j.retries_left).set("deaths", j.deaths);
    value list = value::list();
    for (const result_record& r : results) {
        value one;
        one.set("type", r.type == result_type::successful ? "successful" : "failed");
        one.set("created_at", to_iso(r.created_at)).set("worker", r.worker);
        if (r.type == result_type::successful) {
            try {
                one.set("value", printable(decode_payload(r.return_value)));
            } catch (const std::exception& e) {
                one.set("unreadable", e.what());
            }
        } else {
            one.set("error", r.error);
        }
        list.push_back(std::move(one));
    }
    v.set("results", std::move(list));
    return v;
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
        if (common.json) {
            print_line(job_as_value(*j, results));
            co_return ok;
        }
        print(fmt::format("{}{}\n{}{}\n{}{}\n", padded("id"), escape_controls(j->id), padded("call"),
                          escape_controls(j->description), padded("queue"), escape_controls(j->queue)));
        print(fmt::format("{}{}\n", padded("status"), to_string(j->status)));
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
        if (j->retries_left != 0) print(fmt::format("{}{}\n", padded("retries left"), j->retries_left));
        if (j->deaths != 0)
            print(fmt::format("{}{} workers died while they ran it\n", padded("deaths"), j->deaths));
        for (const result_record& r : results) {
            if (r.type == result_type::successful) {
                std::string text;
                try {
                    text = python_repr(decode_payload(r.return_value));
                } catch (const std::exception& e) {
                    text = fmt::format("(cannot be read: {})", e.what());
                }
                print(fmt::format("{}{}\n", padded("result"), text));
            } else {
                print(fmt::format("{}{}\n{}\n", padded("failure"), to_iso(r.created_at), r.error));
            }
        }
        co_return ok;
    });
}

}  // namespace simul::cli
