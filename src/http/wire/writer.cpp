#include <fmt/format.h>

#include <array>
#include <charconv>
#include <simul/http/wire/chars.hpp>
#include <simul/http/wire/error.hpp>
#include <simul/http/wire/status.hpp>
#include <simul/http/wire/writer.hpp>

namespace simul::http {
namespace {

enum class side { request, response };

void check_framing(const headers& fields, side from) {
    std::size_t hosts = 0;
    std::size_t lengths = 0;
    std::size_t encodings = 0;
    for (const auto [name, value] : fields) {
        if (equal_ignoring_case(name, "host")) ++hosts;
        if (equal_ignoring_case(name, "content-length")) {
            if (++lengths > 1 || !parse_content_length(value)) {
                throw wire_error(wire_errc::invalid_content_length, 0,
                                 "Content-Length must be given once, as a number");
            }
        }
        if (equal_ignoring_case(name, "transfer-encoding")) {
            if (++encodings > 1 || !equal_ignoring_case(value, "chunked")) {
                throw wire_error(wire_errc::invalid_transfer_encoding, 0,
                                 "Transfer-Encoding must be given once and be \"chunked\"");
            }
        }
    }
    if (lengths > 0 && encodings > 0) {
        throw wire_error(wire_errc::conflicting_framing, 0,
                         "give Content-Length or Transfer-Encoding, not both");
    }
    if (from == side::request && hosts != 1) {
        throw wire_error(hosts == 0 ? wire_errc::missing_host : wire_errc::duplicate_host, 0,
                         "a request needs exactly one Host header");
    }
}

void write_fields(std::string& out, const headers& fields) {
    for (const auto [name, value] : fields) out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

void write_request_head(std::string& out, const method& method, std::string_view target,
                        const headers& headers) {
    if (const std::size_t at = detail::find_not(target, detail::target_char);
        target.empty() || at != target.npos) {
        throw wire_error(
            wire_errc::invalid_target, target.empty() ? 0 : at,
            fmt::format("request target \"{}\" must be visible ASCII without '#'; encode other bytes with %",
                        detail::printable(target)));
    }
    check_framing(headers, side::request);
    out.append(method.name()).append(" ").append(target).append(" HTTP/1.1\r\n");
    write_fields(out, headers);
    out.append("\r\n");
}

void write_response_head(std::string& out, int status, std::string_view reason, const headers& headers) {
    if (status < 100 || status > 999) {
        throw wire_error(wire_errc::invalid_status, 0,
                         fmt::format("{} is not a status from 100 to 999", status));
    }
    if (reason.empty()) reason = reason_phrase(status);
    if (const std::size_t at = detail::find_not(reason, detail::field_char); at != reason.npos) {
        throw wire_error(wire_errc::invalid_reason, at, "a control byte in the reason phrase");
    }
    check_framing(headers, side::response);
    if ((status < 200 || status == 204) &&
        (headers.contains("content-length") || headers.contains("transfer-encoding"))) {
        throw wire_error(wire_errc::conflicting_framing, 0,
                         fmt::format("a response with status {} has no body", status));
    }
    const std::array<char, 3> digits = {static_cast<char>('0' + status / 100),
                                        static_cast<char>('0' + status / 10 % 10),
                                        static_cast<char>('0' + status % 10)};
    out.append("HTTP/1.1 ").append(digits.data(), digits.size()).append(" ").append(reason).append("\r\n");
    write_fields(out, headers);
    out.append("\r\n");
}

void write_chunk_start(std::string& out, std::size_t size) {
    std::array<char, 16> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), size, 16).ptr;
    out.append(digits.data(), static_cast<std::size_t>(end - digits.data())).append("\r\n");
}

void write_chunk(std::string& out, std::string_view data) {
    if (data.empty()) return;
    write_chunk_start(out, data.size());
    out.append(data).append(chunk_end);
}

void write_last_chunk(std::string& out, const headers& trailers) {
    for (const auto [name, value] : trailers) {
        if (!detail::allowed_in_trailer(name)) {
            throw wire_error(wire_errc::invalid_trailer, 0, fmt::format("{} cannot be a trailer", name));
        }
    }
    out.append("0\r\n");
    write_fields(out, trailers);
    out.append("\r\n");
}

}  // namespace simul::http
