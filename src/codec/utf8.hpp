#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace simul::detail {

/// One code point read from text.
struct utf8_char {
    char32_t code = 0;
    unsigned size = 0;  ///< Bytes it took; 0 if the bytes at this place are no UTF-8.

    bool is_surrogate() const noexcept { return code >= 0xd800 && code <= 0xdfff; }
};

/// Reads the code point that begins at `text[at]`. Surrogates in three bytes, as Python's "surrogatepass"
/// writes them, are returned as such: lone ones occur in Python's strings, and the caller decides.
utf8_char read_utf8(std::string_view text, std::size_t at) noexcept;

void append_utf8(std::string& out, char32_t code);

/// Offset of the first byte that is no UTF-8 (surrogates in three bytes count as good if `allow_surrogates`),
/// or npos.
std::size_t find_invalid_utf8(std::string_view text, bool allow_surrogates) noexcept;

}  // namespace simul::detail
