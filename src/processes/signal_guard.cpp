#include "processes/signal_guard.hpp"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>

namespace simul::detail {

// A pipe has no MSG_NOSIGNAL. So the signal, which goes to the writing thread, is blocked around the call,
// and taken away if the call raised it. One that was pending before is not ours and stays.
ssize_t write_without_sigpipe(int fd, std::string_view data) noexcept {
    sigset_t pipe;
    sigset_t before;
    sigset_t pending;
    ::sigemptyset(&pipe);
    ::sigaddset(&pipe, SIGPIPE);
    ::sigpending(&pending);
    const bool was_pending = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &pipe, &before);
    const ssize_t written = ::write(fd, data.data(), data.size());
    const int error = errno;
    if (written < 0 && error == EPIPE && !was_pending) {
        const timespec now{};
        while (::sigtimedwait(&pipe, nullptr, &now) < 0 && errno == EINTR) {
        }
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = error;
    return written;
}

}  // namespace simul::detail
