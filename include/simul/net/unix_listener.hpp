#pragma once

#include <sys/types.h>

#include <string>

#include <simul/net/socket.hpp>
#include <simul/net/unix_stream.hpp>

namespace simul {

struct unix_listen_options {
    /// Connections that may wait for accept.
    int backlog = 4096;
    /// Permissions of the socket's file: who may write to it may connect.
    mode_t mode = 0600;
    /// Remove a socket file on which nobody listens any more (its process was killed).
    bool replace_stale = true;
};

/// Accepts connections at a path of the file system, or at an abstract name ("@name").
class unix_listener final : public detail::socket_listener {
  public:
    /// Listens at `path`. Throws EADDRINUSE if somebody listens there, net_errc::address_in_use_by_other if
    /// the file is something else (it is left alone), data_error if the path is too long.
    static unix_listener bind(std::string path, unix_listen_options options = {});

    unix_listener(unix_listener&& other) noexcept;
    /// Removes the socket's file if it is still its own.
    ~unix_listener();

    /// The next connection. Cancel and errors as with tcp_listener::accept.
    auto accept() noexcept { return detail::accept_operation<unix_stream>(*this); }

    const std::string& path() const noexcept { return describe(); }

  private:
    unix_listener(detail::descriptor socket, std::string path, dev_t device, ino_t file) noexcept
        : socket_listener(std::move(socket), std::move(path)), device_(device), file_(file) {}
    dev_t device_;
    ino_t file_;  ///< 0: abstract
};

}  // namespace simul
