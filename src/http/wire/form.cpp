#include <fmt/format.h>

#include <simul/http/wire/chars.hpp>
#include <simul/http/wire/error.hpp>
#include <simul/http/wire/form.hpp>

namespace simul::http {
namespace {

void append_encoded(std::string& out, std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    for (char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (detail::is(c, detail::unreserved)) {
            out += c;
        } else if (c == ' ') {
            out += '+';
        } else {
            out += '%';
            out += digits[byte >> 4];
            out += digits[byte & 15];
        }
    }
}

// `at` is the place of `text` in the whole, for the message.
std::string decoded(std::string_view text, std::size_t at) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            out += ' ';
        } else if (text[i] != '%') {
            out += text[i];
        } else {
            const int high = i + 2 < text.size() ? detail::hex_value(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? detail::hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                throw wire_error(
                    wire_errc::invalid_encoding, at + i,
                    fmt::format("'%' at byte {} is not followed by two hexadecimal digits", at + i));
            }
            out += static_cast<char>(high * 16 + low);
            i += 2;
        }
    }
    return out;
}

}  // namespace

void append_form_field(std::string& out, std::string_view name, std::string_view value) {
    if (!out.empty()) out += '&';
    append_encoded(out, name);
    out += '=';
    append_encoded(out, value);
}

std::string encode_form(const form_fields& fields) {
    std::string out;
    for (const auto& [name, value] : fields) append_form_field(out, name, value);
    return out;
}

form_fields decode_form(std::string_view text, std::size_t fields_max) {
    form_fields fields;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('&', at), text.size());
        const std::string_view field = text.substr(at, end - at);
        if (!field.empty()) {
            if (fields.size() >= fields_max) {
                throw wire_error(wire_errc::invalid_encoding, at,
                                 fmt::format("more than {} fields", fields_max));
            }
            const std::size_t equal = std::min(field.find('='), field.size());
            const std::size_t value_at = std::min(equal + 1, field.size());
            fields.emplace_back(decoded(field.substr(0, equal), at),
                                decoded(field.substr(value_at), at + value_at));
        }
        at = end + 1;
    }
    return fields;
}

}  // namespace simul::http
