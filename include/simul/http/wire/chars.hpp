#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

/// Byte classes of RFC 9110 and RFC 3986 as tables of 256 entries: one load per byte, no branches on the
/// input.
namespace simul::http::detail {

enum char_class : std::uint8_t {
    token_char = 1,   ///< tchar of RFC 9110, 5.6.2
    field_char = 2,   ///< allowed in a field value: tab, space, visible and 0x80 to 0xff
    target_char = 4,  ///< allowed in a request target: visible ASCII but '#'
    host_char = 8,    ///< allowed in Host: what a registered name, an address literal and a port are made of
    unreserved = 16,  ///< RFC 3986, 2.3: never percent-encoded
};

constexpr std::array<std::uint8_t, 256> make_char_classes() {
    std::array<std::uint8_t, 256> table{};
    constexpr std::string_view alnum = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const auto mark = [&table](std::string_view bytes, std::uint8_t what) {
        for (char c : bytes) {
            auto& entry = table[static_cast<unsigned char>(c)];
            entry = static_cast<std::uint8_t>(entry | what);
        }
    };
    mark(alnum, token_char | host_char | unreserved);
    mark("!#$%&'*+-.^_`|~", token_char);
    mark("-._~%!$&'()*+;=:[]", host_char);
    mark("-._~", unreserved);
    for (unsigned c = 0; c < 256; ++c) {
        std::uint8_t add = 0;
        if (c == '\t' || (c >= 0x20 && c != 0x7f)) add |= field_char;
        if (c > 0x20 && c < 0x7f && c != '#') add |= target_char;
        table[c] = static_cast<std::uint8_t>(table[c] | add);
    }
    return table;
}

inline constexpr std::array<std::uint8_t, 256> char_classes = make_char_classes();

constexpr bool is(char c, char_class what) noexcept {
    return (char_classes[static_cast<unsigned char>(c)] & what) != 0;
}

/// Index of the first byte that is not of the class, or npos.
constexpr std::size_t find_not(std::string_view text, char_class what) noexcept {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (!is(text[i], what)) return i;
    }
    return std::string_view::npos;
}

/// Whether all bytes are field_char. Most bytes of a head are values, so they are looked at eight at a time.
inline bool is_field_text(std::string_view text) noexcept {
    constexpr std::size_t step = sizeof(std::uint64_t);
    if (text.size() < step) return find_not(text, field_char) == text.npos;
    constexpr std::uint64_t ones = 0x0101010101010101;
    const auto suspicious = [](const char* at) {
        std::uint64_t bytes = 0;
        std::memcpy(&bytes, at, step);
        const std::uint64_t below_space = (bytes - ones * 0x20) & ~bytes;
        const std::uint64_t not_delete = bytes ^ (ones * 0x7f);
        return ((below_space | ((not_delete - ones) & ~not_delete)) & (ones * 0x80)) != 0;
    };
    bool found = suspicious(text.data() + text.size() - step);  // the last ones may be looked at twice
    for (std::size_t i = 0; i + step <= text.size(); i += step) found |= suspicious(text.data() + i);
    return !found || find_not(text, field_char) == text.npos;  // a tab is suspicious and allowed
}

constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

constexpr std::string_view trim(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

constexpr int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/// `text` for an error message: at most 60 bytes, anything but visible ASCII escaped.
std::string printable(std::string_view text);

/// "byte 0x0d at 15", for an error message.
std::string byte_at(std::string_view text, std::size_t at);

}  // namespace simul::http::detail
