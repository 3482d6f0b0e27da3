#include "command.hpp"

#include <simul/codec/json.hpp>
#include <simul/codec/python_text.hpp>
#include <simul/jobs/error.hpp>
#include <simul/loop/run.hpp>
#include <simul/net/error.hpp>
#include <simul/redis/error.hpp>
#include <simul/sqlite/error.hpp>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace simul::cli {
namespace {

std::string home_folder() {
    if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') return state;
    const char* home = std::getenv("HOME");
    return std::string(home != nullptr && *home == '/' ? home : "/var/tmp") + "/.local/state";
}

std::unique_ptr<job_store> open(const common_options& common) {
    std::string url = common.store_url.empty() ? default_store_url() : common.store_url;
    prepare_default_store(url);
    return open_store(url);
}

// Runs a command on a loop of its own and turns its error into one line and a status.
template <class F>
int run_command(F f) {
    try {
        return simul::run(f);
    } catch (...) {  // the edge of the program: recorded
        return report(std::current_exception());
    }
}

std::string seconds_text(std::chrono::seconds s) {
    return s == forever ? "for ever" : fmt::format("{} s", s.count());
}

// Bytes have no form in JSON: shown as Python would write them.
value printable(const value& v) {
    try {
        (void)json::dump(v);
        return v;
    } catch (const std::exception&) {  // only asked whether it can be written
        return value(python_repr(v));
    }
}

// The exit status for what the queue itself says.
int status_of(job_errc e) {
    switch (e) {
        case job_errc::invalid_id:
        case job_errc::invalid_queue:
        case job_errc::invalid_option:
        case job_errc::data_too_large:
        case job_errc::bad_module:
            return usage;
        case job_errc::unknown_store:
            return no_store;
        case job_errc::no_such_job:
        case job_errc::expired:
            return no_job;
        case job_errc::canceled:
        case job_errc::stopped:
            return job_ended_bad;
        case job_errc::id_in_use:
        case job_errc::worker_name_taken:
        case job_errc::wrong_state:
        case job_errc::bad_payload:
        case job_errc::wrong_arguments:
        case job_errc::unknown_function:
        case job_errc::not_allowed:
            return failed;
    }
    return failed;
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

// ------------------------------------------------------------------------------------------------ helpers

std::string default_store_url() { return "sqlite://" + home_folder() + "/simul/jobs.db"; }

void prepare_default_store(const std::string& url) {
    if (url != default_store_url()) return;
    std::filesystem::path folder = home_folder() + "/simul";
    std::error_code error;
    if (std::filesystem::exists(folder, error)) return;
    std::filesystem::create_directories(folder, error);
    if (error) throw std::system_error(error, "make the folder " + folder.string());
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
}

void add_argument(job_call& call, const std::string& text) {
    auto parse = [&](std::string_view json_text) -> value {
        try {
            return json::parse(json_text);
        } catch (const std::exception& e) {
            throw_job_error(job_errc::invalid_option,
                            fmt::format("'{}' is no JSON value: {}", json_text, e.what()));
        }
    };
    std::size_t end = 0;
    while (end < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_'))
        ++end;
    bool is_name = end > 0 && std::isdigit(static_cast<unsigned char>(text[0])) == 0;
    if (is_name && text.compare(end, 2, ":=") == 0) {
        call.kwargs.push_back({value(text.substr(0, end)), parse(std::string_view(text).substr(end + 2))});
    } else if (is_name && end < text.size() && text[end] == '=') {
        call.kwargs.push_back({value(text.substr(0, end)), value(text.substr(end + 1))});
    } else {
        if (!call.kwargs.empty())
            throw_job_error(
                job_errc::invalid_option,
                fmt::format("'{}' comes behind a named argument; positional ones come first", text));
        call.args.push_back(text.starts_with(':') ? parse(std::string_view(text).substr(1)) : value(text));
    }
}

std::string shell_words(const std::vector<std::string>& words) {
    constexpr std::string_view plain = "_@%+=:,./-";
    std::string line;
    for (const std::string& word : words) {
        if (!line.empty()) line += ' ';
        if (!word.empty() && std::all_of(word.begin(), word.end(), [&](char c) {
                return std::isalnum(static_cast<unsigned char>(c)) != 0 || plain.find(c) != plain.npos;
            })) {
            line += word;
            continue;
        }
        line += '\'';
        for (char c : word) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
        line += '\'';
    }
    return line;
}

std::chrono::seconds read_duration(const std::string& text, std::string_view option) {
    if (text == "-1") return forever;
    std::int64_t total = 0;
    std::size_t at = 0;
    while (at < text.size() && total <= job_duration_max.count()) {
        std::int64_t n = 0;
        auto [end, ec] = std::from_chars(text.data() + at, text.data() + text.size(), n);
        if (ec != std::errc() || n < 0 || n > 10'000'000'000) break;
        at = static_cast<std::size_t>(end - text.data());
        std::int64_t unit = 1;
        if (at < text.size()) {
            switch (text[at]) {
                case 's':
                    unit = 1;
                    break;
                case 'm':
                    unit = 60;
                    break;
                case 'h':
                    unit = 3'600;
                    break;
                case 'd':
                    unit = 86'400;
                    break;
                default:
                    unit = 0;
                    break;
            }
            ++at;
        }
        if (unit == 0) {
            at = text.size() + 1;
            break;
        }
        total += n * unit;
        if (at == text.size() && total <= job_duration_max.count()) return std::chrono::seconds(total);
    }
    throw_job_error(
        job_errc::invalid_option,
        fmt::format("--{} is '{}'; write seconds, or 90s, 5m, 1h30m, 2d, at most {}d (100 years), or -1",
                    option, text, job_duration_max.count() / 86'400));
}

int report(std::exception_ptr error) {
    std::string text;
    int status = failed;
    try {
        std::rethrow_exception(error);
    } catch (const job_failed& e) {
        text = fmt::format("job {} failed: {}", e.job_id(), e.what());
        status = job_ended_bad;
    } catch (const std::system_error& e) {
        text = e.what();
        if (e.code().category() == job_category())
            status = status_of(static_cast<job_errc>(e.code().value()));
        else if (e.code().category() == sqlite::category() ||
                 e.code().category() == sqlite::result_category() ||
                 e.code().category() == redis::client_category() || e.code().category() == net_category() ||
                 e.code().category() == resolver_category() ||
                 e.code() == std::errc::no_such_file_or_directory ||
                 e.code() == std::errc::permission_denied || e.code() == condition::disconnected ||
                 e.code() == condition::retry_later || e.code() == condition::timed_out)
            status = no_store;
    } catch (const std::exception& e) {
        text = e.what();
    } catch (...) {  // the edge of the program: recorded
        text = "unknown error";
    }
    (void)flush_output();
    std::fputs(fmt::format("simul: {}\n", escape_controls(text)).c_str(), stderr);
    return status;
}

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }
void print_line(const value& v) { print(json::dump(v) + "\n"); }

bool flush_output() {
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return true;
    static bool told = false;
    if (!told && errno != EPIPE) std::fputs("simul: stdout could not be written\n", stderr);
    told = true;
    return false;
}

// ----------------------------------------------------------------------------------------------- commands

int enqueue(const common_options& common, const enqueue_arguments& a) {
    return run_command([&]() -> task<int> {
        job_call call;
        call_options options;
        if (a.exec) {
            call.function = exec_function;
            std::vector<value> words;
            for (const std::string& word : a.arguments) words.emplace_back(word);
            call.args.push_back(value::list(std::move(words)));
            call.kwargs.push_back({value("cwd"), value(std::filesystem::current_path().string())});
            options.description = shell_words(a.arguments);
        } else {
            call.function = a.function;
            for (const std::string& text : a.arguments) add_argument(call, text);
        }
        if (!a.description.empty()) options.description = a.description;
        options.id = a.id;
        options.at_front = a.at_front;
        options.retries = a.retry_max;
        for (const std::string& s : a.retry_intervals)
            options.retry_intervals.push_back(read_duration(s, "retry-interval"));
        if (!a.timeout.empty()) options.timeout = read_duration(a.timeout, "timeout");
        if (!a.ttl.empty()) options.ttl = read_duration(a.ttl, "ttl");
        if (!a.result_ttl.empty()) options.result_ttl = read_duration(a.result_ttl, "result-ttl");
        if (!a.failure_ttl.empty()) options.failure_ttl = read_duration(a.failure_ttl, "failure-ttl");
        if (!a.schedule_in.empty()) options.delay = read_duration(a.schedule_in, "schedule-in");

        job_queue queue = job_queue(std::shared_ptr<job_store>(open(common)), a.queue).with(options);
        std::string shown = options.description.empty() ? describe_call(call.function, call.args, call.kwargs)
                                                        : options.description;
        job_handle<value> handle = co_await queue.enqueue_call(std::move(call));
        if (common.json && !a.wait)
            print_line(value().set("id", handle.id()).set("queue", a.queue).set("description", shown));
        else if (a.quiet)
            print(handle.id() + "\n");
        else if (!common.json)
            print(fmt::format("Enqueued {} with job-id '{}'.\n", escape_controls(shown), handle.id()));
        if (!a.wait) co_return ok;
        (void)flush_output();
        value result = co_await handle.result();
        if (common.json)
            print_line(value().set("id", handle.id()).set("result", printable(result)));
        else
            print(python_repr(result) + "\n");
        co_return ok;
    });
}

int info(const common_options& common, const std::vector<std::string>& only) {
    return run_command([&]() -> task<int> {
        std::unique_ptr<job_store> store = open(common);
        store_overview o = co_await store->overview();
        auto wanted = [&](const std::string& name) {
            return only.empty() || std::find(only.begin(), only.end(), name) != only.end();
        };
        if (common.json) {
            value queues = value::list();
            for (const queue_counts& q : o.queues) {
                if (!wanted(q.name)) continue;
                queues.push_back(value()
                                     .set("name", q.name)
                                     .set("queued", q.queued)
                                     .set("started", q.started)
                                     .set("finished", q.finished)
                                     .set("failed", q.failed)
                                     .set("deferred", q.deferred)
                                     .set("scheduled", q.scheduled)
                                     .set("canceled", q.canceled));
            }
            value workers = value::list();
            for (const worker_record& w : o.workers) {
                value running = value::list();
                for (const std::string& id : w.running) running.push_back(id);
                value listens = value::list();
                for (const std::string& q : w.queues) listens.push_back(q);
                workers.push_back(value()
                                      .set("name", w.name)
                                      .set("host", w.process.host)
                                      .set("pid", w.process.pid)
                                      .set("state", to_string(w.state))
                                      .set("queues", std::move(listens))
                                      .set("running", std::move(running))
                                      .set("successful", w.successful)
                                      .set("failed", w.failed)
                                      .set("last_heartbeat", to_iso(w.last_heartbeat)));
            }
            print_line(value()
                           .set("store", store->name())
                           .set("now", to_iso(o.now))
                           .set("suspended", o.suspended)
                           .set("queues", std::move(queues))
                           .set("workers", std::move(workers)));
            co_return ok;
        }
        std::int64_t most = 1;
        for (const queue_counts& q : o.queues) most = std::max(most, q.queued);
        std::size_t shown = 0;
        std::int64_t total = 0;
        for (const queue_counts& q : o.queues) {
            if (!wanted(q.name)) continue;
            ++shown;
            total += q.queued;
            std::string bar;
            for (std::int64_t i = 0; i < q.queued * 20 / most; ++i) bar += "█";
            print(fmt::format("{:<12} |{} {} queued, {} executing, {} finished, {} failed{}{}\n",
                              escape_controls(q.name), bar, q.queued, q.started, q.finished, q.failed,
                              q.scheduled != 0 ? fmt::format(", {} scheduled", q.scheduled) : "",
                              q.canceled != 0 ? fmt::format(", {} canceled", q.canceled) : ""));
        }
        print(fmt::format("{} queues, {} jobs queued\n\n", shown, total));
        std::size_t listed = 0;
        for (const worker_record& w : o.workers) {
            if (!only.empty() && std::none_of(w.queues.begin(), w.queues.end(), wanted)) continue;
            ++listed;
            std::string queues;
            for (const std::string& q : w.queues) queues += (queues.empty() ? "" : ", ") + q;
            print(fmt::format("{} ({} {}): {} {}. jobs: {} finished, {} failed\n", escape_controls(w.name),
                              escape_controls(w.process.host), w.process.pid, to_string(w.state),
                              escape_controls(queues), w.successful, w.failed));
        }
        print(fmt::format("{} workers, {} queues\n", listed, shown));
        if (o.suspended) print("\nWorkers are suspended: `simul resume` lets them go on.\n");
        co_return ok;
    });
}

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

namespace {

template <class F>
int for_each_id(const common_options& common, const std::vector<std::string>& ids, std::string_view done,
                F step) {
    return run_command([&]() -> task<int> {
        std::unique_ptr<job_store> store = open(common);
        int status = ok;
        for (const std::string& id : ids) {
            std::exception_ptr error;
            try {
                co_await step(*store, id);
            } catch (const std::system_error&) {  // reported below; the other ids have their turn
                error = std::current_exception();
            }
            if (error)
                status = report(error);
            else if (common.json)
                print_line(value().set("id", id).set("done", done));
            else
                print(fmt::format("Job {} {}.\n", id, done));
        }
        co_return status;
    });
}

}  // namespace

int requeue(const common_options& common, const std::vector<std::string>& ids) {
    return for_each_id(common, ids, "requeued",
                       [](job_store& s, const std::string& id) { return s.requeue(id); });
}
int cancel(const common_options& common, const std::vector<std::string>& ids) {
    return for_each_id(common, ids, "canceled",
                       [](job_store& s, const std::string& id) { return s.cancel(id); });
}
int suspend(const common_options& common, bool on) {
    return run_command([&]() -> task<int> {
        std::unique_ptr<job_store> store = open(common);
        co_await store->set_suspended(on);
        if (!common.json)
            print(on ? "Workers are suspended; `simul resume` lets them go on.\n"
                     : "Workers take jobs again.\n");
        co_return ok;
    });
}

}  // namespace simul::cli
