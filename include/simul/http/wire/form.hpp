#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace simul::http {

/// Names and values of a query or of a form (application/x-www-form-urlencoded), in order, duplicates kept.
using form_fields = std::vector<std::pair<std::string, std::string>>;

/// Appends "name=value" to `out`, after '&' if `out` is not empty; space becomes '+', all but letters, digits
/// and
/// "-._~" is percent-encoded, so nothing can add a field of its own.
void append_form_field(std::string& out, std::string_view name, std::string_view value);

std::string encode_form(const form_fields& fields);

/// Throws: wire_error (invalid_encoding) with the position of a broken % escape, or if there are more than
/// `fields_max` fields.
form_fields decode_form(std::string_view text, std::size_t fields_max = 1000);

}  // namespace simul::http
