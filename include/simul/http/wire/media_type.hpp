#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace simul::http {

/// A media type such as "text/html; charset=utf-8" (RFC 9110, 8.3). Type, subtype and names are kept in lower
/// case.
struct media_type {
    std::string type;
    std::string subtype;
    std::vector<std::pair<std::string, std::string>> parameters;

    /// Throws: wire_error (invalid_media_type) with the position.
    static media_type parse(std::string_view text);

    /// Whether it is `type_and_subtype`, whatever its parameters.
    bool is(std::string_view type_and_subtype) const noexcept;
    /// application/json, or any type with the suffix +json.
    bool is_json() const noexcept;
    std::optional<std::string_view> parameter(std::string_view name) const noexcept;
    /// In lower case, without quotes; nothing if none is given.
    std::optional<std::string> charset() const;
    std::string to_string() const;

    friend bool operator==(const media_type&, const media_type&) = default;
};

}  // namespace simul::http
