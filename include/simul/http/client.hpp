#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <simul/base/time.hpp>
#include <simul/base/url.hpp>
#include <simul/codec/codec.hpp>
#include <simul/core/async_generator.hpp>
#include <simul/core/task.hpp>
#include <simul/http/error.hpp>
#include <simul/http/response.hpp>
#include <simul/http/response_stream.hpp>
#include <simul/http/transport.hpp>
#include <simul/http/wire/content_decoder.hpp>
#include <simul/http/wire/form.hpp>
#include <simul/http/wire/headers.hpp>
#include <simul/http/wire/method.hpp>
#include <simul/http/wire/parser.hpp>

namespace simul::http {

struct redirect_options {
    /// Follow them at all. If not, the 3xx response is the result.
    bool follow = true;
    std::size_t redirects_max = 10;
    /// From https to http. Never on its own: what was secret would be readable.
    bool allow_insecure = false;
};

struct client_options {
    /// Connections of this client, idle ones included. Who needs one more waits in line.
    std::size_t connections_max = 100;
    /// The same for one origin (scheme, host and port).
    std::size_t connections_per_origin_max = 100;
    /// How long an unused connection is kept; shorter if the server says so (Keep-Alive: timeout=...).
    duration idle_time_max = std::chrono::seconds(15);
    http::timeouts timeouts{};
    redirect_options redirects{};
    /// Largest body that is read as a whole, as transferred and decompressed. `stream()` has no limit.
    std::uint64_t response_bytes_max = 64 * 1024 * 1024;
    /// Of the response's head and framing. (body_bytes_max is not used: see response_bytes_max.)
    parser_limits head{};
    /// Of decompression. (output_bytes_max is not used for whole bodies: see response_bytes_max.)
    decoder_limits decompression{.output_bytes_max = decoder_limits::unlimited};
    /// Ask for gzip and deflate, and undo them.
    bool decompress = true;
    /// Send a request once more, on a new connection, if a *reused* one turns out to be dead before a byte of
    /// the response came, and the request may be repeated: its method is idempotent, or nothing of its body
    /// has left.
    bool retry_dead_connection = true;
    /// A response that is dropped unread is read to its end in the background, up to so much and so long, to
    /// keep its connection; beyond it the connection is closed.
    std::size_t drain_bytes_max = 256 * 1024;
    duration drain_time_max = std::chrono::seconds(1);
    /// How long a request with expect_continue() waits for the server's word before it sends its body.
    duration continue_time_max = std::chrono::seconds(1);
    /// Sent with every request that has no header of that name; empty: none.
    std::string user_agent{};  ///< Default: "simul/VERSION".
    http::headers headers{};   ///< More of them.
    transport_options connect{};
    /// Replaces TCP and TLS; then `connect` is not used.
    std::shared_ptr<http::transport> transport{};
};

/// What a client has done so far, and what it holds.
struct client_statistics {
    std::size_t connections = 0;  ///< open or being opened
    std::size_t idle = 0;
    std::size_t waiting = 0;  ///< requests in line for a connection
    std::uint64_t requests = 0;
    std::uint64_t connections_opened = 0;
    std::uint64_t connections_reused = 0;
    std::uint64_t retries = 0;  ///< see client_options::retry_dead_connection
};

class client;

namespace detail {
struct outgoing;
class client_state;
}  // namespace detail

/// A request on its way to being sent. Await it to send it and get the whole response:
///
///     auto response = co_await web.get(base / "search").query("q", text).timeout(5s);
///     auto made = co_await web.post(base / "posts").json(post).bearer(token);
///
/// What is given is data: names and values cannot add a header, a query field or a line of their own.
/// Lifetime: everything is copied. The client must outlive the request.
/// Cancel:   at any point; the connection is closed, or kept if it is clean.
/// Throws:   http::error, when awaited; wire_error where a name or value cannot be sent at all. A builder
/// that
///           was sent or moved from throws errc::invalid_request.
class [[nodiscard("a request is sent when it is awaited: co_await web.get(...)")]] request_builder {
  public:
    request_builder(request_builder&&) noexcept;
    request_builder& operator=(request_builder&&) noexcept;
    ~request_builder();

    /// Appends "name=value" to the query. A value is text, a number or a bool.
    template <class Value>
    request_builder&& query(std::string_view name, const Value& value) {
        if constexpr (std::is_convertible_v<const Value&, std::string_view>) {
            return query_text(name, value);
        } else {
            static_assert(
                std::is_arithmetic_v<Value>,
                "a value in a query is text, a number or a bool: convert yours to std::string first");
            return query_text(name, fmt::format("{}", value));
        }
    }
    /// Replaces what the client would send, and earlier ones of this name.
    request_builder&& header(std::string_view name, std::string_view value);
    /// Adds another header of this name.
    request_builder&& add_header(std::string_view name, std::string_view value);
    /// A header that is a secret: as Authorization and Cookie, it is not sent to another origin that a
    /// redirect names.
    request_builder&& sensitive_header(std::string_view name, std::string_view value);
    request_builder&& basic_auth(std::string_view user, std::string_view password);
    request_builder&& bearer(std::string_view token);

    /// The body. Content-Type is set unless a header() sets it.
    request_builder&& body(std::string data, std::string_view content_type = "application/octet-stream");
    request_builder&& body(const bytes& data, std::string_view content_type = "application/octet-stream") {
        return body(data.data, content_type);
    }
    request_builder&& text(std::string data) { return body(std::move(data), "text/plain; charset=utf-8"); }
    request_builder&& json(const value& content);
    template <class T>
        requires(!std::is_same_v<T, value>)
    request_builder&& json(const T& content) {
        return json(to_value(content));
    }
    /// As a web form sends it.
    request_builder&& form(const form_fields& fields);
    /// A body that is made while it is sent. With `size` it is sent with that length (and must have it), else
    /// chunked. It can be sent once: a redirect or retry that would send it again throws
    /// errc::body_not_repeatable.
    request_builder&& body(async_generator<std::string> pieces, std::optional<std::uint64_t> size = {},
                           std::string_view content_type = "application/octet-stream");
    /// Ask the server before the body is sent (Expect: 100-continue).
    request_builder&& expect_continue();

    /// Instead of timeouts::total.
    request_builder&& timeout(any_duration total);
    /// Instead of all limits of the client.
    request_builder&& timeouts(const http::timeouts& limits);
    request_builder&& redirects(redirect_options options);
    /// Instead of client_options::response_bytes_max.
    request_builder&& response_bytes_max(std::uint64_t bytes);

    /// Sends it and gives the response as soon as its head is there; the body is read piece by piece.
    [[nodiscard("co_await it")]] task<response_stream> stream() &&;
    [[nodiscard("co_await it")]] task<response_stream> stream() & = delete;

    task<response> operator co_await() &&;

  private:
    friend client;
    explicit request_builder(std::unique_ptr<detail::outgoing> what) noexcept;
    request_builder&& query_text(std::string_view name, std::string_view value);
    detail::outgoing& asked() const;

    std::unique_ptr<detail::outgoing> what_;
};

/// Sends HTTP/1.1 requests over connections that it keeps for the next ones.
///
/// Make one per program or per loop and hand it around: its connections, their limits and the trust in
/// certificates are shared by all requests. Time and size limits are on by default.
/// Lifetime: must outlive its requests. The destructor closes at once.
/// Threads:  it belongs to the loop of its first request; on another one it throws errc::wrong_loop. When
///           that loop ends its connections are closed, and it may be destroyed, or used on the next loop.
/// Throws:   data_error for options that allow no connection at all.
/// Elsewhere: aiohttp.ClientSession, httpx.AsyncClient, reqwest::Client.
class client {
  public:
    explicit client(client_options options = {});
    client(client&&) noexcept;
    client& operator=(client&&) noexcept;
    ~client();

    request_builder get(url to) { return request(method::get, std::move(to)); }
    request_builder head(url to) { return request(method::head, std::move(to)); }
    request_builder post(url to) { return request(method::post, std::move(to)); }
    request_builder put(url to) { return request(method::put, std::move(to)); }
    request_builder patch(url to) { return request(method::patch, std::move(to)); }
    request_builder delete_(url to) { return request(method::delete_, std::move(to)); }
    request_builder options(url to) { return request(method::options, std::move(to)); }
    /// With any method, also an extension: request(http::method("QUERY"), url). CONNECT is refused.
    request_builder request(method how, url to);

    /// Closes all idle connections now.
    void close_idle() noexcept;

    const client_options& settings() const noexcept;
    client_statistics statistics() const noexcept;

  private:
    std::shared_ptr<detail::client_state> state_;
};

/// The value of an Authorization header: "Basic dXNlcjpwYXNz". Throws: wire_error for a user with a colon.
std::string basic_credentials(std::string_view user, std::string_view password);

}  // namespace simul::http
