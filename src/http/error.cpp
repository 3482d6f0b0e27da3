#include <simul/http/error.hpp>

#include <fmt/format.h>

#include <simul/base/error.hpp>
#include <simul/http/wire/status.hpp>

#include "http/printable.hpp"

namespace simul::http {
namespace {

const char* text_of(errc code) noexcept {
    switch (code) {
        case errc::invalid_request:
            return "the request cannot be sent";
        case errc::unknown_host:
            return "unknown host";
        case errc::host_lookup_failed:
            return "the host could not be looked up";
        case errc::connect_failed:
            return "no connection";
        case errc::certificate_refused:
            return "certificate refused";
        case errc::tls_failed:
            return "TLS failed";
        case errc::timed_out:
            return "timed out";
        case errc::connection_lost:
            return "connection lost";
        case errc::malformed_response:
            return "malformed response";
        case errc::response_too_large:
            return "response too large";
        case errc::corrupt_content:
            return "the content cannot be decoded";
        case errc::decompression_bomb:
            return "the content becomes too large when it is decoded";
        case errc::too_many_redirects:
            return "too many redirects";
        case errc::refused_redirect:
            return "redirect refused";
        case errc::body_not_repeatable:
            return "the body cannot be sent again";
        case errc::invalid_content:
            return "the content is not what was expected";
        case errc::bad_status:
            return "the status is an error";
        case errc::overloaded:
            return "the server is overloaded";
        case errc::closed:
            return "closed";
    }
    return "unknown error";
}

class category final : public std::error_category {
  public:
    const char* name() const noexcept override { return "simul.http"; }
    std::string message(int value) const override { return text_of(static_cast<errc>(value)); }
    std::error_condition default_error_condition(int value) const noexcept override {
        switch (static_cast<errc>(value)) {
            case errc::invalid_request:
            case errc::malformed_response:
            case errc::invalid_content:
                return condition::invalid;
            case errc::host_lookup_failed:
            case errc::connect_failed:
            case errc::overloaded:
                return condition::retry_later;
            case errc::timed_out:
                return condition::timed_out;
            case errc::connection_lost:
                return condition::disconnected;
            case errc::corrupt_content:
                return condition::unsupported;
            default:
                return {value, *this};
        }
    }
    bool equivalent(int value, const std::error_condition& c) const noexcept override {
        if (static_cast<errc>(value) == errc::timed_out && c == std::errc::timed_out) return true;
        return default_error_condition(value) == c;
    }
};

std::string status_text(const status_error::answer& a, const std::string& url) {
    std::string text = fmt::format("{} {}: {}", a.method, url, a.status);
    const std::string_view phrase = reason_phrase(a.status);
    if (!phrase.empty()) text += fmt::format(" {}", phrase);
    if (const auto after = a.fields.get("retry-after"))
        text += fmt::format("; try again after {} (Retry-After)", detail::one_line(*after, 60));
    if (!a.body_start.empty()) text += fmt::format("; it says: {}", detail::one_line(a.body_start, 200));
    return text;
}

}  // namespace

const std::error_category& http_category() noexcept {
    static const category instance;
    return instance;
}

std::error_code make_error_code(errc code) noexcept { return {static_cast<int>(code), http_category()}; }

std::string_view to_string(phase p) noexcept {
    switch (p) {
        case phase::none:
            return "none";
        case phase::pool:
            return "pool";
        case phase::dns:
            return "dns";
        case phase::connect:
            return "connect";
        case phase::tls:
            return "tls";
        case phase::write:
            return "write";
        case phase::first_byte:
            return "first_byte";
        case phase::read_idle:
            return "read_idle";
        case phase::total:
            return "total";
    }
    return "none";
}

error::error(errc code, const std::string& message, details more)
    : std::system_error(make_error_code(code)),
      message_(message),
      details_(std::make_shared<const details>(std::move(more))) {}

status_error::status_error(answer what_came, details more)
    : error(what_came.status == 429 || what_came.status == 503 ? errc::overloaded : errc::bad_status,
            status_text(what_came, more.url), more),
      answer_(std::make_shared<const answer>(std::move(what_came))) {}

namespace detail {

std::string without_code(const std::system_error& e) {
    std::string text = e.what();
    const std::string general = ": " + e.code().message();
    if (text.size() > general.size() && text.ends_with(general)) text.resize(text.size() - general.size());
    return text;
}

std::string one_line(std::string_view text, std::size_t bytes_max) {
    std::string out;
    out.reserve(std::min(text.size(), bytes_max) + 4);
    bool space = false;
    for (const char c : text) {
        if (out.size() >= bytes_max) {
            out += "...";
            break;
        }
        const auto byte = static_cast<unsigned char>(c);
        if (byte <= 0x20) {
            space = !out.empty();
            continue;
        }
        if (space) out += ' ';
        space = false;
        if (byte == 0x7f || byte >= 0x80)
            out += byte == 0x7f ? '?' : c;
        else
            out += c;
    }
    return out;
}

}  // namespace detail
}  // namespace simul::http
