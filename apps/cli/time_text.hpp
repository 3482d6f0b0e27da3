#pragma once

#include <simul/jobs/record.hpp>

#include <string>
#include <string_view>

namespace simul::cli {

/// Reads ISO 8601: a date, or a date and a time with 'T' or a space between them, seconds and up to six
/// digits of them as far as they are there, and an offset: `Z`, `+01:00`, `+0100`, `+01`. Without an offset
/// it is local time (TZ), as RQ has it. Throws: job_errc::invalid_option naming `option`.
wall_time read_time(const std::string& text, std::string_view option);

/// "2026-12-24T18:00:00+01:00": local time with its offset, in whole seconds.
std::string local_time_text(wall_time t);

/// "2026-11-22 07:25:24.154776", local time, as Python's str(datetime.now()).
std::string python_now_text(wall_time t);

}  // namespace simul::cli
