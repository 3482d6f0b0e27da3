#pragma once

#include <cstddef>
#include <simul/http/wire/headers.hpp>
#include <simul/http/wire/method.hpp>
#include <string>
#include <string_view>

namespace simul::http {

/// Appends a request line and headers with the empty line behind them.
///
/// What is written can be read in one way only: exactly one Host, not both Content-Length and
/// Transfer-Encoding, the one a number and the other "chunked". (`headers` themselves cannot hold anything
/// that ends a line.) Throws: wire_error (invalid_target, missing_host, duplicate_host,
/// invalid_content_length, invalid_transfer_encoding, conflicting_framing); then nothing was appended.
void write_request_head(std::string& out, const method& method, std::string_view target,
                        const headers& headers);

/// Appends a status line and headers with the empty line behind them; an empty `reason` stands for the usual
/// phrase.
///
/// Throws: as write_request_head, and invalid_status, invalid_reason; 1xx and 204 with framing headers are
/// conflicting_framing.
void write_response_head(std::string& out, int status, std::string_view reason, const headers& headers);

/// Appends `data` as one chunk. Empty data is nothing: an empty chunk would end the body.
void write_chunk(std::string& out, std::string_view data);

/// Appends what precedes a chunk of `size` bytes, for data that is sent from where it lies; `chunk_end`
/// follows it.
void write_chunk_start(std::string& out, std::size_t size);
inline constexpr std::string_view chunk_end = "\r\n";

/// Appends the end of a chunked body.
///
/// Throws: wire_error (invalid_trailer) for fields that mean something before the body (framing, Host).
void write_last_chunk(std::string& out, const headers& trailers = {});

}  // namespace simul::http
