#include <simul/codec/python_text.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <iterator>

#include "repr.hpp"
#include "utf8.hpp"

namespace simul {
namespace {

struct range {
    char32_t first;
    char32_t last;
};

// Code points from U+0080 on that Python's str.isprintable() calls unprintable and that occur in practice:
// controls, format characters, separators, surrogates, private use, non-characters.
constexpr range unprintable[] = {{0x80, 0xa0},     {0xad, 0xad},       {0x600, 0x605},   {0x61c, 0x61c},
                                 {0x6dd, 0x6dd},   {0x70f, 0x70f},     {0x1680, 0x1680}, {0x180e, 0x180e},
                                 {0x2000, 0x200f}, {0x2028, 0x202f},   {0x205f, 0x206f}, {0x3000, 0x3000},
                                 {0xd800, 0xf8ff}, {0xfdd0, 0xfdef},   {0xfeff, 0xfeff}, {0xfff0, 0xfffb},
                                 {0xfffe, 0xffff}, {0xe0000, 0x10ffff}};

bool is_printable(char32_t code) {
    if (code < 0x80) return code >= 0x20 && code != 0x7f;
    return std::none_of(std::begin(unprintable), std::end(unprintable),
                        [code](const range& r) { return code >= r.first && code <= r.last; });
}

/// Writes repr text until it is longer than the limit; then everything else is skipped.
class repr_writer {
  public:
    explicit repr_writer(std::size_t characters_max) : characters_left_(characters_max) {}

    std::string finish() && {
        if (cut_) out_ += "...";
        return std::move(out_);
    }

    void write(const value& v) {
        if (cut_) return;
        switch (v.type()) {
            case value::kind::null:
                add("None");
                break;
            case value::kind::boolean:
                add(v.as_bool() ? "True" : "False");
                break;
            case value::kind::integer:
            case value::kind::big_integer:
                add(v.as_decimal());
                break;
            case value::kind::floating:
                add(python_repr(v.as_double()));
                break;
            case value::kind::string:
                write_string(v.as_string());
                break;
            case value::kind::bytes:
                write_bytes(v.as_bytes().data);
                break;
            case value::kind::list:
                write_items("[", v.items(), "]");
                break;
            case value::kind::tuple:
                write_items("(", v.items(), v.size() == 1 ? ",)" : ")");
                break;
            case value::kind::set:
                if (v.size() == 0)
                    add("set()");
                else
                    write_items("{", v.items(), "}");
                break;
            case value::kind::dict:
                write_entries(v.entries());
                break;
        }
    }

  private:
    // ASCII text.
    void add(std::string_view text) {
        if (cut_) return;
        if (text.size() > characters_left_) {
            text = text.substr(0, characters_left_);
            cut_ = true;
        }
        out_ += text;
        characters_left_ -= text.size();
    }

    void add_character(std::string_view utf8) {
        if (characters_left_ == 0) cut_ = true;
        if (cut_) return;
        out_ += utf8;
        --characters_left_;
    }

    void add_escaped(char32_t code) {
        if (code == '\n')
            add("\\n");
        else if (code == '\r')
            add("\\r");
        else if (code == '\t')
            add("\\t");
        else if (code < 0x100)
            add(fmt::format("\\x{:02x}", static_cast<std::uint32_t>(code)));
        else if (code < 0x10000)
            add(fmt::format("\\u{:04x}", static_cast<std::uint32_t>(code)));
        else
            add(fmt::format("\\U{:08x}", static_cast<std::uint32_t>(code)));
    }

    static char quote_for(std::string_view text) {
        return text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"'
                                                                                                     : '\'';
    }

    void write_string(std::string_view text) {
        const char quote = quote_for(text);
        add({&quote, 1});
        for (std::size_t at = 0; at < text.size() && !cut_;) {
            const detail::utf8_char c = detail::read_utf8(text, at);
            const std::string_view source = text.substr(at, std::max(c.size, 1U));
            if (c.size == 0)
                add_escaped(static_cast<unsigned char>(source.front()));
            else if (source.front() == quote || source.front() == '\\')
                add(std::string("\\") + source.front());
            else if (is_printable(c.code))
                add_character(source);
            else
                add_escaped(c.code);
            at += source.size();
        }
        add({&quote, 1});
    }

    void write_bytes(std::string_view data) {
        const char quote = quote_for(data);
        add("b");
        add({&quote, 1});
        for (std::size_t at = 0; at < data.size() && !cut_; ++at) {
            const auto byte = static_cast<unsigned char>(data[at]);
            if (data[at] == quote || data[at] == '\\')
                add(std::string("\\") + data[at]);
            else if (byte >= 0x20 && byte < 0x7f)
                add({&data[at], 1});
            else
                add_escaped(byte);
        }
        add({&quote, 1});
    }

    void write_items(std::string_view open, std::span<const value> items, std::string_view close) {
        add(open);
        bool first = true;
        for (const value& item : items) {
            if (cut_) return;
            if (!first) add(", ");
            first = false;
            write(item);
        }
        add(close);
    }

    void write_entries(std::span<const value::entry> entries) {
        add("{");
        bool first = true;
        for (const value::entry& e : entries) {
            if (cut_) return;
            if (!first) add(", ");
            first = false;
            write(e.key);
            add(": ");
            write(e.value);
        }
        add("}");
    }

    std::string out_;
    std::size_t characters_left_;
    bool cut_ = false;
};

}  // namespace

std::string detail::short_repr(const value& v, std::size_t characters_max) {
    repr_writer writer(characters_max);
    writer.write(v);
    return std::move(writer).finish();
}

std::string python_repr(const value& v) { return detail::short_repr(v, SIZE_MAX); }

std::string python_repr(double number) {
    if (std::isnan(number)) return "nan";
    if (std::isinf(number)) return number < 0 ? "-inf" : "inf";

    // Shortest digits as "d.ddde[+-]xx", then laid out by Python's rule: plain from 1e-4 up to 1e16.
    std::array<char, 40> buffer{};
    const auto end =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, std::chars_format::scientific)
            .ptr;
    const std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
    const std::size_t e = text.find('e');
    int exponent = 0;
    const std::size_t exponent_begin = text[e + 1] == '+' ? e + 2 : e + 1;
    std::from_chars(text.data() + exponent_begin, end, exponent);

    std::string digits;
    for (const char c : text.substr(0, e))
        if (c >= '0' && c <= '9') digits += c;
    std::string result = text.front() == '-' ? "-" : "";
    if (exponent < -4 || exponent >= 16) {
        result += digits.front();
        if (digits.size() > 1) result.append(1, '.').append(digits, 1, std::string::npos);
        return result + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
    }
    if (exponent < 0)
        return result + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
    const auto whole = static_cast<std::size_t>(exponent) + 1;
    if (digits.size() <= whole) return result + digits + std::string(whole - digits.size(), '0') + ".0";
    return result + digits.substr(0, whole) + '.' + digits.substr(whole);
}

std::string describe_call(std::string_view function, std::span<const value> args,
                          std::span<const value::entry> kwargs) {
    constexpr std::size_t argument_characters_max = 75;
    std::vector<std::string> texts;
    for (const value& arg : args) texts.push_back(detail::short_repr(arg, argument_characters_max));
    for (const value::entry& e : kwargs)
        texts.push_back(to_string(e.key) + '=' + detail::short_repr(e.value, argument_characters_max));
    std::sort(texts.begin() + static_cast<std::ptrdiff_t>(args.size()), texts.end());
    return fmt::format("{}({})", function, fmt::join(texts, ", "));
}

}  // namespace simul
