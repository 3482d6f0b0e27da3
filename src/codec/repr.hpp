#pragma once

#include <cstddef>
#include <string>

#include <simul/codec/value.hpp>

namespace simul::detail {

/// python_repr(), but at most `characters_max` characters and "..." where it is longer. Work and memory are
/// bounded by the limit, whatever the size of the value.
std::string short_repr(const value& v, std::size_t characters_max);

}  // namespace simul::detail
