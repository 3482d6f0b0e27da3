#include "processes/zygote_process.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>

#include <simul/base/error.hpp>

namespace simul::detail {
namespace {

// Keys of epoll events; others are pids.
constexpr std::uint64_t control_key = ~std::uint64_t{0};
constexpr std::uint64_t program_key = control_key - 1;
constexpr std::uint64_t signals_key = control_key - 2;

constexpr int exit_without_parent = 1;

[[noreturn]] void become_worker(const char* name, int channel, pid_t zygote) noexcept {
    // The second line of defence: if the zygote dies without killing its workers, the kernel does it.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != zygote) ::_exit(exit_without_parent);
    ::setpgid(0, 0);
    ::prctl(PR_SET_NAME, name);
    close_all_but({&channel, 1});
    reset_signals();
    run_worker(channel);
}

}  // namespace

void reset_signals() noexcept {
    default_dispositions();
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void default_dispositions() noexcept {
    struct sigaction action{};
    action.sa_handler = SIG_DFL;
    for (int number = 1; number <= SIGRTMAX; ++number) ::sigaction(number, &action, nullptr);
}

void close_all_but(std::span<const int> kept) noexcept {
    unsigned from = STDERR_FILENO + 1;
    for (const int fd : kept) {
        const auto number = static_cast<unsigned>(fd);
        if (number > from) ::close_range(from, number - 1, 0);
        from = number + 1;
    }
    ::close_range(from, ~0U, 0);
}

void zygote_process::run() noexcept {
    try {
        prepare();
        for (;;) {
            epoll_event events[16];
            const int count = ::epoll_wait(poll_.get(), events, std::size(events), -1);
            if (count < 0 && errno != EINTR) end();
            for (int i = 0; i < count; ++i) handle(events[i]);
        }
    } catch (...) {  // an edge: out of memory or descriptors; the program sees its workers and the zygote die
        end();
    }
}

void zygote_process::prepare() {
    ::prctl(PR_SET_NAME, "simul-zygote");
    // A group of its own: Ctrl-C in the terminal is for the program, which then ends this one.
    ::setpgid(0, 0);
    const int low = std::min(control_.get(), program_.get());
    const int kept[] = {low, std::max(control_.get(), program_.get())};
    close_all_but(kept);
    if (owned_fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC)); null) ::dup2(null.get(), STDIN_FILENO);

    // Blocked, not ignored: a worker inherits that, so a signal that reaches it before it is ready waits
    // until it is.
    default_dispositions();  // they stay blocked as they were over the fork: there is no moment without
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_BLOCK, &all, nullptr);
    sigset_t child;
    ::sigemptyset(&child);
    ::sigaddset(&child, SIGCHLD);

    signals_ = owned_fd(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
    poll_ = owned_fd(::epoll_create1(EPOLL_CLOEXEC));
    if (!signals_ || !poll_) throw_errno(errno, "zygote: signalfd or epoll_create1");
    watch(control_.get(), control_key);
    watch(program_.get(), program_key);
    watch(signals_.get(), signals_key);
}

void zygote_process::watch(int fd, std::uint64_t key) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = key;
    if (::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) throw_errno(errno, "zygote: epoll_ctl");
}

void zygote_process::unwatch(int fd) const { ::epoll_ctl(poll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

void zygote_process::handle(const epoll_event& event) {
    switch (event.data.u64) {
        case control_key:
            return handle_control();
        case program_key:
            end();
        case signals_key:
            return reap();
        default:
            return handle_status(static_cast<pid_t>(event.data.u64));
    }
}

void zygote_process::handle_control() {
    received message = receive_message(control_.get(), wait::no);
    if (message.what == received::kind::end) end();
    if (message.what != received::kind::frame || message.frame.type != wire::frame_type::start) return;
    if (!message.fds[0] || !message.fds[1])
        return;  // no room for descriptors here: the program sees both ends close
    start_worker(wire::decode_start(message.frame.payload), std::move(message.fds[0]),
                 std::move(message.fds[1]));
}

void zygote_process::start_worker(const wire::start_message& message, owned_fd channel, owned_fd status) {
    const pid_t zygote = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) become_worker(message.name.c_str(), channel.get(), zygote);
    if (pid < 0) {
        const int error = errno;
        send_message(status.get(), wire::encode(wire::start_failed_message{error, "fork a worker"}), {},
                     wait::no);
        return;
    }
    ::setpgid(pid, pid);  // here too: whoever comes first, the group exists when it is to be killed
    send_message(status.get(), wire::encode(wire::started_message{pid}), {}, wait::no);
    watch(status.get(), static_cast<std::uint64_t>(pid));
    workers_.emplace(pid, worker{std::move(status), std::move(channel)});
}

void zygote_process::handle_status(pid_t pid) {
    auto found = workers_.find(pid);
    if (found == workers_.end()) return;  // it was reaped while its event waited in the same batch
    worker& its = found->second;
    received message = receive_message(its.status.get(), wait::no);
    if (message.what == received::kind::end) {
        ::kill(-pid, SIGKILL);
        unwatch(its.status.get());
        its.status.close();
        return;
    }
    if (message.what != received::kind::frame || message.frame.type != wire::frame_type::signal) return;
    const int number = wire::decode_signal(message.frame.payload).number;
    ::kill(number == SIGKILL ? -pid : pid, number);
}

void zygote_process::reap() {
    signalfd_siginfo ignored;
    while (::read(signals_.get(), &ignored, sizeof ignored) > 0) {
    }
    for (;;) {
        siginfo_t info{};
        if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
        // What the worker left behind in its group goes with it. Before it is reaped, while the number is its
        // own.
        ::kill(-info.si_pid, SIGKILL);
        ::waitid(P_PID, static_cast<id_t>(info.si_pid), &info, WEXITED);
        report_end(info.si_pid, info.si_code, info.si_status);
    }
}

void zygote_process::report_end(pid_t pid, int how, int value) {
    auto found = workers_.find(pid);
    if (found == workers_.end()) return;
    worker& its = found->second;
    if (its.status) {
        wire::exited_message message;
        (how == CLD_EXITED ? message.code : message.signal) = value;
        message.core_dumped = how == CLD_DUMPED;
        int unread = 0;
        message.unread = ::ioctl(its.channel.get(), FIONREAD, &unread) == 0 && unread > 0;
        send_message(its.status.get(), wire::encode(message), {}, wait::no);
        unwatch(its.status.get());
    }
    ::shutdown(its.channel.get(), SHUT_RDWR);
    workers_.erase(found);
}

void zygote_process::end() noexcept {
    for (const auto& [pid, ignored] : workers_) ::kill(-pid, SIGKILL);
    siginfo_t info{};
    while (::waitid(P_ALL, 0, &info, WEXITED) == 0 || errno == EINTR) {
    }
    ::_exit(0);
}

}  // namespace simul::detail
