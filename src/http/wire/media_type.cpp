#include <fmt/format.h>

#include <simul/http/wire/chars.hpp>
#include <simul/http/wire/error.hpp>
#include <simul/http/wire/headers.hpp>
#include <simul/http/wire/media_type.hpp>

namespace simul::http {
namespace {

std::string lowered(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = detail::lower(c);
    return out;
}

class reader {
  public:
    explicit reader(std::string_view text) : text_(text) {}

    bool at_end() const noexcept { return at_ == text_.size(); }

    std::string_view token(std::string_view what) {
        const std::size_t size =
            std::min(detail::find_not(text_.substr(at_), detail::token_char), text_.size() - at_);
        if (size == 0) fail(fmt::format("expects {}", what));
        at_ += size;
        return text_.substr(at_ - size, size);
    }
    bool skip(char c) {
        if (at_end() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    void skip_space() {
        while (!at_end() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    }
    std::string value() {
        if (!skip('"')) return std::string(token("a value"));
        std::string out;
        while (!skip('"')) {
            skip('\\');
            if (at_end() || !detail::is(text_[at_], detail::field_char))
                fail("has an open or broken quoted value");
            out += text_[at_++];
        }
        return out;
    }
    [[noreturn]] void fail(std::string_view why) const {
        throw wire_error(wire_errc::invalid_media_type, at_,
                         fmt::format("media type \"{}\" {} at {}", detail::printable(text_), why, at_));
    }

  private:
    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace

media_type media_type::parse(std::string_view text) {
    reader in(detail::trim(text));
    media_type out;
    out.type = lowered(in.token("a type"));
    if (!in.skip('/')) in.fail("expects '/'");
    out.subtype = lowered(in.token("a subtype"));
    for (;;) {
        in.skip_space();
        if (in.at_end()) return out;
        if (!in.skip(';')) in.fail("expects ';'");
        in.skip_space();
        if (in.at_end()) return out;  // "text/html;" is common and harmless
        std::string name = lowered(in.token("a parameter"));
        if (!in.skip('=')) in.fail("expects '='");
        out.parameters.emplace_back(std::move(name), in.value());
    }
}

bool media_type::is(std::string_view type_and_subtype) const noexcept {
    const std::size_t slash = type_and_subtype.find('/');
    return slash != type_and_subtype.npos && equal_ignoring_case(type, type_and_subtype.substr(0, slash)) &&
           equal_ignoring_case(subtype, type_and_subtype.substr(slash + 1));
}

bool media_type::is_json() const noexcept { return is("application/json") || subtype.ends_with("+json"); }

std::optional<std::string_view> media_type::parameter(std::string_view name) const noexcept {
    for (const auto& [key, value] : parameters) {
        if (equal_ignoring_case(key, name)) return value;
    }
    return std::nullopt;
}

std::optional<std::string> media_type::charset() const {
    const auto value = parameter("charset");
    return value ? std::optional(lowered(*value)) : std::nullopt;
}

std::string media_type::to_string() const {
    std::string out = type + "/" + subtype;
    for (const auto& [name, value] : parameters) {
        out += "; " + name + "=";
        if (!value.empty() && detail::find_not(value, detail::token_char) == value.npos) {
            out += value;
            continue;
        }
        out += '"';
        for (char c : value) {
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
        out += '"';
    }
    return out;
}

}  // namespace simul::http
