#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <string>
#include <string_view>

#include <simul/net/endpoint.hpp>

/// Our addresses in the form of the system calls, and back.
namespace simul::detail {

struct socket_address {
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_storage);

    socket_address() = default;
    explicit socket_address(const endpoint& at) noexcept;
    /// A Unix socket: a path, or an abstract name after '@'. Throws data_error if it does not fit.
    explicit socket_address(std::string_view unix_path);

    sockaddr* data() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
    int family() const noexcept { return storage.ss_family; }
    endpoint to_endpoint() const noexcept;
};

/// getsockname and getpeername; an endpoint of zeros if the socket has none.
endpoint local_endpoint_of(int fd) noexcept;
endpoint peer_endpoint_of(int fd) noexcept;

}  // namespace simul::detail
