#pragma once

#include <string_view>

namespace simul::http::detail {

/// Of User-Agent and Server.
inline constexpr std::string_view product = "simul/0.1.0";

}  // namespace simul::http::detail
