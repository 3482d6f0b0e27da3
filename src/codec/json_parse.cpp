// Two readers with one result. simdjson reads the bulk: it is an order of magnitude faster, but it refuses
// what Python writes beyond RFC 8259 and says neither line nor reason. So whatever it refuses is read again
// by the plain reader below, which accepts the extensions and explains errors; small texts go there at once.
// A test holds the two together.
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <simul/codec/json.hpp>

#include "utf8.hpp"

namespace simul::json {
namespace {

// Below this size setting up simdjson costs more than it saves.
constexpr std::size_t simdjson_size_min = 1024;

class reader {
  public:
    reader(std::string_view text, const parse_limits& limits) : text_(text), limits_(limits) {}

    value read() {
        if (text_.starts_with("\xef\xbb\xbf"))
            fail(0, "the text begins with a byte order mark; JSON has none");
        skip_space();
        value result = read_value(0);
        skip_space();
        if (at_ != text_.size()) fail(at_, "text after the end of the value");
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
        throw parse_error(reason, offset, line, column);
    }

    char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }

    void skip_space() noexcept {
        while (at_ < text_.size() &&
               (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
            ++at_;
    }

    bool take(char c) noexcept {
        if (peek() != c || at_ == text_.size()) return false;
        ++at_;
        return true;
    }

    bool take_word(std::string_view word) noexcept {
        if (!text_.substr(at_).starts_with(word)) return false;
        at_ += word.size();
        return true;
    }

    value read_value(std::size_t depth) {
        if (at_ == text_.size())
            fail(at_, text_.empty() ? "the text is empty" : "the text ends where a value should follow");
        switch (peek()) {
            case '{':
                return read_object(depth);
            case '[':
                return read_array(depth);
            case '"':
                return value(read_string());
            case 't':
                if (take_word("true")) return value(true);
                break;
            case 'f':
                if (take_word("false")) return value(false);
                break;
            case 'n':
                if (take_word("null")) return value();
                break;
            case 'N':
                if (take_word("NaN")) return value(std::numeric_limits<double>::quiet_NaN());
                break;
            case 'I':
                if (take_word("Infinity")) return value(std::numeric_limits<double>::infinity());
                break;
            case '-':
                if (take_word("-Infinity")) return value(-std::numeric_limits<double>::infinity());
                return read_number();
            default:
                if (is_digit(peek())) return read_number();
        }
        fail(at_, "expected a value");
    }

    void check_depth(std::size_t depth) const {
        if (depth >= limits_.depth_max)
            fail(at_, fmt::format("more than {} levels of nesting (depth_max)", limits_.depth_max));
    }

    value read_array(std::size_t depth) {
        check_depth(depth);
        ++at_;
        std::vector<value> items;
        skip_space();
        if (take(']')) return value::list();
        for (;;) {
            items.push_back(read_value(depth + 1));
            skip_space();
            if (take(']')) return value::list(std::move(items));
            if (!take(',')) fail(at_, "expected ',' or ']'");
            skip_space();
        }
    }

    value read_object(std::size_t depth) {
        check_depth(depth);
        ++at_;
        std::vector<value::entry> entries;
        skip_space();
        if (take('}')) return value::dict();
        for (;;) {
            if (peek() != '"') fail(at_, "expected a key in double quotes");
            value key(read_string());
            skip_space();
            if (!take(':')) fail(at_, "expected ':' after the key");
            skip_space();
            entries.push_back({std::move(key), read_value(depth + 1)});
            skip_space();
            if (take('}')) return value::dict(std::move(entries));
            if (!take(',')) fail(at_, "expected ',' or '}'");
            skip_space();
        }
    }

    static bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

    void skip_digits(std::string_view what) {
        if (!is_digit(peek())) fail(at_, what);
        while (is_digit(peek())) ++at_;
    }

    value read_number() {
        const std::size_t begin = at_;
        (void)take('-');
        if (!take('0')) skip_digits("expected a digit after '-'");
        if (is_digit(peek())) fail(begin, "a number does not begin with 0");
        bool whole = true;
        if (take('.')) {
            whole = false;
            skip_digits("expected a digit after '.'");
        }
        if (peek() == 'e' || peek() == 'E') {
            whole = false;
            ++at_;
            if (!take('+')) (void)take('-');
            skip_digits("expected a digit in the exponent");
        }
        const std::string_view number = text_.substr(begin, at_ - begin);
        if (whole) return value(big_integer::from_decimal(number));

        double result = 0;
        const auto error = std::from_chars(number.data(), number.data() + number.size(), result).ec;
        if (error != std::errc()) {
            // Too small is 0, as everywhere; too large has no right answer.
            if (!is_tiny(number)) fail(begin, "the number does not fit a double");
            result = number.front() == '-' ? -0.0 : 0.0;
        }
        return value(result);
    }

    // Of a number out of range: below 1, so that it only lost all its digits. "0.000...01e-400" or
    // "123e-400".
    static bool is_tiny(std::string_view number) {
        const std::size_t e = number.find_first_of("eE");
        if (e == std::string_view::npos) return number.starts_with("0.") || number.starts_with("-0.");
        return number[e + 1] == '-';
    }

    unsigned read_hex4() {
        unsigned code = 0;
        for (int i = 0; i < 4; ++i, ++at_) {
            const char c = peek();
            if (is_digit(c))
                code = code * 16 + static_cast<unsigned>(c - '0');
            else if (c >= 'a' && c <= 'f')
                code = code * 16 + static_cast<unsigned>(c - 'a' + 10);
            else if (c >= 'A' && c <= 'F')
                code = code * 16 + static_cast<unsigned>(c - 'A' + 10);
            else
                fail(at_, "expected four hex digits after \\u");
        }
        return code;
    }

    void read_escape(std::string& out) {
        const std::size_t begin = at_++;
        switch (peek()) {
            case '"':
                out += '"';
                break;
            case '\\':
                out += '\\';
                break;
            case '/':
                out += '/';
                break;
            case 'b':
                out += '\b';
                break;
            case 'f':
                out += '\f';
                break;
            case 'n':
                out += '\n';
                break;
            case 'r':
                out += '\r';
                break;
            case 't':
                out += '\t';
                break;
            case 'u': {
                ++at_;
                char32_t code = read_hex4();
                if (code >= 0xd800 && code < 0xdc00 && text_.substr(at_).starts_with("\\u")) {
                    const std::size_t second = at_;
                    at_ += 2;
                    const char32_t low = read_hex4();
                    if (low >= 0xdc00 && low < 0xe000)
                        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                    else
                        at_ = second;  // a lone surrogate; what follows stands for itself
                }
                detail::append_utf8(out, code);
                return;
            }
            default:
                fail(begin, "unknown escape; one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX is possible");
        }
        ++at_;
    }

    std::string read_string() {
        const std::size_t quote = at_++;
        std::string out;
        for (;;) {
            const std::size_t begin = at_;
            while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' &&
                   static_cast<unsigned char>(text_[at_]) >= 0x20)
                ++at_;
            const std::string_view plain = text_.substr(begin, at_ - begin);
            const std::size_t invalid = detail::find_invalid_utf8(plain, false);
            if (invalid != std::string_view::npos) fail(begin + invalid, "the text is not UTF-8");
            out += plain;
            if (at_ == text_.size()) fail(quote, "the text ends inside of a string");
            if (take('"')) return out;
            if (peek() != '\\') fail(at_, "a control character in a string; write it as \\u00XX");
            read_escape(out);
        }
    }

    std::string_view text_;
    parse_limits limits_;
    std::size_t at_ = 0;
};

// False if the tree is deeper than the limit.
bool convert(const simdjson::dom::element& from, value& to, std::size_t levels_left) {
    using simdjson::dom::element_type;
    switch (from.type()) {
        case element_type::NULL_VALUE:
            return true;
        case element_type::BOOL:
            to = value(bool(from.get_bool().value_unsafe()));
            return true;
        case element_type::INT64:
            to = value(std::int64_t(from.get_int64().value_unsafe()));
            return true;
        case element_type::UINT64:
            to = value(std::uint64_t(from.get_uint64().value_unsafe()));
            return true;
        case element_type::DOUBLE:
            to = value(double(from.get_double().value_unsafe()));
            return true;
        case element_type::STRING:
            to = value(std::string_view(from.get_string().value_unsafe()));
            return true;
        case element_type::ARRAY: {
            if (levels_left == 0) return false;
            const simdjson::dom::array array = from.get_array().value_unsafe();
            std::vector<value> items;
            items.reserve(array.size());
            for (const simdjson::dom::element item : array)
                if (!convert(item, items.emplace_back(), levels_left - 1)) return false;
            to = value::list(std::move(items));
            return true;
        }
        case element_type::OBJECT: {
            if (levels_left == 0) return false;
            const simdjson::dom::object object = from.get_object().value_unsafe();
            std::vector<value::entry> entries;
            entries.reserve(object.size());
            for (const simdjson::dom::key_value_pair pair : object) {
                entries.push_back({value(pair.key), value()});
                if (!convert(pair.value, entries.back().value, levels_left - 1)) return false;
            }
            to = value::dict(std::move(entries));
            return true;
        }
        default:
            return false;  // kinds that newer versions may add are for the plain reader
    }
}

bool read_with_simdjson(std::string_view text, const parse_limits& limits, value& result) {
    if (text.starts_with("\xef\xbb\xbf")) return false;  // newer versions skip it
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    if (parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS) return false;
    return convert(root, result, limits.depth_max);
}

}  // namespace

parse_error::parse_error(std::string_view reason, std::size_t offset, std::size_t line, std::size_t column)
    : codec_error(fmt::format("json: line {}, column {}: {}", line, column, reason)),
      offset_(offset),
      line_(line),
      column_(column) {}

value parse(std::string_view text, const parse_limits& limits) {
    value result;
    if (text.size() >= simdjson_size_min && read_with_simdjson(text, limits, result)) return result;
    return reader(text, limits).read();
}

}  // namespace simul::json
