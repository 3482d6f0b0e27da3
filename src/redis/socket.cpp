#include "redis/socket.hpp"

#include <simul/loop/blocking.hpp>
#include <simul/loop/readiness.hpp>

#include <fmt/format.h>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace simul::redis::detail {
namespace {

struct address {
    sockaddr_storage data{};
    socklen_t size = 0;
    int family = 0;
};

std::vector<address> look_up(const std::string& host, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (code != 0)
        throw std::system_error(std::make_error_code(std::errc::host_unreachable),
                                fmt::format("look up {}: {}", host, ::gai_strerror(code)));
    std::vector<address> all;
    for (addrinfo* a = found; a != nullptr; a = a->ai_next) {
        address one;
        std::memcpy(&one.data, a->ai_addr, a->ai_addrlen);
        one.size = a->ai_addrlen;
        one.family = a->ai_family;
        all.push_back(one);
    }
    ::freeaddrinfo(found);
    return all;
}

}  // namespace

socket::~socket() {
    if (fd_ >= 0) ::close(fd_);
}

task<socket> socket::open(const client_options& options) {
    std::vector<address> candidates;
    if (!options.socket.empty()) {
        address one;
        auto* un = reinterpret_cast<sockaddr_un*>(&one.data);
        if (options.socket.size() >= sizeof un->sun_path)
            throw_errno(ENAMETOOLONG, "connect " + options.shown());
        un->sun_family = AF_UNIX;
        std::memcpy(un->sun_path, options.socket.c_str(), options.socket.size() + 1);
        one.size = sizeof *un;
        one.family = AF_UNIX;
        candidates.push_back(one);
    } else {
        candidates = co_await blocking(look_up, options.host, options.port);
    }
    int err = 0;
    for (const address& to : candidates) {
        socket s(::socket(to.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (s.fd_ < 0) throw_errno(errno, "make a socket for " + options.shown());
        if (::connect(s.fd_, reinterpret_cast<const sockaddr*>(&to.data), to.size) != 0) {
            err = errno;
            if (err != EINPROGRESS && err != EAGAIN) continue;
            co_await wait_writable(s.fd_);
            socklen_t size = sizeof err;
            ::getsockopt(s.fd_, SOL_SOCKET, SO_ERROR, &err, &size);
            if (err != 0) continue;
        }
        if (to.family != AF_UNIX) {
            int on = 1;
            ::setsockopt(s.fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            ::setsockopt(s.fd_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        }
        co_return std::move(s);
    }
    throw_errno(err, "connect " + options.shown());
}

task<std::size_t> socket::read_some(std::span<char> into) {
    for (;;) {
        ssize_t n = ::recv(fd_, into.data(), into.size(), 0);
        if (n >= 0) co_return static_cast<std::size_t>(n);
        if (errno == EINTR) continue;
        if (errno != EAGAIN) throw_errno(errno, "recv");
        co_await wait_readable(fd_);
    }
}

task<void> socket::write_all(std::string_view data) {
    while (!data.empty()) {
        ssize_t n = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
        if (n >= 0) {
            data.remove_prefix(static_cast<std::size_t>(n));
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN) throw_errno(errno, "send");
        co_await wait_writable(fd_);
    }
}

}  // namespace simul::redis::detail
