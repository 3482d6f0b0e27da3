#pragma once

#include <string_view>

namespace simul::http {

/// Status codes by name, for those who prefer names to numbers. Any number from 100 to 999 is a status.
namespace status {
inline constexpr int continue_ = 100, switching_protocols = 101, early_hints = 103;
inline constexpr int ok = 200, created = 201, accepted = 202, no_content = 204, reset_content = 205,
                     partial_content = 206;
inline constexpr int multiple_choices = 300, moved_permanently = 301, found = 302, see_other = 303,
                     not_modified = 304, temporary_redirect = 307, permanent_redirect = 308;
inline constexpr int bad_request = 400, unauthorized = 401, forbidden = 403, not_found = 404,
                     method_not_allowed = 405, not_acceptable = 406, proxy_authentication_required = 407,
                     request_timeout = 408, conflict = 409, gone = 410, length_required = 411,
                     precondition_failed = 412, content_too_large = 413, uri_too_long = 414,
                     unsupported_media_type = 415, range_not_satisfiable = 416, expectation_failed = 417,
                     misdirected_request = 421, unprocessable_content = 422, too_early = 425,
                     upgrade_required = 426, precondition_required = 428, too_many_requests = 429,
                     request_header_fields_too_large = 431;
inline constexpr int internal_server_error = 500, not_implemented = 501, bad_gateway = 502,
                     service_unavailable = 503, gateway_timeout = 504, http_version_not_supported = 505;
}  // namespace status

/// The reason phrase of RFC 9110 for `code`, or an empty view if it has none.
std::string_view reason_phrase(int code) noexcept;

}  // namespace simul::http
