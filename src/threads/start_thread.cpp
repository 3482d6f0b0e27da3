#include "threads/start_thread.hpp"

#include <pthread.h>

#include <csignal>
#include <system_error>
#include <utility>

namespace simul::detail {

std::thread start_thread(std::string name, std::function<void()> body) {
    // A thread inherits the mask. Signals that a thread raises by its own fault stay as they are.
    sigset_t blocked;
    sigset_t before;
    ::sigfillset(&blocked);
    for (const int own_fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS})
        ::sigdelset(&blocked, own_fault);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
    const auto restore = [&] { ::pthread_sigmask(SIG_SETMASK, &before, nullptr); };
    try {
        std::thread started([name = std::move(name), body = std::move(body)] {
            constexpr std::size_t shown_bytes = 15;
            ::pthread_setname_np(::pthread_self(), name.substr(0, shown_bytes).c_str());
            body();
        });
        restore();
        return started;
    } catch (const std::system_error& e) {
        restore();
        throw std::system_error(e.code(), "start a thread of a pool");
    }
}

}  // namespace simul::detail
