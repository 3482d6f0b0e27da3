#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <simul/codec/codec.hpp>
#include <simul/codec/json.hpp>
#include <simul/core/task.hpp>
#include <simul/http/wire/form.hpp>
#include <simul/http/wire/headers.hpp>
#include <simul/http/wire/method.hpp>
#include <simul/http/wire/parser.hpp>

namespace simul::http {

namespace detail {
class server_connection;
}

/// Thrown in a handler: the request cannot be answered as it asks, and the client is told so.
///
/// `throw http::refusal(404, "no such post")`: the response has this status and text. `message` is for
/// strangers: it must not tell what is inside.
class refusal : public std::runtime_error {
  public:
    refusal(int status, const std::string& message) : std::runtime_error(message), status_(status) {}
    int status() const noexcept { return status_; }

  private:
    int status_;
};

/// A request that a server has received: what a handler gets.
///
/// Lifetime: as long as the handler's task; so are all views it gives. Threads: the loop of its server.
class request {
  public:
    const http::method& method() const noexcept { return head_.method; }
    /// The target as it was sent: "/r/python/top.json?limit=5".
    std::string_view target() const noexcept { return head_.target; }
    /// The part before '?', as it was sent, percent-encoded.
    std::string_view path() const noexcept {
        return std::string_view(head_.target).substr(path_at_, path_size_);
    }
    /// The part behind '?', percent-encoded; empty if there is none.
    std::string_view query() const noexcept {
        const std::size_t end = path_at_ + path_size_;
        return end < head_.target.size() ? std::string_view(head_.target).substr(end + 1)
                                         : std::string_view();
    }
    /// The decoded value of the first query field of this name. Throws: refusal 400 for broken encoding.
    std::optional<std::string> query_value(std::string_view name) const;
    form_fields query_fields() const;

    /// What stood in the place of "{name}" of the route, decoded. Throws std::out_of_range for a name that
    /// the route does not have: that is a bug of the handler.
    const std::string& param(std::string_view name) const;

    const http::headers& headers() const noexcept { return head_.headers; }
    /// The value of the first header of this name, or an empty view.
    std::string_view header(std::string_view name) const noexcept {
        return head_.headers.get(name).value_or(std::string_view());
    }
    /// Who connected: "127.0.0.1:51234", or what the listener says. (A proxy may have, for somebody else.)
    const std::string& peer() const;

    /// The body; empty on a route that reads it in pieces.
    const std::string& body() const& noexcept { return body_; }
    std::string body() && noexcept { return std::move(body_); }
    const std::string& text() const noexcept { return body_; }
    /// The body as JSON. Throws: refusal 400 that names the position.
    value json() const;
    template <class T>
    T json() const {
        return from_json<T>(json());
    }
    /// The body of a web form. Throws: refusal 400; 415 if it is none.
    form_fields form() const;

    /// On a route with `stream_body`: the next piece of the body; nothing at its end.
    ///
    /// Lifetime: the piece is valid until the next read.
    /// Throws: wire_error, or std::system_error if the client is gone; let it pass, the server answers.
    [[nodiscard("co_await it")]] task<std::optional<std::string_view>> read_some();
    /// As sent; nothing if the client has given none (chunked, or there is no body).
    std::optional<std::uint64_t> content_length() const noexcept { return head_.content_length; }

  private:
    friend detail::server_connection;

    template <class T>
    static T from_json(const value& v) {
        try {
            return from_value<T>(v, "body");
        } catch (const codec_error& e) {
            throw refusal(400, e.what());
        }
    }

    request_head head_;
    std::size_t path_at_ = 0;
    std::size_t path_size_ = 0;
    std::vector<std::pair<std::string_view, std::string>> params_;  // names are the router's
    std::string body_;
    detail::server_connection* from_ = nullptr;
};

}  // namespace simul::http
