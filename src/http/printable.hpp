#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

namespace simul::http::detail {

/// `text` of a peer for a message: on one line, without control bytes, cut at about `bytes_max`.
std::string one_line(std::string_view text, std::size_t bytes_max);

/// What `e` says, without the general text of its code behind it: for codes that say nothing more.
std::string without_code(const std::system_error& e);

}  // namespace simul::http::detail
