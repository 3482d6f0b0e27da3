#pragma once

#include <cstdint>
#include <string_view>

#include <simul/net/endpoint.hpp>
#include <simul/net/socket.hpp>
#include <simul/net/tcp_stream.hpp>

namespace simul {

struct tcp_listen_options {
    /// Connections that may wait for accept; the kernel's limit (net.core.somaxconn) may be lower.
    int backlog = 4096;
    /// Let several listeners have the same address; the kernel spreads connections over them. For one
    /// listener per loop.
    bool reuse_port = false;
    /// On an IPv6 address, refuse IPv4.
    bool v6_only = false;
    /// Of the accepted connections, as in tcp_options.
    bool nodelay = true;
    bool keepalive = false;
    int receive_buffer_bytes = 0;
    int send_buffer_bytes = 0;
};

/// Accepts TCP connections.
///
/// In flight: any number of accepts. Threads: the loop that accepts first; each loop wants its own listener.
class tcp_listener final : public detail::socket_listener {
  public:
    /// Listens at `at`; port 0: a free one, see local_endpoint(). Throws std::system_error ("listen on
    /// 0.0.0.0:80: Permission denied").
    static tcp_listener bind(endpoint at, tcp_listen_options options = {});
    /// The same for an IP address in text; throws data_error for a name.
    static tcp_listener bind(std::string_view address, std::uint16_t port, tcp_listen_options options = {}) {
        return bind(endpoint(ip_address::parse(address), port), options);
    }

    tcp_listener(tcp_listener&&) noexcept = default;

    /// The next connection.
    ///
    /// Cancel:  a connection that comes in that moment stays with the listener, for the next accept.
    /// Throws:  condition::retry_later (EMFILE, ENFILE) when no descriptor is free: wait a little, or close
    ///          some; the listener stays usable, and who knocks waits in its backlog. Errors that concern one
    ///          connection only are passed over.
    auto accept() noexcept { return detail::accept_operation<tcp_stream>(*this); }

    endpoint local_endpoint() const noexcept { return local_; }

  private:
    tcp_listener(detail::descriptor socket, endpoint local)
        : socket_listener(std::move(socket), local.to_string()), local_(local) {}
    endpoint local_;
};

}  // namespace simul
