#include <simul/net/tcp_stream.hpp>

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <exception>
#include <vector>

#include <simul/base/error.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/timeout.hpp>

#include "net/connect.hpp"
#include "net/socket_address.hpp"

namespace simul {
namespace {

detail::descriptor open_socket(const endpoint& to, const std::string& name, const tcp_options& options) {
    detail::descriptor socket(
        ::socket(to.address.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));
    if (!socket.open()) throw_errno(errno, "connect " + name);
    const int fd = socket.get();
    if (options.nodelay) detail::set_socket_option(fd, IPPROTO_TCP, TCP_NODELAY, 1, "nodelay", name);
    if (options.keepalive) {
        detail::set_socket_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1, "keepalive", name);
        detail::set_socket_option(fd, IPPROTO_TCP, TCP_KEEPIDLE,
                                  static_cast<int>(options.keepalive_idle.count()), "keepalive_idle", name);
    }
    if (options.receive_buffer_bytes > 0)
        detail::set_socket_option(fd, SOL_SOCKET, SO_RCVBUF, options.receive_buffer_bytes,
                                  "receive_buffer_bytes", name);
    if (options.send_buffer_bytes > 0)
        detail::set_socket_option(fd, SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes, "send_buffer_bytes",
                                  name);
    return socket;
}

/// What the connect came to: 0 or an errno.
task<int> try_connect(detail::descriptor& socket, endpoint to, duration time_max) {
    loop& here = this_loop();
    socket.used_on(detail::loop_access::as_scheduler(here));
    auto connected =
        co_await move_on_after(time_max, detail::connect_operation(socket.get(), detail::socket_address(to)));
    if (!connected) co_return ETIMEDOUT;
    if (*connected == -ENOTSUP) detail::throw_io_error(*connected, ("connect " + to.to_string()).c_str());
    // A port of this machine on which nobody listens may be the one the kernel chose for us: then we are
    // connected to ourselves.
    if (*connected == 0 && to.address.is_loopback() && detail::local_endpoint_of(socket.get()) == to)
        co_return ECONNREFUSED;
    co_return -*connected;
}

}  // namespace

task<tcp_stream> tcp_stream::connect_one(endpoint to, std::string name, tcp_options options) {
    detail::descriptor socket = open_socket(to, name, options);
    const int error = co_await try_connect(socket, to, options.connect_time_max);
    if (error != 0) throw_errno(error, "connect " + name);
    co_return tcp_stream(std::move(socket), std::move(name));
}

task<tcp_stream> tcp_stream::connect(endpoint to, tcp_options options) {
    co_return co_await connect_one(to, to.to_string(), options);
}

task<tcp_stream> tcp_stream::connect(std::string host, std::uint16_t port, tcp_options options) {
    if (const auto address = ip_address::try_parse(host)) {
        const endpoint to(*address, port);
        co_return co_await connect_one(to, to.to_string(), options);
    }
    const resolver own;
    const resolver& names = options.names != nullptr ? *options.names : own;
    const std::vector<ip_address> addresses = co_await names.resolve(host);
    const std::string name = fmt::format("{}:{}", host, port);
    std::string tried;
    for (std::size_t i = 0;; ++i) {
        const endpoint to(addresses[i], port);
        detail::descriptor socket = open_socket(to, name, options);
        const int error = co_await try_connect(socket, to, options.connect_time_max);
        if (error == 0) co_return tcp_stream(std::move(socket), name);
        if (i + 1 == addresses.size())
            throw_errno(error, fmt::format("connect {} ({}{}{})", name, tried.empty() ? "" : "tried ", tried,
                                           addresses[i].to_string()));
        tried += fmt::format("{}: {}; ", addresses[i].to_string(), std::generic_category().message(error));
    }
}

endpoint tcp_stream::local_endpoint() const noexcept { return detail::local_endpoint_of(native_handle()); }
endpoint tcp_stream::peer_endpoint() const noexcept { return detail::peer_endpoint_of(native_handle()); }

std::string tcp_stream::describe() const {
    if (!name_.empty()) return name_;
    if (native_handle() < 0) return "a TCP connection";
    const endpoint peer = peer_endpoint();
    if (peer.port != 0) return peer.to_string();
    return fmt::format("a client of {}", local_endpoint().to_string());
}

}  // namespace simul
