#include <simul/processes/zygote.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>

#include <simul/base/error.hpp>
#include <simul/base/log.hpp>
#include <simul/core/scheduler.hpp>
#include <simul/processes/error.hpp>
#include "processes/zygote_link.hpp"
#include "processes/zygote_process.hpp"

namespace simul {
namespace {

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SIMUL_UNDER_TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define SIMUL_UNDER_TSAN 1
#endif

/// What the program knows about its zygote.
struct zygote_state {
    std::mutex mutex;
    pid_t owner = 0;  ///< who made it: in a forked child this is not us, and the rest is not ours
    pid_t pid = 0;
    detail::owned_fd control;
    std::string death;  ///< how the last one ended, if it was not stopped and has no successor

    bool ours() const noexcept { return pid != 0 && owner == ::getpid(); }

    /// End of file on the control socket: the zygote is gone.
    bool alive() const noexcept {
        pollfd entry{control.get(), POLLIN, 0};
        return ours() && ::poll(&entry, 1, 0) == 0;
    }

    void forget() noexcept {
        control.close();
        pid = 0;
    }
};

zygote_state& state() noexcept {
    static auto* const instance =
        new zygote_state;  // never destroyed: processes may outlive static destructors
    return *instance;
}

/// Threads that run code of this program. Those the kernel adds for io_uring ("iou-wrk-...") hold none of its
/// locks.
int count_threads() {
    std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/task"), &::closedir);
    if (!folder) throw_errno(errno, "open /proc/self/task to count the program's threads");
    int threads = 0;
    while (const dirent* entry = ::readdir(folder.get())) {
        if (entry->d_name[0] == '.') continue;
        std::ifstream in(fmt::format("/proc/self/task/{}/comm", entry->d_name));
        std::string name;
        std::getline(in, name);
        if (!name.starts_with("iou-")) ++threads;
    }
#ifdef SIMUL_UNDER_TSAN
    if (threads > 1) --threads;  // ThreadSanitizer has a thread of its own, which survives a fork
#endif
    return threads;
}

void flush_streams() {
    std::fflush(nullptr);
    std::cout.flush();
    std::wcout.flush();
    std::clog.flush();
    std::wclog.flush();
}

void create(std::unique_lock<std::mutex>& lock) {
    if (const int threads = count_threads(); threads > 1)
        throw std::system_error(
            process_errc::threads_exist,
            fmt::format("processes: call simul::zygote::start() at the beginning of main, or at least before "
                        "anything that starts threads (stores, thread_pool, name look-ups): this program has "
                        "{} by now",
                        threads));
    flush_streams();

    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        throw_errno(errno, "socketpair for the zygote");
    detail::owned_fd ours(pair[0]);
    detail::owned_fd theirs(pair[1]);
    detail::owned_fd program(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
    if (!program) throw_errno(errno, "pidfd_open for the zygote");

    // No handler of the program may run in the child before its signals are reset.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = ::fork();
    if (pid == 0) {
        lock.unlock();                                // a worker may make a zygote of its own
        detail::exchange_current_scheduler(nullptr);  // the loop that runs here stays with the program
        detail::zygote_process(std::move(theirs), std::move(program)).run();
    }
    const int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0) throw_errno(error, "fork the zygote");

    zygote_state& own = state();
    own.owner = ::getpid();
    own.pid = pid;
    own.control = std::move(ours);
    own.death.clear();
}

/// Reaps a zygote that has ended; gives how.
std::string take_end(zygote_state& own) {
    int status = 0;
    const pid_t reaped = ::waitpid(own.pid, &status, 0);
    const pid_t pid = own.pid;
    own.forget();
    if (reaped < 0) return fmt::format("the zygote (process {}) ended", pid);
    const exit_status end = WIFSIGNALED(status) ? exit_status::killed(WTERMSIG(status), WCOREDUMP(status))
                                                : exit_status::exited(WEXITSTATUS(status));
    return fmt::format("the zygote (process {}) {}{}", pid, end.signal() ? "was " : "", to_string(end));
}

/// Creates a zygote where there is none; says what became of the one before if that cannot be.
void replace_zygote(std::unique_lock<std::mutex>& lock) {
    const std::string death = state().death;
    try {
        create(lock);
    } catch (const std::system_error& e) {
        if (death.empty()) throw;
        throw std::system_error(
            process_errc::zygote_died,
            fmt::format("start a worker: {}, and no other one can be made: {}", death, e.what()));
    }
}

}  // namespace

void zygote::start() {
    zygote_state& own = state();
    std::unique_lock lock(own.mutex);
    if (own.alive()) return;
    if (own.ours())
        take_end(own);
    else
        own.forget();  // forked from a program that had one
    create(lock);
}

bool zygote::running() noexcept {
    zygote_state& own = state();
    std::lock_guard lock(own.mutex);
    return own.alive();
}

pid_t zygote::pid() noexcept {
    zygote_state& own = state();
    std::lock_guard lock(own.mutex);
    return own.ours() ? own.pid : 0;
}

void zygote::stop() noexcept {
    zygote_state& own = state();
    std::lock_guard lock(own.mutex);
    if (!own.ours()) return;
    own.control.close();
    while (::waitpid(own.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    own.forget();
}

void detail::request_worker(std::string_view name, int channel, int status) {
    zygote_state& own = state();
    std::unique_lock lock(own.mutex);
    const std::string frame = wire::encode(wire::start_message{std::string(name)});
    const int fds[] = {channel, status};
    for (bool again = false;; again = true) {
        if (!own.ours()) {
            own.forget();
            replace_zygote(lock);
        }
        const int error = send_message(own.control.get(), frame, fds, wait::yes);
        if (error == 0) return;
        if (error != EPIPE && error != ECONNRESET) throw_errno(error, "ask the zygote for a worker");
        own.death = take_end(own);
        if (again) throw std::system_error(process_errc::zygote_died, "start a worker: " + own.death);
        log(log_level::warning, "processes: {}", own.death);
    }
}

}  // namespace simul
