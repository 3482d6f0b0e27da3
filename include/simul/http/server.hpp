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

#include <simul/base/time.hpp>
#include <simul/core/awaitable.hpp>
#include <simul/core/task.hpp>
#include <simul/http/request.hpp>
#include <simul/http/response.hpp>
#include <simul/http/wire/method.hpp>
#include <simul/http/wire/parser.hpp>
#include <simul/net/tcp_listener.hpp>
#include <simul/net/tls_context.hpp>
#include <simul/net/unix_listener.hpp>

namespace simul::http {

/// How much a server takes, and how long it waits. duration::max(): as long as it likes.
struct server_options {
    /// Connections at a time; who comes then waits in the kernel's queue.
    std::size_t connections_max = 10'000;
    /// Largest request body. Exceeding it is answered with 413. A route may have its own.
    std::uint64_t body_bytes_max = 1024 * 1024;
    /// Of the request's head and framing. (body_bytes_max in it is not used.)
    parser_limits head{};
    /// From the first byte of a request, or from the beginning of the connection, to the end of its head.
    duration head_time_max = std::chrono::seconds(10);
    /// Each time that we wait for more of the body.
    duration body_idle_max = std::chrono::seconds(30);
    /// Between two requests. More than the 60 s of usual load balancers, so that they close first.
    duration keep_alive_time_max = std::chrono::seconds(75);
    /// Each time that the client has to take something of the response.
    duration write_stall_max = std::chrono::seconds(30);
    /// The TLS handshake.
    duration tls_handshake_time_max = std::chrono::seconds(10);
    /// How long requests that run may go on when the server is canceled; then they are canceled too.
    duration drain_time_max = std::chrono::seconds(30);
    /// Cancel a handler whose client has gone. A client that only closes its sending side counts as gone.
    bool cancel_on_disconnect = true;
    /// A handler that takes longer than this is watched for that.
    duration disconnect_watch_after = std::chrono::milliseconds(10);
    /// Value of Server; empty: none is sent.
    std::string name{};
};

struct route_options {
    /// The handler reads the body itself, piece by piece, with request.read_some().
    bool stream_body = false;
    /// Instead of server_options::body_bytes_max. (Default of a route with stream_body: unlimited.)
    std::optional<std::uint64_t> body_bytes_max{};
};

struct server_statistics {
    std::size_t connections = 0;       ///< open now
    std::uint64_t accepted = 0;        ///< connections so far
    std::uint64_t requests = 0;        ///< requests whose head was read
    std::uint64_t refused = 0;         ///< connections ended because of what came in
    std::uint64_t handler_errors = 0;  ///< requests answered with 500
    std::uint64_t disconnected = 0;    ///< handlers canceled because their client had gone
};

namespace detail {
class server_state;
using handler = std::function<task<response>(request&)>;
}  // namespace detail

/// An HTTP/1.1 server: routes, and connections on which handlers answer.
///
///     http::server web;
///     web.get("/r/{name}/top.json", [&](http::request& r) -> task<http::response> {
///         co_return http::response::json(co_await top_posts(r.param("name")));
///     });
///     co_await web.serve(tcp_listener::bind("127.0.0.1", 8080));       // until it is canceled
///
/// A handler is a function or coroutine lambda from request& to task<response> (or response); it is kept as
/// long as the server, captures included. What it throws is logged and answered with 500 that tells nothing;
/// http::refusal is answered with its status. HEAD is answered by the handler of GET, without the body; an
/// unknown path with 404, a known path with another method with 405, OPTIONS with what is allowed.
/// Cancel:   serve() stops accepting, closes connections that wait for a request, lets requests that run end
///           (`Connection: close`) within drain_time_max, and cancels the rest.
/// Threads:  one loop. Lifetime: must outlive serve(). Routes are added before it is called.
class server {
  public:
    explicit server(server_options options = {});
    server(server&&) noexcept;
    server& operator=(server&&) noexcept;
    ~server();

    /// Answers `how` at `pattern`: a path whose segments are text, "{name}" for any one segment, or as the
    /// last one "{name...}" for the rest. Text goes before a name where both fit. Throws:
    /// errc::invalid_request for a bad pattern or one that is there already.
    template <class F>
    server& route(method how, std::string_view pattern, F handler, route_options options = {}) {
        static_assert(std::is_invocable_v<F&, request&>,
                      "a handler takes an http::request& and returns task<http::response>");
        using result = std::invoke_result_t<F&, request&>;
        if constexpr (std::is_same_v<result, task<response>>) {
            add(how, pattern, detail::handler(std::move(handler)), options);
        } else {
            static_assert(std::is_convertible_v<result, response>,
                          "a handler returns task<http::response>, or http::response if it need not wait");
            add(how, pattern, detail::handler([f = std::move(handler)](request& r) mutable -> task<response> {
                    co_return f(r);
                }),
                options);
        }
        return *this;
    }
    template <class F>
    server& get(std::string_view pattern, F handler, route_options options = {}) {
        return route(method::get, pattern, std::move(handler), options);
    }
    template <class F>
    server& post(std::string_view pattern, F handler, route_options options = {}) {
        return route(method::post, pattern, std::move(handler), options);
    }
    template <class F>
    server& put(std::string_view pattern, F handler, route_options options = {}) {
        return route(method::put, pattern, std::move(handler), options);
    }
    template <class F>
    server& delete_(std::string_view pattern, F handler, route_options options = {}) {
        return route(method::delete_, pattern, std::move(handler), options);
    }

    /// Serves connections of `listener` until it is canceled. Several may run at once.
    [[nodiscard("co_await it")]] task<> serve(tcp_listener listener);
    [[nodiscard("co_await it")]] task<> serve(unix_listener listener);
    /// The same over TLS.
    [[nodiscard("co_await it")]] task<> serve(tcp_listener listener, tls_context tls);
    /// Serves one connection until it ends: for tests, and connections that came in another way.
    [[nodiscard("co_await it")]] task<> serve_connection(std::unique_ptr<stream> connection);

    const server_options& settings() const noexcept;
    server_statistics statistics() const noexcept;

  private:
    void add(method how, std::string_view pattern, detail::handler handler, route_options options);
    detail::server_state& state() const;
    std::unique_ptr<detail::server_state> state_;
};

}  // namespace simul::http
