#pragma once

#include <string>

#include <simul/core/task.hpp>
#include <simul/net/socket.hpp>

namespace simul {

/// A connection over a Unix socket, to a process of the same machine.
class unix_stream final : public detail::socket_stream {
  public:
    /// Connects to the socket at `path`; "@name" is an abstract one (a file of that name is "./@name").
    ///
    /// Cancel:  at any point; nothing is left behind.
    /// Throws:  "connect /run/redis.sock: No such file or directory"; data_error for a path longer than the
    ///          system's 107 bytes.
    static task<unix_stream> connect(std::string path);

    /// Takes a connected socket over and closes it in the end (one of a socketpair, say).
    static unix_stream adopt(int fd, std::string name = "a Unix socket") noexcept {
        return unix_stream(detail::descriptor(fd), std::move(name));
    }

    unix_stream(unix_stream&&) noexcept = default;
    unix_stream& operator=(unix_stream&&) noexcept = default;

    std::string describe() const override { return name_; }

  private:
    friend detail::accept_operation<unix_stream>;
    explicit unix_stream(detail::descriptor socket, std::string name = "a client of a Unix socket") noexcept
        : socket_stream(std::move(socket)), name_(std::move(name)) {}
    std::string name_;
};

}  // namespace simul
