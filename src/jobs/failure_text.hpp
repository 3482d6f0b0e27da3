#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace simul::detail {

/// The text that is recorded for an exception: a block in the form of Python's traceback, whose last line is
/// "Type: message". An std::system_error has its code in a line of its own, so that it crosses whole.
std::string failure_text(std::exception_ptr error, std::string_view function, std::string_view worker);

/// The same for an error that is no exception here.
std::string failure_text(std::string_view type, std::string_view message, std::string_view function,
                         std::string_view worker);

/// Throws what the text tells: std::system_error where it has a code of a category known here, else
/// job_failed.
[[noreturn]] void throw_recorded_failure(std::string_view job_id, std::string_view text);

}  // namespace simul::detail
