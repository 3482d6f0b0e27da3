#include <fmt/format.h>

#include <cmath>
#include <simul/codec/json.hpp>
#include <simul/codec/python_text.hpp>

#include "utf8.hpp"

namespace simul::json {
namespace {

class writer {
  public:
    writer(std::string& out, style s) : out_(out), style_(s) {}

    void write(const value& v, const value_path& path, std::size_t depth) {
        constexpr std::size_t depth_max = 1000;
        if (depth > depth_max) path.fail(fmt::format("more than {} levels of nesting", depth_max));
        switch (v.type()) {
            case value::kind::null:
                out_ += "null";
                break;
            case value::kind::boolean:
                out_ += v.as_bool() ? "true" : "false";
                break;
            case value::kind::integer:
                fmt::format_to(std::back_inserter(out_), "{}", v.as_int());
                break;
            case value::kind::big_integer:
                out_ += v.as_decimal();
                break;
            case value::kind::floating:
                write_number(v.as_double(), path);
                break;
            case value::kind::string:
                write_string(v.as_string(), path);
                break;
            case value::kind::bytes:
                path.fail("JSON has no form for bytes; pass text (base64, for example) or use pickle");
            case value::kind::list:
            case value::kind::tuple:
            case value::kind::set:
                write_items(v.items(), path, depth);
                break;
            case value::kind::dict:
                write_entries(v.entries(), path, depth);
                break;
        }
    }

  private:
    std::string_view item_separator() const { return style_ == style::python ? ", " : ","; }
    std::string_view key_separator() const { return style_ == style::python ? ": " : ":"; }

    void write_items(std::span<const value> items, const value_path& path, std::size_t depth) {
        out_ += '[';
        for (std::size_t i = 0; i < items.size(); ++i) {
            if (i != 0) out_ += item_separator();
            write(items[i], value_path::item(path, i), depth + 1);
        }
        out_ += ']';
    }

    void write_entries(std::span<const value::entry> entries, const value_path& path, std::size_t depth) {
        out_ += '{';
        bool first = true;
        for (const value::entry& e : entries) {
            if (!first) out_ += item_separator();
            first = false;
            if (e.key.is_string()) {
                write_string(e.key.as_string(), path);
                out_ += key_separator();
                write(e.value, value_path::key(path, e.key.as_string()), depth + 1);
            } else {
                const std::string key = text_of_key(e.key, path);
                out_.append(1, '"').append(key).append(1, '"').append(key_separator());
                write(e.value, value_path::key(path, key), depth + 1);
            }
        }
        out_ += '}';
    }

    std::string text_of_key(const value& key, const value_path& path) const {
        switch (key.type()) {
            case value::kind::null:
                return "null";
            case value::kind::boolean:
                return key.as_bool() ? "true" : "false";
            case value::kind::integer:
            case value::kind::big_integer:
                return key.as_decimal();
            case value::kind::floating:
                return text_of_number(key.as_double(), path);
            default:
                fail_expected(path, "a key that JSON has (text, number, bool, null)", key);
        }
    }

    std::string text_of_number(double number, const value_path& path) const {
        if (std::isfinite(number)) return python_repr(number);
        if (style_ != style::python) path.fail(fmt::format("JSON has no form for {}", python_repr(number)));
        return std::isnan(number) ? "NaN" : number < 0 ? "-Infinity" : "Infinity";
    }

    void write_number(double number, const value_path& path) { out_ += text_of_number(number, path); }

    void write_escaped(char32_t unit) {
        fmt::format_to(std::back_inserter(out_), "\\u{:04x}", static_cast<unsigned>(unit));
    }

    void write_string(std::string_view text, const value_path& path) {
        out_ += '"';
        std::size_t plain_begin = 0;  // what needs no escape is appended in one piece
        for (std::size_t at = 0; at < text.size();) {
            const auto byte = static_cast<unsigned char>(text[at]);
            const bool ascii = byte < 0x80;
            if (ascii && byte >= 0x20 && byte != '"' && byte != '\\' &&
                (byte != 0x7f || style_ != style::python)) {
                ++at;
                continue;
            }
            const detail::utf8_char c = detail::read_utf8(text, at);
            if (c.size == 0)
                path.fail(
                    fmt::format("text that is not UTF-8 (at byte {}); use simul::bytes for binary data", at));
            if (!ascii && style_ != style::python && !c.is_surrogate()) {
                at += c.size;
                continue;
            }
            out_ += text.substr(plain_begin, at - plain_begin);
            switch (c.code) {
                case '"':
                    out_ += "\\\"";
                    break;
                case '\\':
                    out_ += "\\\\";
                    break;
                case '\b':
                    out_ += "\\b";
                    break;
                case '\f':
                    out_ += "\\f";
                    break;
                case '\n':
                    out_ += "\\n";
                    break;
                case '\r':
                    out_ += "\\r";
                    break;
                case '\t':
                    out_ += "\\t";
                    break;
                default:
                    if (c.code >= 0x10000) {
                        write_escaped(0xd800 + ((c.code - 0x10000) >> 10));
                        write_escaped(0xdc00 + ((c.code - 0x10000) & 0x3ff));
                    } else {
                        write_escaped(c.code);
                    }
            }
            at += c.size;
            plain_begin = at;
        }
        out_ += text.substr(plain_begin);
        out_ += '"';
    }

    std::string& out_;
    style style_;
};

}  // namespace

std::string dump(const value& v, style s) {
    std::string out;
    writer(out, s).write(v, value_path(), 0);
    return out;
}

void append(std::string& out, const value& v, style s) {
    const std::size_t before = out.size();
    try {
        writer(out, s).write(v, value_path(), 0);
    } catch (...) {  // half a value is worse than none
        out.resize(before);
        throw;
    }
}

}  // namespace simul::json
