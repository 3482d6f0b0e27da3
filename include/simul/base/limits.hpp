#pragma once

#include <cstdint>
#include <string_view>

#include <simul/base/compiler.hpp>

namespace simul {

/// Throws std::system_error with errc::limit_exceeded, in the one form that all limits of the library use:
/// "SUBJECT: more than LIMIT (option NAME): limit exceeded".
///
/// `subject` says what was too large ("response header of http://example.org/"), `option` is the name of the
/// option that sets the limit ("header_bytes_max"), so that the reader knows what to change.
[[noreturn]] void throw_limit_exceeded(std::string_view subject, std::string_view option,
                                       std::uint64_t limit);

}  // namespace simul
