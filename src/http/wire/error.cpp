#include <simul/base/error.hpp>
#include <simul/http/wire/error.hpp>

namespace simul::http {
namespace {

const char* text_of(wire_errc code) noexcept {
    switch (code) {
        case wire_errc::invalid_start_line:
            return "malformed start line";
        case wire_errc::invalid_method:
            return "invalid method";
        case wire_errc::invalid_target:
            return "invalid request target";
        case wire_errc::invalid_version:
            return "malformed HTTP version";
        case wire_errc::unsupported_version:
            return "unsupported HTTP version";
        case wire_errc::invalid_status:
            return "invalid status code";
        case wire_errc::invalid_reason:
            return "invalid reason phrase";
        case wire_errc::invalid_line_end:
            return "a line does not end with CR LF";
        case wire_errc::invalid_header_name:
            return "invalid header name";
        case wire_errc::invalid_header_value:
            return "invalid header value";
        case wire_errc::folded_header:
            return "folded header";
        case wire_errc::invalid_trailer:
            return "field not allowed in a trailer";
        case wire_errc::invalid_content_length:
            return "invalid Content-Length";
        case wire_errc::invalid_transfer_encoding:
            return "invalid Transfer-Encoding";
        case wire_errc::conflicting_framing:
            return "both Content-Length and Transfer-Encoding";
        case wire_errc::invalid_chunk:
            return "malformed chunk";
        case wire_errc::missing_host:
            return "no Host header";
        case wire_errc::duplicate_host:
            return "more than one Host header";
        case wire_errc::invalid_host:
            return "invalid Host header";
        case wire_errc::host_mismatch:
            return "Host differs from the request target";
        case wire_errc::ambiguous:
            return "ambiguous message head";
        case wire_errc::start_line_too_long:
            return "start line too long";
        case wire_errc::header_too_long:
            return "header too long";
        case wire_errc::headers_too_long:
            return "headers too long in sum";
        case wire_errc::too_many_headers:
            return "too many headers";
        case wire_errc::chunk_line_too_long:
            return "chunk size line too long";
        case wire_errc::chunk_extensions_too_long:
            return "chunk extensions too long in sum";
        case wire_errc::body_too_long:
            return "body too long";
        case wire_errc::too_many_interim:
            return "too many interim responses";
        case wire_errc::data_after_close:
            return "data after the last message of the connection";
        case wire_errc::truncated:
            return "the connection ended inside a message";
        case wire_errc::unsupported_coding:
            return "unsupported content coding";
        case wire_errc::too_many_codings:
            return "too many content codings";
        case wire_errc::corrupt_content:
            return "compressed content is damaged";
        case wire_errc::truncated_content:
            return "compressed content ends too early";
        case wire_errc::content_too_long:
            return "decompressed content too long";
        case wire_errc::suspicious_ratio:
            return "compression ratio of a decompression bomb";
        case wire_errc::invalid_date:
            return "invalid HTTP date";
        case wire_errc::invalid_media_type:
            return "invalid media type";
        case wire_errc::invalid_encoding:
            return "invalid percent encoding";
    }
    return "unknown error";
}

class category final : public std::error_category {
  public:
    const char* name() const noexcept override { return "simul.http.wire"; }
    std::string message(int value) const override { return text_of(static_cast<wire_errc>(value)); }
    std::error_condition default_error_condition(int value) const noexcept override {
        switch (static_cast<wire_errc>(value)) {
            case wire_errc::truncated:
                return condition::disconnected;
            case wire_errc::unsupported_version:
            case wire_errc::unsupported_coding:
                return condition::unsupported;
            default:
                return condition::invalid;
        }
    }
};

}  // namespace

const std::error_category& wire_category() noexcept {
    static const category instance;
    return instance;
}

std::error_code make_error_code(wire_errc code) noexcept { return {static_cast<int>(code), wire_category()}; }

wire_error::wire_error(wire_errc code, std::size_t position, const std::string& what)
    : std::system_error(code, what), position_(position) {}

int status_for(wire_errc code) noexcept {
    switch (code) {
        case wire_errc::body_too_long:
        case wire_errc::content_too_long:
        case wire_errc::suspicious_ratio:
            return 413;
        case wire_errc::start_line_too_long:
            return 414;
        case wire_errc::unsupported_coding:
        case wire_errc::too_many_codings:
            return 415;
        case wire_errc::header_too_long:
        case wire_errc::headers_too_long:
        case wire_errc::too_many_headers:
            return 431;
        case wire_errc::unsupported_version:
            return 505;
        default:
            return 400;
    }
}

}  // namespace simul::http
