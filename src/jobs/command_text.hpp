#pragma once

#include <simul/jobs/store.hpp>

#include <string>
#include <string_view>

namespace simul::detail {

/// A command as RQ's workers understand it: JSON, `{"command": "stop-job", "job_id": "ID"}`.
/// Throws: job_errc::invalid_option for one of the kind unknown, or names that JSON cannot hold.
std::string command_text(const worker_command& command);
/// Reads what came on a worker's channel; of the kind unknown where it is anything else.
worker_command read_command(std::string_view text);

/// Errors that all stores throw in the same words.
[[noreturn]] void throw_no_such_worker(std::string_view worker);
[[noreturn]] void throw_nobody_stops(std::string_view job, std::string_view worker);

}  // namespace simul::detail
