#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <simul/base/time.hpp>
#include <simul/base/url.hpp>
#include <simul/codec/codec.hpp>
#include <simul/codec/json.hpp>
#include <simul/core/async_generator.hpp>
#include <simul/http/wire/headers.hpp>

namespace simul::http {

/// How a response came to a client.
struct exchange_info {
    std::string method;  ///< of the last request, after redirects
    simul::url url;      ///< where it came from, after redirects
    duration elapsed{};  ///< from the request until the end of the body (or the head, for a stream)
    std::vector<simul::url> redirects;  ///< the URLs that sent us on, first one first
    bool reused_connection = false;
};

/// A response: what a client gets, and what a handler of a server gives. A value.
///
///     co_return http::response::text("hello").header("cache-control", "no-store");
///     co_return http::response::json(to_value(posts));
///     co_return http::response(404);
class response {
  public:
    explicit response(int status = 200) noexcept : status_(status) {}

    /// 200 with text, "text/plain; charset=utf-8".
    static response text(std::string body, int status = 200);
    static response html(std::string body, int status = 200);
    static response json(const value& content, int status = 200);
    /// From any type the codec knows.
    template <class T>
        requires(!std::is_same_v<T, value>)
    static response json(const T& content, int status = 200) {
        return json(to_value(content), status);
    }
    /// A body that is made while it is sent, for servers: each piece goes out as it comes.
    ///
    /// The generator runs in the connection's task; what it throws ends the connection, so that the client
    /// sees that the body is not complete. A copy of this response shares it: it can be sent once.
    static response stream(async_generator<std::string> pieces,
                           std::string_view content_type = "application/octet-stream");
    /// Sends the client elsewhere. `location` must be a URL or a path.
    static response redirect(std::string_view location, int status = 303);

    // --- making one. Each returns *this. Throws: wire_error for what cannot stand in a header.

    response& header(std::string_view name, std::string_view value) & {
        headers_.add(name, value);
        return *this;
    }
    response&& header(std::string_view name, std::string_view value) && {
        headers_.add(name, value);
        return std::move(*this);
    }
    response& set_status(int status) noexcept {
        status_ = status;
        return *this;
    }
    response& set_body(std::string body) noexcept {
        body_ = std::move(body);
        return *this;
    }

    // --- reading one

    int status() const noexcept { return status_; }
    /// The status is 200 to 299.
    bool ok() const noexcept { return status_ >= 200 && status_ < 300; }
    http::headers& headers() noexcept { return headers_; }
    const http::headers& headers() const noexcept { return headers_; }
    /// The value of the first header of this name, or an empty view.
    std::string_view header(std::string_view name) const noexcept {
        return headers_.get(name).value_or(std::string_view());
    }

    /// The body, decompressed.
    const std::string& body() const& noexcept { return body_; }
    std::string body() && noexcept { return std::move(body_); }
    /// The same, for those who read text. It is as it was sent: no charset is converted.
    const std::string& text() const& noexcept { return body_; }
    std::string text() && noexcept { return std::move(body_); }
    /// The body read as JSON, whatever its Content-Type says.
    /// Throws: http::error (errc::invalid_content) that names the URL and the position.
    value json() const;
    /// The same as a T: `auto posts = response.json<std::vector<post>>()`. Throws: as json(); codec_error.
    template <class T>
    T json() const {
        return from_value<T>(json());
    }

    /// Throws http::status_error for a status of 400 or above; else gives *this.
    const response& throw_for_status() const&;

    /// Where it came from; empty parts if it was not received. `info().elapsed`, `info().redirects`.
    const exchange_info& info() const noexcept;
    const simul::url& url() const noexcept { return info().url; }
    duration elapsed() const noexcept { return info().elapsed; }

    /// For the library.
    void set_info(std::shared_ptr<const exchange_info> info) noexcept { info_ = std::move(info); }
    /// Null unless it is a stream. For the library.
    const std::shared_ptr<async_generator<std::string>>& pieces() const noexcept { return pieces_; }

  private:
    int status_;
    http::headers headers_;
    std::string body_;
    std::shared_ptr<const exchange_info> info_;
    std::shared_ptr<async_generator<std::string>> pieces_;
};

}  // namespace simul::http
