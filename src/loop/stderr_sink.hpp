#pragma once

#include <string_view>

#include <simul/base/log.hpp>

namespace simul::detail {

/// Writes "simul: LEVEL: MESSAGE" as one line to stderr, which may be closed: then there is nowhere to say
/// it. Threads: any; lines do not mix.
void write_to_stderr(log_level level, std::string_view message) noexcept;

}  // namespace simul::detail
