#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <simul/codec/python_literal.hpp>
#include <string>
#include <utility>
#include <vector>

#include "utf8.hpp"

namespace simul {
namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool begins_name(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}
int digit_of(char c) noexcept {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'z') return c - 'a' + 10;
    if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
    return 99;
}

// Whether Python can hash it: what a key of a dict and an item of a set must be.
bool is_hashable(const value& v) {
    switch (v.type()) {
        case value::kind::list:
        case value::kind::set:
        case value::kind::dict:
            return false;
        case value::kind::tuple:
            return std::all_of(v.begin(), v.end(), is_hashable);
        default:
            return true;
    }
}

class literal_reader {
  public:
    literal_reader(std::string_view text, const python_literal_limits& limits)
        : text_(text), limits_(limits) {}

    value read() {
        if (text_.size() > limits_.bytes_max)
            fail(0, fmt::format("the text has {} bytes, the most is {} (bytes_max)", text_.size(),
                                limits_.bytes_max));
        if (std::size_t bad = detail::find_invalid_utf8(text_, false); bad != text_.npos)
            fail(bad, "the text is not UTF-8");
        skip_space(true);
        value result = read_value(0);
        skip_space(false);
        if (peek() == ',') result = read_bare_tuple(std::move(result));
        while (at_ < text_.size() && (peek() == '\n' || peek() == '\r')) {
            ++at_;
            skip_space(false);
        }
        if (at_ != text_.size()) fail_behind();
        return result;
    }

  private:
    [[noreturn]] void fail(std::size_t offset, std::string_view reason) const {
        const std::string_view before = text_.substr(0, offset);
        const auto line = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
        const std::string_view start = before.substr(before.rfind('\n') + 1);
        const auto column = static_cast<std::size_t>(std::count_if(
                                start.begin(), start.end(),
                                [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80; })) +
                            1;
        throw python_literal_error(reason, offset, line, column);
    }
    [[noreturn]] void fail_behind() const {
        switch (peek()) {
            case '+':
            case '-':
                fail(at_, "an operator: a literal is no calculation, and complex numbers cannot be kept");
            case '(':
                fail(at_, "a call: a literal calls nothing");
            case '*':
            case '/':
            case '%':
                fail(at_, "an operator: a literal is no calculation");
            default:
                fail(at_, "text after the end of the value");
        }
    }

    char peek(std::size_t ahead = 0) const noexcept {
        return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
    }
    bool take(char c) noexcept {
        if (at_ >= text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    // Lines end a literal unless it stands in brackets.
    void skip_space(bool in_brackets) noexcept {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == ' ' || c == '\t' || c == '\f' || (in_brackets && (c == '\n' || c == '\r')))
                ++at_;
            else if (c == '\\' && (peek(1) == '\n' || (peek(1) == '\r' && peek(2) == '\n')))
                at_ += peek(1) == '\n' ? 2 : 3;
            else if (c == '#')
                at_ = std::min(text_.find('\n', at_), text_.size());
            else
                return;
        }
    }
    std::string_view word_here() const noexcept {
        std::size_t end = at_;
        while (end < text_.size() && (begins_name(text_[end]) || is_digit(text_[end]))) ++end;
        return text_.substr(at_, end - at_);
    }

    value read_value(std::size_t depth) {
        if (at_ == text_.size())
            fail(at_, text_.empty() ? "the text is empty" : "the text ends where a value should follow");
        const char c = peek();
        if (c == '[') return read_list(depth);
        if (c == '(') return read_parentheses(depth);
        if (c == '{') return read_braces(depth);
        if (c == '\'' || c == '"') return read_strings(depth != 0);
        if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return read_number(false);
        if (c == '-' || c == '+') return read_signed();
        if (c == '.' && peek(1) == '.' && peek(2) == '.') fail(at_, "'...' cannot be kept in a job");
        if (begins_name(c)) return read_word(depth);
        fail(at_, "expected a value");
    }

    value read_word(std::size_t depth) {
        const std::string_view word = word_here();
        const char quote = peek(word.size());
        if ((quote == '\'' || quote == '"') && word.size() <= 2) return read_strings(depth != 0);
        const std::size_t start = at_;
        at_ += word.size();
        if (word == "None") return {};
        if (word == "True") return value(true);
        if (word == "False") return value(false);
        if (word == "set") {
            skip_space(depth != 0);
            if (take('(')) {
                skip_space(true);
                if (take(')')) return value::set();
            }
            fail(start, "of calls only set(), the empty set, is a literal");
        }
        if (word == "true" || word == "false" || word == "null")
            fail(start, fmt::format("'{}' is JSON; Python writes {}", word,
                                    word == "true"    ? "True"
                                    : word == "false" ? "False"
                                                      : "None"));
        fail(start, fmt::format("the name '{}': a literal has no names; text stands in quotes", word));
    }

    void enter(std::size_t depth) {
        if (depth >= limits_.depth_max)
            fail(at_, fmt::format("more than {} levels of nesting (depth_max)", limits_.depth_max));
        ++at_;
        skip_space(true);
    }
    // Behind an item: true at the closing bracket, also behind a comma.
    bool closed(char bracket, std::size_t opened) {
        skip_space(true);
        const bool comma = take(',');
        skip_space(true);
        if (take(bracket)) return true;
        if (comma) return false;
        if (at_ == text_.size()) {
            const char opening = bracket == ']' ? '[' : bracket == ')' ? '(' : '{';
            fail(opened, fmt::format("'{}' was never closed", opening));
        }
        if (peek() == '+' || peek() == '-' || peek() == '(' || peek() == '*') fail_behind();
        fail(at_, fmt::format("expected ',' or '{}'", bracket));
    }

    value read_list(std::size_t depth) {
        const std::size_t opened = at_;
        enter(depth);
        std::vector<value> items;
        if (take(']')) return value::list();
        do items.push_back(read_value(depth + 1));
        while (!closed(']', opened));
        return value::list(std::move(items));
    }

    value read_parentheses(std::size_t depth) {
        const std::size_t opened = at_;
        enter(depth);
        if (take(')')) return value::tuple();
        std::vector<value> items;
        items.push_back(read_value(depth + 1));
        skip_space(true);
        if (take(')')) return std::move(items.front());  // only put in parentheses
        while (!closed(')', opened)) items.push_back(read_value(depth + 1));
        return value::tuple(std::move(items));
    }

    value read_bare_tuple(value first) {
        std::vector<value> items;
        items.push_back(std::move(first));
        while (take(',')) {
            skip_space(false);
            if (at_ == text_.size() || peek() == '\n' || peek() == '\r') break;
            items.push_back(read_value(0));
            skip_space(false);
        }
        return value::tuple(std::move(items));
    }

    value read_key(std::size_t depth) {
        const std::size_t start = at_;
        value key = read_value(depth + 1);
        if (!is_hashable(key))
            fail(start, fmt::format("a {} can be no key of a dict and no item of a set (unhashable)",
                                    key.type_name()));
        return key;
    }

    value read_braces(std::size_t depth) {
        const std::size_t opened = at_;
        enter(depth);
        if (take('}')) return value::dict();
        value first = read_key(depth);
        skip_space(true);
        if (peek() != ':') {
            std::vector<value> items;
            items.push_back(std::move(first));
            while (!closed('}', opened)) items.push_back(read_key(depth));
            return value::set(std::move(items));
        }
        std::vector<value::entry> entries;
        for (value key = std::move(first);; key = read_key(depth)) {
            skip_space(true);
            if (!take(':')) fail(at_, "expected ':' behind the key");
            skip_space(true);
            entries.push_back({std::move(key), read_value(depth + 1)});
            if (closed('}', opened)) return value::dict(std::move(entries));
        }
    }

    // ---- numbers

    value read_signed() {
        const std::size_t start = at_;
        const bool negative = peek() == '-';
        ++at_;
        skip_space(false);
        if (!is_digit(peek()) && !(peek() == '.' && is_digit(peek(1))))
            fail(start, "one sign may stand before a number");
        return read_number(negative);
    }

    // Digits of a base with single underscores between them, without the underscores.
    std::string digits(int base) {
        std::string out;
        for (;; ++at_) {
            if (peek() == '_') {
                if (out.empty() || text_[at_ - 1] == '_' || digit_of(peek(1)) >= base)
                    fail(at_, "an underscore stands between two digits");
                continue;
            }
            if (digit_of(peek()) >= base) return out;
            out += peek();
        }
    }

    value read_number(bool negative) {
        const std::size_t start = at_;
        const char kind = static_cast<char>(std::tolower(static_cast<unsigned char>(peek(1))));
        if (peek() == '0' && (kind == 'x' || kind == 'o' || kind == 'b')) {
            at_ += 2;
            if (peek() == '_') ++at_;
            const int base = kind == 'x' ? 16 : kind == 'o' ? 8 : 2;
            const std::string found = digits(base);
            if (found.empty()) fail(start, fmt::format("'0{}' needs digits behind it", kind));
            check_end_of_number(start);
            return from_digits(found, base, negative, start);
        }
        std::string number = digits(10);
        const bool whole_part = !number.empty();
        bool is_float = false;
        if (peek() == '.' && peek(1) != '.') {
            ++at_;
            is_float = true;
            number += '.' + (is_digit(peek()) ? digits(10) : std::string("0"));
            if (!whole_part) number.insert(number.begin(), '0');
        }
        if ((peek() == 'e' || peek() == 'E') &&
            (is_digit(peek(1)) || ((peek(1) == '-' || peek(1) == '+') && is_digit(peek(2))))) {
            is_float = true;
            number += 'e';
            ++at_;
            if (!is_digit(peek())) {
                number += peek();
                ++at_;
            }
            number += digits(10);
        }
        check_end_of_number(start);
        if (is_float) {
            const double d = std::strtod(number.c_str(), nullptr);  // beyond its range: inf, as in Python
            return value(negative ? -d : d);
        }
        if (number.size() > 1 && number[0] == '0' && number.find_first_not_of('0') != number.npos)
            fail(start, "a whole number begins with no 0; write 0o for octal");
        if (number.size() > big_integer::digits_max)
            fail(start, fmt::format("a number of {} digits; the most is {}, as in Python", number.size(),
                                    big_integer::digits_max));
        return value(big_integer::from_decimal((negative ? "-" : "") + number));
    }

    void check_end_of_number(std::size_t start) {
        if (peek() == 'j' || peek() == 'J') fail(start, "complex numbers cannot be kept in a job");
        if (begins_name(peek()) || is_digit(peek()) || peek() == '.')
            fail(at_, "text after the end of the number");
    }

    value from_digits(const std::string& found, int base, bool negative, std::size_t start) {
        // As two's complement: the bits in their order, with room for the sign.
        const unsigned bits = base == 16 ? 4U : base == 8 ? 3U : 1U;
        std::string little(found.size() * bits / 8 + 2, '\0');
        std::size_t bit = 0;
        for (auto c = found.rbegin(); c != found.rend(); ++c, bit += bits)
            for (unsigned i = 0; i < bits; ++i)
                if (((static_cast<unsigned>(digit_of(*c)) >> i) & 1U) != 0)
                    little[(bit + i) / 8] = static_cast<char>(
                        static_cast<unsigned char>(little[(bit + i) / 8]) | (1U << ((bit + i) % 8)));
        if (negative) {
            unsigned carry = 1;
            for (char& byte : little) {
                const unsigned sum =
                    (~static_cast<unsigned>(static_cast<unsigned char>(byte)) & 0xffU) + carry;
                byte = static_cast<char>(static_cast<unsigned char>(sum));
                carry = sum >> 8U;
            }
        }
        try {
            return value(big_integer::from_twos_complement(little));
        } catch (const codec_error&) {  // told with its place
            fail(start, fmt::format("a number of more than {} decimal digits", big_integer::digits_max));
        }
    }

    // ---- strings

    // One or more in a row; all are str or all are bytes.
    value read_strings(bool in_brackets) {
        const std::size_t start = at_;
        std::string out;
        std::optional<bool> are_bytes;
        for (;;) {
            const bool bytes_here = read_string(out);
            if (are_bytes && *are_bytes != bytes_here) fail(start, "bytes and text in a row");
            are_bytes = bytes_here;
            const std::size_t end = at_;
            skip_space(in_brackets);
            const std::string_view word = word_here();
            const char quote = peek(word.size());
            if (word.size() <= 2 && (quote == '\'' || quote == '"')) continue;
            at_ = end;
            if (*are_bytes) return value(bytes{std::move(out)});
            return value(std::move(out));
        }
    }

    // True if it was bytes.
    bool read_string(std::string& out) {
        const std::size_t start = at_;
        std::string prefix;
        for (; peek() != '\'' && peek() != '"'; ++at_)
            prefix += static_cast<char>(std::tolower(static_cast<unsigned char>(peek())));
        const bool raw = prefix == "r" || prefix == "rb" || prefix == "br";
        const bool is_bytes = prefix == "b" || prefix == "rb" || prefix == "br";
        if (prefix.find('f') != prefix.npos) fail(start, "an f-string is a calculation, no literal");
        if (!raw && !is_bytes && !prefix.empty() && prefix != "u")
            fail(start, fmt::format("'{}' is no prefix of a string", text_.substr(start, prefix.size())));
        const char quote = peek();
        const bool triple = peek(1) == quote && peek(2) == quote;
        at_ += triple ? 3 : 1;
        for (;;) {
            if (at_ == text_.size()) fail(start, "the string that begins here does not end");
            const char c = text_[at_];
            if (c == quote && (!triple || (peek(1) == quote && peek(2) == quote))) {
                at_ += triple ? 3 : 1;
                return is_bytes;
            }
            if ((c == '\n' || c == '\r') && !triple)
                fail(start, "the line ends inside of the string; write \\n, or three quotes");
            if (c == '\0') fail(at_, "a zero byte; write \\x00");
            if (is_bytes && static_cast<unsigned char>(c) >= 0x80)
                fail(at_, "bytes are written in ASCII; write \\xhh for others");
            if (c == '\r') {  // a line's end is \n, whatever it was in the text
                ++at_;
                if (peek() != '\n') out += '\n';
            } else if (c != '\\') {
                out += c;
                ++at_;
            } else if (raw) {
                out += c;
                ++at_;
                if (at_ < text_.size()) out += text_[at_++];
            } else {
                read_escape(out, is_bytes);
            }
        }
    }

    void read_escape(std::string& out, bool is_bytes) {
        const std::size_t start = at_;
        ++at_;
        const char c = peek();
        if (at_ == text_.size()) return;  // told as a string without an end
        ++at_;
        auto add = [&](unsigned long code) {
            if (is_bytes)
                out += static_cast<char>(static_cast<unsigned char>(code & 0xffU));
            else
                detail::append_utf8(out, static_cast<char32_t>(code));
        };
        auto hex = [&](std::size_t n) {
            unsigned long code = 0;
            for (std::size_t i = 0; i < n; ++i) {
                if (digit_of(peek()) >= 16)
                    fail(start, fmt::format("\\{} needs {} hex digits behind it", c, n));
                code = code * 16 + static_cast<unsigned long>(digit_of(peek()));
                ++at_;
            }
            return code;
        };
        switch (c) {
            case '\n':
                return;
            case '\r':
                if (peek() == '\n') ++at_;
                return;
            case '\\':
            case '\'':
            case '"':
                out += c;
                return;
            case 'a':
                out += '\a';
                return;
            case 'b':
                out += '\b';
                return;
            case 'f':
                out += '\f';
                return;
            case 'n':
                out += '\n';
                return;
            case 'r':
                out += '\r';
                return;
            case 't':
                out += '\t';
                return;
            case 'v':
                out += '\v';
                return;
            case 'x':
                add(hex(2));
                return;
            default:
                break;
        }
        if (c >= '0' && c <= '7') {
            auto code = static_cast<unsigned long>(c - '0');
            for (int i = 0; i < 2 && peek() >= '0' && peek() <= '7'; ++i, ++at_)
                code = code * 8 + static_cast<unsigned long>(peek() - '0');
            add(code);
            return;
        }
        if (!is_bytes && (c == 'u' || c == 'U')) {
            const unsigned long code = hex(c == 'u' ? 4 : 8);
            if (code > 0x10ffff) fail(start, "there is no character of that number");
            add(code);
            return;
        }
        if (!is_bytes && c == 'N') fail(start, "names of characters are not known; write \\u and its number");
        at_ = start + 1;  // any other is no escape: the backslash stays, as in Python
        out += '\\';
    }

    std::string_view text_;
    python_literal_limits limits_;
    std::size_t at_ = 0;
};

}  // namespace

python_literal_error::python_literal_error(std::string_view reason, std::size_t offset, std::size_t line,
                                           std::size_t column)
    : codec_error(fmt::format("python literal: line {}, column {}: {}", line, column, reason)),
      offset_(offset),
      line_(line),
      column_(column) {}

value parse_python_literal(std::string_view text, const python_literal_limits& limits) {
    return literal_reader(text, limits).read();
}

}  // namespace simul
