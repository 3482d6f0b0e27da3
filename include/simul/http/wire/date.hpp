#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace simul::http {

/// A time as HTTP writes it: "Sun, 06 Nov 1994 08:49:37 GMT". Years 0 to 9999.
std::string format_date(std::chrono::sys_seconds time);

/// Reads the three forms of RFC 9110, 5.6.7: the one above, "Sunday, 06-Nov-94 08:49:37 GMT" (a year that
/// would be more than 50 years after `now` is one of the past) and "Sun Nov  6 08:49:37 1994". Nothing for
/// anything else; the day's name must be one but need not be the right one.
std::optional<std::chrono::sys_seconds> parse_date(
    std::string_view text, std::chrono::sys_seconds now =
                               std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));

}  // namespace simul::http
