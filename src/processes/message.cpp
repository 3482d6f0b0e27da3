#include "processes/message.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include <simul/base/error.hpp>
#include <simul/processes/error.hpp>

namespace simul::detail {
namespace {

// The largest datagram: a start or a start_failed with its text.
constexpr std::size_t datagram_bytes_max = 4096;
constexpr std::size_t control_bytes = CMSG_SPACE(message_fds_max * sizeof(int));

}  // namespace

int send_message(int socket, std::string_view frame, std::span<const int> fds, wait how) {
    iovec part{const_cast<char*>(frame.data()), frame.size()};
    alignas(cmsghdr) char control[control_bytes] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(fds.size_bytes());
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
    }
    const int flags = MSG_NOSIGNAL | (how == wait::no ? MSG_DONTWAIT : 0);
    for (;;) {
        if (::sendmsg(socket, &message, flags) >= 0) return 0;
        if (errno != EINTR) return errno;
    }
}

received receive_message(int socket, wait how) {
    char datagram[datagram_bytes_max];
    alignas(cmsghdr) char control[control_bytes];
    iovec part{datagram, sizeof datagram};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t size = 0;
    do {
        size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (how == wait::no ? MSG_DONTWAIT : 0));
    } while (size < 0 && errno == EINTR);

    received result{received::kind::end, {}, {}};
    if (size < 0) {
        if (errno == EAGAIN)
            result.what = received::kind::nothing_yet;
        else if (errno != ECONNRESET)
            throw_errno(errno, "receive a message of the zygote");
        return result;
    }
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count && i < message_fds_max; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
            result.fds[i] = owned_fd(fd);
        }
    }
    if (size == 0) return result;

    wire::frame_reader reader(datagram_bytes_max);
    std::memcpy(reader.prepare().data(), datagram, static_cast<std::size_t>(size));
    reader.commit(static_cast<std::size_t>(size));
    auto frame = reader.next();
    if (!frame || !reader.at_boundary())
        throw std::system_error(process_errc::bad_message, "a datagram that is not one frame");
    result.what = received::kind::frame;
    result.frame = *std::move(frame);
    return result;
}

int write_all(int socket, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent >= 0)
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        else if (errno != EINTR)
            return errno;
    }
    return 0;
}

}  // namespace simul::detail
