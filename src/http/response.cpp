#include <simul/http/response.hpp>

#include <fmt/format.h>

#include <simul/http/error.hpp>

namespace simul::http {

response response::text(std::string body, int status) {
    response made(status);
    made.headers_.add("content-type", "text/plain; charset=utf-8");
    made.body_ = std::move(body);
    return made;
}

response response::html(std::string body, int status) {
    response made(status);
    made.headers_.add("content-type", "text/html; charset=utf-8");
    made.body_ = std::move(body);
    return made;
}

response response::json(const value& content, int status) {
    response made(status);
    made.headers_.add("content-type", "application/json");
    simul::json::append(made.body_, content);
    return made;
}

response response::stream(async_generator<std::string> pieces, std::string_view content_type) {
    response made(200);
    made.headers_.add("content-type", content_type);
    made.pieces_ = std::make_shared<async_generator<std::string>>(std::move(pieces));
    return made;
}

response response::redirect(std::string_view location, int status) {
    response made(status);
    made.headers_.add("location", location);
    return made;
}

const exchange_info& response::info() const noexcept {
    static const exchange_info nowhere{"", simul::url("http://localhost/"), {}, {}, false};
    return info_ ? *info_ : nowhere;
}

value response::json() const {
    try {
        return simul::json::parse(body_);
    } catch (const simul::json::parse_error& e) {
        const std::string from = info_ ? info_->url.safe_string() : std::string("the response");
        throw error(errc::invalid_content,
                    fmt::format("{}: the body is not JSON: {} (byte {} of {})", from, e.what(), e.offset(),
                                body_.size()),
                    {from, phase::none, info().elapsed, e.code()});
    }
}

const response& response::throw_for_status() const& {
    if (status_ < 400) return *this;
    throw status_error(
        {info().method, status_, headers_, body_.substr(0, status_error::body_start_bytes_max)},
        {info().url.safe_string(), phase::none, info().elapsed, {}});
}

}  // namespace simul::http
