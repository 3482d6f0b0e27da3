#pragma once

#include <span>
#include <string>
#include <string_view>

#include <simul/codec/value.hpp>

namespace simul {

/// The value as Python's repr() writes it: `None`, `1e+22`, `'it\'s'`, `b'\x00'`, `(1,)`, `{'k': [1, 2]}`.
///
/// Always valid UTF-8: what is no printable text, lone surrogates and invalid bytes included, is escaped.
/// (Which of the rarer non-ASCII characters are printable differs between Python versions; the common
/// invisible ones are escaped here.)
std::string python_repr(const value& v);

/// A double as Python's repr() writes it: shortest digits that read back the same: "1.0", "1e+22", "nan",
/// "inf".
std::string python_repr(double number);

/// The call as RQ describes it: "resize('a.png', 5, mode='fast')". Positional arguments first, then keyword
/// arguments sorted as text; the repr of an argument is cut to 75 characters and "...".
std::string describe_call(std::string_view function, std::span<const value> args,
                          std::span<const value::entry> kwargs);

}  // namespace simul
