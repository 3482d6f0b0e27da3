#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <simul/codec/value.hpp>

namespace simul::json {

/// Thrown by parse(). what() is "json: line 2, column 7: expected ',' or ']'".
class parse_error : public codec_error {
  public:
    parse_error(std::string_view reason, std::size_t offset, std::size_t line, std::size_t column);
    std::size_t offset() const noexcept { return offset_; }  ///< In bytes, from 0.
    std::size_t line() const noexcept { return line_; }      ///< From 1.
    std::size_t column() const noexcept { return column_; }  ///< In characters, from 1.

  private:
    std::size_t offset_;
    std::size_t line_;
    std::size_t column_;
};

struct parse_limits {
    std::size_t depth_max =
        500;  ///< Most lists and dicts inside each other. Costs stack: some 300 bytes each.
};

/// Reads one JSON text (RFC 8259), and what Python's json module writes beside it: NaN, Infinity, -Infinity,
/// integers of any size, and lone surrogates as \uD800 (kept as their three-byte form, which only dump() and
/// pickle accept again).
///
/// Strict otherwise: no byte order mark, no comments, no trailing commas, only UTF-8, nothing after the
/// value. A number with a fraction or an exponent is a float, one without is an integer; one beyond a double
/// is an error. Of equal keys the last value wins. Throws: parse_error.
value parse(std::string_view text, const parse_limits& limits = {});

enum class style {
    compact,  ///< No spaces, text as UTF-8: `{"a":[1,2]}`. What HTTP carries.
    python,  ///< Byte for byte what Python's json.dumps() writes: ", " and ": ", ASCII only, NaN and Infinity
             ///< allowed.
};

/// Writes `v`. Lists, tuples and sets become arrays; keys that are numbers, bools or null become text, as in
/// Python.
///
/// Throws: codec_error, naming the place, for bytes, for text that is not UTF-8, for keys of other kinds, for
/// NaN and infinities in compact style, and for more than 1000 levels.
std::string dump(const value& v, style s = style::compact);

/// As dump(), at the end of `out`. On an exception `out` is as it was.
void append(std::string& out, const value& v, style s = style::compact);

}  // namespace simul::json
