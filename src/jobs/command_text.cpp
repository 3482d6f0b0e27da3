#include "jobs/command_text.hpp"

#include <simul/codec/json.hpp>
#include <simul/codec/value.hpp>
#include <simul/jobs/error.hpp>

#include <fmt/format.h>

namespace simul {

std::string_view to_string(worker_command_kind k) noexcept {
    switch (k) {
        case worker_command_kind::stop_job:
            return "stop-job";
        case worker_command_kind::stop_execution:
            return "stop-execution";
        case worker_command_kind::kill_horse:
            return "kill-horse";
        case worker_command_kind::shutdown:
            return "shutdown";
        case worker_command_kind::unknown:
            return "unknown";
    }
    return "";
}

namespace detail {
namespace {

/// How much of what cannot be understood is shown.
constexpr std::size_t shown_bytes_max = 200;

worker_command not_understood(std::string_view text, std::string_view why) {
    worker_command c;
    c.text = fmt::format("{}: {}{}", why, text.substr(0, shown_bytes_max),
                         text.size() > shown_bytes_max ? "..." : "");
    return c;
}

}  // namespace

std::string command_text(const worker_command& c) {
    if (c.kind == worker_command_kind::unknown)
        throw_job_error(job_errc::invalid_option, "a command of the kind unknown cannot be sent");
    value v;
    v.set("command", to_string(c.kind));
    if (!c.job.empty()) v.set("job_id", c.job);
    if (!c.execution.empty()) v.set("execution_id", c.execution);
    try {
        return json::dump(v);
    } catch (const std::exception& e) {  // a name that is no UTF-8 would end a Python worker's listener
        throw_job_error(job_errc::invalid_option, fmt::format("the command cannot be sent: {}", e.what()));
    }
}

worker_command read_command(std::string_view text) {
    value v;
    try {
        v = json::parse(text);
    } catch (const std::exception&) {  // told by what is returned
        return not_understood(text, "no JSON");
    }
    auto word = [&](std::string_view key) -> std::string {
        const value* found = v.find(key);
        return found != nullptr && found->is_string() ? found->as_string() : std::string();
    };
    if (!v.is_dict()) return not_understood(text, "no JSON object");
    worker_command c;
    const std::string command = word("command");
    c.job = word("job_id");
    c.execution = word("execution_id");
    for (auto kind : {worker_command_kind::stop_job, worker_command_kind::stop_execution,
                      worker_command_kind::kill_horse, worker_command_kind::shutdown})
        if (to_string(kind) == command) c.kind = kind;
    if (c.kind == worker_command_kind::unknown)
        return not_understood(text, command.empty() ? "no command" : "an unknown command");
    const bool stops =
        c.kind == worker_command_kind::stop_job || c.kind == worker_command_kind::stop_execution;
    if (stops && c.job.empty()) return not_understood(text, "no job_id");
    if (c.kind == worker_command_kind::stop_execution && c.execution.empty())
        return not_understood(text, "no execution_id");
    return c;
}

void throw_no_such_worker(std::string_view worker) {
    throw_job_error(job_errc::no_such_worker,
                    fmt::format("no worker named '{}' listens to commands: it has ended or died, or has "
                                "another name (simul info lists them)",
                                escape_controls(worker)));
}

void throw_nobody_stops(std::string_view job, std::string_view worker) {
    throw_job_error(
        job_errc::no_such_worker,
        fmt::format("job {} cannot be stopped: its worker '{}' does not listen to commands; if it has died, "
                    "the job goes back to its queue once another worker notices that",
                    job, escape_controls(worker)));
}

}  // namespace detail
}  // namespace simul
