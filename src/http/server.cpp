#include <simul/http/server.hpp>

#include <simul/base/error.hpp>
#include <simul/base/log.hpp>
#include <simul/core/race.hpp>
#include <simul/core/scopes.hpp>
#include <simul/core/task_group.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>
#include <simul/net/tls_stream.hpp>

#include "http/server_connection.hpp"

namespace simul::http {
namespace {

/// When no descriptor is free, the next connection is tried so much later.
constexpr duration accept_again_after = std::chrono::milliseconds(100);

/// One call of serve(), which outlives its own cancellation by the time that requests may still take.
struct service {
    detail::server_state& server;
    detail::serving connections;
    cancel_scope* accepting = nullptr;
    bool stopped = false;

    void stop() noexcept {
        stopped = true;
        if (accepting != nullptr) accepting->cancel("the server was canceled");
    }
};

/// Waits until it is canceled, and says so.
task<> tell_of_cancel(service& of) {
    struct teller {
        service& of;
        ~teller() { of.stop(); }
    } const tell{of};
    co_await sleep_forever();
}

/// One of the connections that connections_max counts, from its acceptance on.
class counted {
  public:
    explicit counted(detail::server_state& of) noexcept : server_(&of) {
        ++of.counts.accepted;
        if (++of.counts.connections >= of.options.connections_max) of.room.reset();
    }
    counted(counted&& other) noexcept : server_(std::exchange(other.server_, nullptr)) {}
    counted& operator=(counted&&) = delete;
    ~counted() {
        if (server_ == nullptr) return;
        --server_->counts.connections;
        server_->room.set();
    }
    detail::server_state& server() const noexcept { return *server_; }

  private:
    detail::server_state* server_;
};

task<> serve_one(counted place, detail::serving& within, std::unique_ptr<stream> over,
                 std::optional<tls_context> tls) {
    detail::server_state& server = place.server();
    if (tls) {
        try {
            auto encrypted =
                co_await tls_stream::server(std::move(over), *tls, server.options.tls_handshake_time_max);
            over = std::make_unique<tls_stream>(std::move(encrypted));
        } catch (const std::system_error& e) {
            ++server.counts.refused;
            log(log_level::debug, "http: {}", e.what());
            co_return;
        }
    }
    detail::server_connection connection(server, within, std::move(over),
                                         simul::detail::require_scheduler("http::server"));
    co_await connection.run();
}

template <class Listener>
task<> accept_all(service& s, Listener& listener, const std::optional<tls_context>& tls, task_group& group) {
    for (;;) {
        co_await s.server.room.wait();
        bool none_free = false;
        try {
            auto accepted = co_await listener.accept();
            group.spawn(serve_one, counted(s.server), std::ref(s.connections),
                        std::unique_ptr<stream>(std::make_unique<decltype(accepted)>(std::move(accepted))),
                        tls);
        } catch (const std::system_error& e) {
            if (e.code() != condition::retry_later) throw;
            log(log_level::warning, "http: {}", e.what());
            none_free = true;
        }
        if (none_free) co_await sleep_for(accept_again_after);
    }
}

/// Tells the service which scope to cancel, as long as there is one: accepting may also end with an error.
struct accepting_in {
    accepting_in(service& s, cancel_scope& scope) noexcept : of(s) { of.accepting = &scope; }
    accepting_in(const accepting_in&) = delete;
    accepting_in& operator=(const accepting_in&) = delete;
    ~accepting_in() { of.accepting = nullptr; }
    service& of;
};

template <class Listener>
task<> serve_until_stopped(service& s, Listener& listener, const std::optional<tls_context>& tls) {
    co_await with_group([&](task_group& group) -> task<> {
        co_await with_scope([&](cancel_scope& scope) -> task<> {
            const accepting_in until_left(s, scope);
            if (s.stopped) scope.cancel("the server was canceled");
            co_await accept_all(s, listener, tls, group);
        });
        listener.close();
        s.connections.drain();
        if (!co_await move_on_after(s.server.options.drain_time_max, group.join())) {
            log(log_level::warning,
                "http: {} requests did not end within {} and are canceled (drain_time_max)", group.size(),
                describe(s.server.options.drain_time_max));
            group.cancel("the server's drain_time_max has passed");
        }
    });
}

template <class Listener>
task<> serve_on(detail::server_state& server, Listener listener, std::optional<tls_context> tls) {
    service s{server, {}, nullptr, false};
    co_await race(shield(serve_until_stopped(s, listener, tls)), tell_of_cancel(s));
}

}  // namespace

server::server(server_options options) : state_(std::make_unique<detail::server_state>(std::move(options))) {
    state_->room.set();
    if (!state_->options.name.empty()) headers().set("server", state_->options.name);  // or it throws
}
server::server(server&&) noexcept = default;
server& server::operator=(server&&) noexcept = default;
server::~server() = default;

detail::server_state& server::state() const {
    if (!state_)
        throw std::system_error(make_error_code(simul::errc::wrong_state),
                                "http::server: it was moved from; use the one that it was moved to");
    return *state_;
}

void server::add(method how, std::string_view pattern, detail::handler handler, route_options options) {
    state().routes.add(std::move(how), pattern, std::move(handler), options);
}

task<> server::serve(tcp_listener listener) { return serve_on(state(), std::move(listener), std::nullopt); }
task<> server::serve(unix_listener listener) { return serve_on(state(), std::move(listener), std::nullopt); }
task<> server::serve(tcp_listener listener, tls_context tls) {
    return serve_on(state(), std::move(listener), std::optional<tls_context>(std::move(tls)));
}

namespace {
task<> serve_alone(detail::server_state& server, std::unique_ptr<stream> over) {
    detail::serving alone;
    co_await serve_one(counted(server), alone, std::move(over), std::nullopt);
}
}  // namespace

task<> server::serve_connection(std::unique_ptr<stream> connection) {
    if (!connection) throw data_error("http::server: serve_connection was given no connection");
    return serve_alone(state(), std::move(connection));
}

const server_options& server::settings() const noexcept {
    static const server_options none;  // of one that was moved from
    return state_ ? state_->options : none;
}
server_statistics server::statistics() const noexcept {
    return state_ ? state_->counts : server_statistics();
}

}  // namespace simul::http
