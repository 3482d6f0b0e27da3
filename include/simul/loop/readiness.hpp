#pragma once

#include <poll.h>

#include <simul/loop/io.hpp>

/// Waiting for descriptors that belong to other libraries (a database client, inotify, a pidfd, a terminal).
namespace simul {
namespace detail {

class [[nodiscard("await it")]] poll_operation final : public io_operation<poll_operation> {
  public:
    poll_operation(int descriptor, int events) noexcept : io_operation(io_kind::poll, descriptor) {
        flags = events;
    }
    poll_operation(poll_operation&& other) noexcept : io_operation(io_kind::poll, other.fd) {
        flags = other.flags;
    }
    void result() const {
        if (io_op::result < 0) throw_io_error(io_op::result, "wait for a descriptor");
    }
};

}  // namespace detail

/// Waits until reading from `fd` would not block, or it has an error or has ended.
///
/// The descriptor stays its owner's; it must stay open until this returns. Level-triggered: asks what is now.
/// A regular file is always ready. Throws: EBADF and the like. Threads: one loop; several tasks may wait for
/// one fd.
inline auto wait_readable(int fd) { return detail::poll_operation(fd, POLLIN); }
/// The same for writing.
inline auto wait_writable(int fd) { return detail::poll_operation(fd, POLLOUT); }

}  // namespace simul
