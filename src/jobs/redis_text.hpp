#pragma once

#include <string>
#include <string_view>

// The encodings of RQ's fields.

namespace simul::detail {

std::string base64(std::string_view data);
/// Standard alphabet with padding; empty text for anything else.
std::string from_base64(std::string_view text);

/// RFC 1950, level 6: what RQ writes.
std::string zlib_compress(std::string_view data);
/// The inflated data; `data` itself if it is no zlib stream (RQ reads both). Never more than
/// job_data_bytes_max.
std::string zlib_inflate(std::string_view data);

}  // namespace simul::detail
