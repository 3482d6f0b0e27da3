#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace simul::http::detail {

/// `text` of a peer for a message: on one line, without control bytes, cut at about `bytes_max`.
std::string one_line(std::string_view text, std::size_t bytes_max);

}  // namespace simul::http::detail
