#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include <simul/processes/wire.hpp>
#include "processes/fd.hpp"

/// Frames over sockets, for the two ends that wait in system calls: the zygote and the workers; and for the
/// small messages of the program, which never wait.
namespace simul::detail {

/// The most descriptors that go with one message.
inline constexpr std::size_t message_fds_max = 2;
using message_fds = std::array<owned_fd, message_fds_max>;

enum class wait { yes, no };

struct received {
    enum class kind { frame, nothing_yet, end } what;
    wire::frame frame;  ///< for kind::frame
    message_fds fds;
};

/// Sends one frame as one datagram, with copies of `fds`. 0, or the errno.
int send_message(int socket, std::string_view frame, std::span<const int> fds, wait how);

/// Receives one datagram. A connection that was reset is an end. Throws process_errc::bad_message.
received receive_message(int socket, wait how);

/// Writes all of `bytes` to a stream socket; waits as long as it takes. 0, or the errno.
int write_all(int socket, std::string_view bytes);

}  // namespace simul::detail
