#pragma once

#include <compare>
#include <string>

#include <simul/base/compiler.hpp>

namespace simul {

/// Bytes that are not text.
///
/// Buffers in this library are std::span<char> (incoming), std::string_view (outgoing) and std::string
/// (owning); this type only says "do not treat as text" to the codec: JSON has no form for it, pickle and the
/// binary form keep it apart from str.
struct bytes {
    std::string data;

    friend bool operator==(const bytes&, const bytes&) = default;
    friend auto operator<=>(const bytes&, const bytes&) = default;
};

}  // namespace simul
