#pragma once

#include <cstddef>
#include <string_view>

#include <simul/codec/value.hpp>

namespace simul {

/// Thrown by parse_python_literal(). what() is "python literal: line 1, column 7: expected ',' or ']'".
class python_literal_error : public codec_error {
  public:
    python_literal_error(std::string_view reason, std::size_t offset, std::size_t line, std::size_t column);
    std::size_t offset() const noexcept { return offset_; }  ///< In bytes, from 0.
    std::size_t line() const noexcept { return line_; }      ///< From 1.
    std::size_t column() const noexcept { return column_; }  ///< In characters, from 1.

  private:
    std::size_t offset_;
    std::size_t line_;
    std::size_t column_;
};

struct python_literal_limits {
    std::size_t depth_max =
        200;  ///< Most lists, tuples, dicts, sets and parentheses inside each other; Python's own limit.
    std::size_t bytes_max = std::size_t{16} << 20;  ///< Most bytes of text: 16 MiB.
};

/// Reads a literal as Python's ast.literal_eval() does: None, True, False, numbers (`1_000`, `0xff`,
/// `-1.5e3`; of any size), str and bytes in all their spellings ('', "", triple quotes, r, u and b before
/// them, escapes, several in a row), tuples, lists, dicts, sets and `set()`, with comments and trailing
/// commas.
///
/// Nothing is called and no name is looked up. Refused with a message that says what stands there: names,
/// calls, operators, f-strings, complex numbers, `...`, `\N{NAME}`, what a dict or a set cannot hold as a
/// key, and text that is not UTF-8. A number that is written like a float and fits none is inf, as in Python.
/// Equal keys and items are those of `value`: 1, 1.0 and True differ. Throws: python_literal_error.
value parse_python_literal(std::string_view text, const python_literal_limits& limits = {});

}  // namespace simul
