#include <simul/net/tcp_listener.hpp>

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include <simul/base/error.hpp>

#include "net/socket_address.hpp"

namespace simul {

tcp_listener tcp_listener::bind(endpoint at, tcp_listen_options options) {
    const std::string name = at.to_string();
    const std::string call = "listen on " + name;
    detail::descriptor socket(
        ::socket(at.address.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));
    if (!socket.open()) throw_errno(errno, call);
    const int fd = socket.get();
    const auto set = [&](int level, int option, int value, const char* what) {
        detail::set_socket_option(fd, level, option, value, what, name);
    };
    set(SOL_SOCKET, SO_REUSEADDR, 1, "reuse_address");
    if (options.reuse_port) set(SOL_SOCKET, SO_REUSEPORT, 1, "reuse_port");
    if (at.address.is_v6()) set(IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only ? 1 : 0, "v6_only");
    // Accepted sockets inherit these from the listening one, which saves a call for each.
    if (options.nodelay) set(IPPROTO_TCP, TCP_NODELAY, 1, "nodelay");
    if (options.keepalive) set(SOL_SOCKET, SO_KEEPALIVE, 1, "keepalive");
    if (options.receive_buffer_bytes > 0)
        set(SOL_SOCKET, SO_RCVBUF, options.receive_buffer_bytes, "receive_buffer_bytes");
    if (options.send_buffer_bytes > 0)
        set(SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes, "send_buffer_bytes");
    detail::socket_address address(at);
    if (::bind(fd, address.data(), address.size) != 0 || ::listen(fd, options.backlog) != 0)
        throw_errno(errno, call);
    const endpoint local = detail::local_endpoint_of(fd);
    return tcp_listener(std::move(socket), local);
}

}  // namespace simul
