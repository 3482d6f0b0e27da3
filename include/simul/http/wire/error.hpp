#pragma once

#include <cstddef>
#include <string>
#include <system_error>

namespace simul::http {

/// What can be wrong with bytes that claim to be HTTP.
///
/// The names say which rule was broken; `wire_error` says where. Conditions: `truncated` is `disconnected`,
/// `unsupported_version` and `unsupported_coding` are `unsupported`, all others `invalid`.
enum class wire_errc {
    // the start line
    invalid_start_line = 1,  ///< not `method SP target SP version`, or not a status line
    invalid_method,          ///< not a token, or longer than 32 bytes
    invalid_target,          ///< a request target with forbidden bytes or of a form the method does not allow
    invalid_version,         ///< not `HTTP/` digit `.` digit
    unsupported_version,     ///< well formed, but neither 1.0 nor 1.1
    invalid_status,          ///< not three digits, or below 100
    invalid_reason,          ///< a reason phrase with control bytes (only when writing)
    // field lines
    invalid_line_end,      ///< a CR without LF, or an LF without CR
    invalid_header_name,   ///< empty, not a token, or space before the colon
    invalid_header_value,  ///< a control byte
    folded_header,         ///< a header continued on the next line
    invalid_trailer,       ///< a trailer that would change framing or routing
    // framing and routing
    invalid_content_length,     ///< not digits, too large, or given more than once
    invalid_transfer_encoding,  ///< anything but exactly one `chunked`, or sent with HTTP/1.0
    conflicting_framing,        ///< Content-Length together with Transfer-Encoding
    invalid_chunk,              ///< a chunk size line or the end of a chunk is malformed
    missing_host,               ///< HTTP/1.1 without Host
    duplicate_host,             ///< more than one Host
    invalid_host,               ///< Host is empty or has forbidden bytes
    host_mismatch,              ///< an absolute target names another authority than Host
    ambiguous,                  ///< the two readers of the head disagree; refused rather than guessed
    // limits
    start_line_too_long,        ///< parser_limits::start_line_bytes_max
    header_too_long,            ///< parser_limits::header_bytes_max
    headers_too_long,           ///< parser_limits::headers_bytes_max
    too_many_headers,           ///< parser_limits::headers_max
    chunk_line_too_long,        ///< parser_limits::chunk_line_bytes_max
    chunk_extensions_too_long,  ///< parser_limits::chunk_extension_bytes_max
    body_too_long,              ///< parser_limits::body_bytes_max
    too_many_interim,           ///< parser_limits::interim_responses_max
    // the connection
    data_after_close,  ///< bytes after a message that announced the end of the connection
    truncated,         ///< the connection ended inside a message
    // content coding
    unsupported_coding,  ///< a content coding that is not known here
    too_many_codings,    ///< decoder_limits::codings_max
    corrupt_content,     ///< compressed data is damaged
    truncated_content,   ///< compressed data ends too early
    content_too_long,    ///< decoder_limits::output_bytes_max
    suspicious_ratio,    ///< decoder_limits::ratio_max: looks like a decompression bomb
    // values
    invalid_date,        ///< not an HTTP date
    invalid_media_type,  ///< not `type/subtype; parameter=value`
    invalid_encoding,    ///< a broken percent escape
};

/// The category of `wire_errc`, named "simul.http.wire".
const std::error_category& wire_category() noexcept;

std::error_code make_error_code(wire_errc code) noexcept;

/// Malformed or too large input, with the place where it was noticed.
class wire_error : public std::system_error {
  public:
    /// `position` counts bytes from the start of the message, value or text that `what` names.
    wire_error(wire_errc code, std::size_t position, const std::string& what);

    wire_errc reason() const noexcept { return static_cast<wire_errc>(code().value()); }
    std::size_t position() const noexcept { return position_; }

  private:
    std::size_t position_;
};

/// The status a server answers when a request was refused with `code`: 400, 413, 414, 415, 431 or 505.
int status_for(wire_errc code) noexcept;

}  // namespace simul::http

template <>
struct std::is_error_code_enum<simul::http::wire_errc> : std::true_type {};
