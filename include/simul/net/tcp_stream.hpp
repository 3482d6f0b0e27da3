#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <simul/base/time.hpp>
#include <simul/core/task.hpp>
#include <simul/net/endpoint.hpp>
#include <simul/net/resolver.hpp>
#include <simul/net/socket.hpp>

namespace simul {

struct tcp_options {
    /// Send small writes at once instead of collecting them (TCP_NODELAY).
    bool nodelay = true;
    /// Let the kernel ask a silent peer whether it is still there, after `keepalive_idle`.
    bool keepalive = false;
    std::chrono::seconds keepalive_idle = std::chrono::seconds(60);
    /// Sizes of the kernel's buffers in bytes; 0: the kernel's own choice, which adapts.
    int receive_buffer_bytes = 0;
    int send_buffer_bytes = 0;
    /// How long one address may take to answer; then the next one is tried.
    duration connect_time_max = std::chrono::seconds(30);
    /// Looks up names; null: one of its own for this call. Lifetime: until connect returns.
    const resolver* names = nullptr;
};

/// A TCP connection.
class tcp_stream final : public detail::socket_stream {
  public:
    /// Connects to `host`, a name or an IP address; tries all its addresses in order until one answers.
    ///
    /// Cancel:  at any point; nothing is left behind.
    /// Throws:  what the look-up throws; the last address's error, in a text that names each one:
    ///          "connect example.org:443 (tried ::1: Connection refused; 10.0.0.1): Connection timed out".
    static task<tcp_stream> connect(std::string host, std::uint16_t port, tcp_options options = {});
    /// Connects to one address.
    static task<tcp_stream> connect(endpoint to, tcp_options options = {});

    /// Takes a connected socket over and closes it in the end.
    static tcp_stream adopt(int fd) noexcept { return tcp_stream(detail::descriptor(fd)); }

    tcp_stream(tcp_stream&&) noexcept = default;
    tcp_stream& operator=(tcp_stream&&) noexcept = default;

    endpoint local_endpoint() const noexcept;
    /// Zeros if it is closed or was reset.
    endpoint peer_endpoint() const noexcept;
    std::string describe() const override;

  private:
    friend detail::accept_operation<tcp_stream>;
    explicit tcp_stream(detail::descriptor socket, std::string name = {}) noexcept
        : socket_stream(std::move(socket)), name_(std::move(name)) {}
    static task<tcp_stream> connect_one(endpoint to, std::string name, tcp_options options);

    std::string name_;  // of a connected one; an accepted one asks when a message needs it
};

}  // namespace simul
