#include <simul/http/request.hpp>

#include <fmt/format.h>

#include <simul/http/wire/media_type.hpp>

#include "http/server_connection.hpp"

namespace simul::http {

form_fields request::query_fields() const {
    try {
        return decode_form(query());
    } catch (const wire_error& e) {
        throw refusal(400, fmt::format("the query cannot be read: {}", e.what()));
    }
}

std::optional<std::string> request::query_value(std::string_view name) const {
    for (auto& [key, text] : query_fields())
        if (key == name) return std::move(text);
    return std::nullopt;
}

const std::string& request::param(std::string_view name) const {
    for (const auto& [key, text] : params_)
        if (key == name) return text;
    throw std::out_of_range(fmt::format("http::request::param: the route has no {{{}}}", name));
}

const std::string& request::peer() const { return from_->peer(); }

value request::json() const {
    try {
        return simul::json::parse(body_);
    } catch (const simul::json::parse_error& e) {
        throw refusal(400, fmt::format("the body is not JSON: {}", e.what()));
    }
}

form_fields request::form() const {
    bool is_form = false;
    try {
        is_form = media_type::parse(header("content-type")).is("application/x-www-form-urlencoded");
    } catch (const wire_error&) {  // no media type: refused below
    }
    if (!is_form) throw refusal(415, "the body must be application/x-www-form-urlencoded");
    try {
        return decode_form(body_);
    } catch (const wire_error& e) {
        throw refusal(400, fmt::format("the form cannot be read: {}", e.what()));
    }
}

task<std::optional<std::string_view>> request::read_some() { return from_->read_body_piece(); }

}  // namespace simul::http
