#include <simul/processes/child.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>
#include <vector>

#include <simul/base/error.hpp>
#include <simul/loop/readiness.hpp>
#include <simul/loop/timeout.hpp>
#include <simul/processes/error.hpp>
#include <simul/processes/subprocess.hpp>
#include "processes/fd.hpp"
#include "processes/signal_guard.hpp"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX has it in no header

namespace simul {
namespace {

using detail::owned_fd;

constexpr std::size_t read_bytes_max = 64 * 1024;
constexpr int kill_wait_max_ms = 1000;

/// A pipe above the standard descriptors, so that moving its end to 0, 1 or 2 never overwrites another one.
struct pipe_ends {
    owned_fd ours;
    owned_fd theirs;
};

owned_fd above_standard(owned_fd fd) {
    if (fd.get() > STDERR_FILENO) return fd;
    owned_fd moved(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!moved) throw_errno(errno, "fcntl(F_DUPFD_CLOEXEC)");
    return moved;
}

pipe_ends make_pipe(bool we_read) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno(errno, "pipe for a program");
    owned_fd read_end(ends[0]);
    owned_fd write_end(ends[1]);
    pipe_ends result{above_standard(std::move(we_read ? read_end : write_end)),
                     above_standard(std::move(we_read ? write_end : read_end))};
    if (::fcntl(result.ours.get(), F_SETFL, O_NONBLOCK) != 0) throw_errno(errno, "fcntl(O_NONBLOCK)");
    return result;
}

/// What posix_spawn is to do in the child, in order.
class file_actions {
  public:
    file_actions() { ::posix_spawn_file_actions_init(&actions_); }
    ~file_actions() { ::posix_spawn_file_actions_destroy(&actions_); }
    file_actions(const file_actions&) = delete;
    file_actions& operator=(const file_actions&) = delete;

    void move(int from, int to) { check(::posix_spawn_file_actions_adddup2(&actions_, from, to)); }
    void open_null(int to, int flags) {
        check(::posix_spawn_file_actions_addopen(&actions_, to, "/dev/null", flags, 0));
    }
    void change_directory(const std::string& path) {
        check(::posix_spawn_file_actions_addchdir_np(&actions_, path.c_str()));
    }
    void close_others() { check(::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1)); }
    const posix_spawn_file_actions_t* get() const { return &actions_; }

  private:
    static void check(int error) {
        if (error != 0) throw_errno(error, "prepare to start a program");
    }
    posix_spawn_file_actions_t actions_{};
};

/// Default signals, none blocked, a group or session of its own.
class spawn_attributes {
  public:
    explicit spawn_attributes(bool new_session) {
        ::posix_spawnattr_init(&attributes_);
        sigset_t set;
        ::sigfillset(&set);
        ::posix_spawnattr_setsigdefault(&attributes_, &set);
        ::sigemptyset(&set);
        ::posix_spawnattr_setsigmask(&attributes_, &set);
        ::posix_spawnattr_setpgroup(&attributes_, 0);
        const int flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                          (new_session ? static_cast<int>(POSIX_SPAWN_SETSID) : POSIX_SPAWN_SETPGROUP);
        ::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags));
    }
    ~spawn_attributes() { ::posix_spawnattr_destroy(&attributes_); }
    spawn_attributes(const spawn_attributes&) = delete;
    spawn_attributes& operator=(const spawn_attributes&) = delete;
    const posix_spawnattr_t* get() const { return &attributes_; }

  private:
    posix_spawnattr_t attributes_{};
};

/// Pointers to strings, null at the end, as exec wants them.
std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> result;
    for (const std::string& each : strings) result.push_back(const_cast<char*>(each.c_str()));
    result.push_back(nullptr);
    return result;
}

void set_variable(std::vector<std::string>& variables, std::string_view name,
                  const std::optional<std::string>& value) {
    std::erase_if(variables, [&](std::string_view each) {
        return each.size() > name.size() && each.starts_with(name) && each[name.size()] == '=';
    });
    if (value) variables.push_back(fmt::format("{}={}", name, *value));
}

std::vector<std::string> environment_of(const subprocess_options& options) {
    std::vector<std::string> variables;
    if (options.inherit_environment)
        for (char** each = environ; each != nullptr && *each != nullptr; ++each)
            variables.emplace_back(*each);
    for (const auto& [name, value] : options.environment) set_variable(variables, name, value);
    return variables;
}

bool has_nul(std::string_view text) { return text.find('\0') != text.npos; }

/// A zero byte would end a text early: another file, another argument than the caller meant.
void refuse_nul(const subprocess_options& options) {
    bool found = has_nul(options.program) || has_nul(options.directory) ||
                 std::ranges::any_of(options.arguments, &has_nul);
    for (const auto& [name, value] : options.environment) {
        found = found || has_nul(name) || (value && has_nul(*value));
        if (name.empty() || name.find('=') != name.npos)
            throw_errno(EINVAL, fmt::format("run {}: the name of an environment variable is \"{}\"",
                                            options.program, name));
    }
    if (found) throw_errno(EINVAL, fmt::format("run {}: a zero byte in an argument", options.program));
}

[[noreturn]] void throw_not_started(int error, const subprocess_options& options) {
    std::string what = fmt::format("run {}", options.program);
    if (!options.directory.empty() && ::access(options.directory.c_str(), X_OK) != 0)
        what += fmt::format(" in directory {}", options.directory);
    else if (error == ENOENT && options.program.find('/') == std::string::npos)
        what += ": not found in PATH";
    else if (error == ENOENT && ::access(options.program.c_str(), F_OK) == 0)
        what += ": its interpreter (the first line of a script, or the loader of a program) is missing";
    throw_errno(error, what);
}

}  // namespace

struct child::state {
    explicit state(std::string name) : program(std::move(name)) {}

    void spawn(const subprocess_options& options);
    /// Takes the status if the program has ended.
    bool reap();
    void signal_group(int number) const noexcept {
        if (pid != 0 && !status) ::kill(-pid, number);
    }

    std::string program;
    pid_t pid = 0;
    owned_fd pidfd;
    owned_fd input;
    owned_fd output;
    owned_fd errors;
    std::optional<exit_status> status;
};

void child::state::spawn(const subprocess_options& options) {
    file_actions actions;
    owned_fd theirs[3];
    const auto connect = [&](stream_to where, int number, owned_fd& ours) {
        const bool we_read = number != STDIN_FILENO;
        if (where == stream_to::pipe) {
            pipe_ends ends = make_pipe(we_read);
            ours = std::move(ends.ours);
            theirs[number] = std::move(ends.theirs);
            actions.move(theirs[number].get(), number);
        } else if (where == stream_to::nothing) {
            actions.open_null(number, we_read ? O_WRONLY : O_RDONLY);
        }
    };
    connect(options.input, STDIN_FILENO, input);
    connect(options.output, STDOUT_FILENO, output);
    if (options.merge_errors)
        actions.move(STDOUT_FILENO, STDERR_FILENO);
    else
        connect(options.errors, STDERR_FILENO, errors);
    if (!options.directory.empty()) actions.change_directory(options.directory);
    actions.close_others();

    std::vector<std::string> arguments = options.arguments;
    arguments.insert(arguments.begin(), options.program);
    const std::vector<std::string> variables = environment_of(options);
    const spawn_attributes attributes(options.new_session);
    const int error = ::posix_spawnp(&pid, options.program.c_str(), actions.get(), attributes.get(),
                                     pointers(arguments).data(), pointers(variables).data());
    if (error != 0) {
        pid = 0;
        throw_not_started(error, options);
    }
    pidfd = owned_fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!pidfd) {
        const int no_pidfd = errno;
        if (no_pidfd == ESRCH)
            throw std::system_error(process_errc::status_unknown,
                                    fmt::format("run {}: SIGCHLD is ignored in this program", program));
        signal_group(SIGKILL);
        ::waitpid(pid, nullptr, 0);
        throw_errno(no_pidfd, fmt::format("run {}: pidfd_open", program));
    }
}

bool child::state::reap() {
    if (status) return true;
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd.get()), &info, WEXITED | WNOHANG) != 0) {
        if (errno == EINTR) return false;
        throw std::system_error(
            process_errc::status_unknown,
            fmt::format("wait for {} (process {}): it was reaped elsewhere, or SIGCHLD is ignored", program,
                        pid));
    }
    if (info.si_pid == 0) return false;
    status = info.si_code == CLD_EXITED ? exit_status::exited(info.si_status)
                                        : exit_status::killed(info.si_status, info.si_code == CLD_DUMPED);
    return true;
}

child::child(std::unique_ptr<state> started) noexcept : state_(std::move(started)) {}
child::child(child&&) noexcept = default;

child& child::operator=(child&& other) noexcept {
    if (this != &other) {
        child old(std::move(*this));
        state_ = std::move(other.state_);
    }
    return *this;
}

child::~child() {
    if (!state_ || state_->status) return;
    kill();
    pollfd entry{state_->pidfd.get(), POLLIN, 0};
    while (::poll(&entry, 1, kill_wait_max_ms) < 0 && errno == EINTR) {
    }
    siginfo_t info{};
    ::waitid(P_PIDFD, static_cast<id_t>(state_->pidfd.get()), &info, WEXITED | WNOHANG);
}

child child::start(const subprocess_options& options) {
    refuse_nul(options);
    auto started = std::make_unique<state>(options.program);
    started->spawn(options);
    return child(std::move(started));
}

pid_t child::pid() const noexcept { return state_->pid; }

task<exit_status> child::join() {
    while (!state_->reap()) co_await wait_readable(state_->pidfd.get());
    co_return *state_->status;
}

std::optional<exit_status> child::status() {
    state_->reap();
    return state_->status;
}

namespace {

/// The next bytes of a pipe; empty at its end. `fd` is that of a pipe of ours, so it does not block.
task<std::string> read_some(int fd) {
    std::string bytes;
    if (fd < 0) co_return bytes;
    for (;;) {
        bytes.resize(read_bytes_max);
        const ssize_t size = ::read(fd, bytes.data(), bytes.size());
        const int error = errno;
        if (size >= 0) {
            bytes.resize(static_cast<std::size_t>(size));
            co_return bytes;
        }
        if (error != EAGAIN && error != EINTR) throw_errno(error, "read the output of a program");
        if (error == EAGAIN) co_await wait_readable(fd);
    }
}

}  // namespace

task<std::string> child::read_output() { return read_some(state_->output.get()); }
task<std::string> child::read_errors() { return read_some(state_->errors.get()); }

task<bool> child::write(std::string_view data) {
    const int fd = state_->input.get();
    if (fd < 0) co_return false;
    while (!data.empty()) {
        const ssize_t size = detail::write_without_sigpipe(fd, data);
        const int error = errno;
        if (size >= 0)
            data.remove_prefix(static_cast<std::size_t>(size));
        else if (error == EPIPE)
            co_return false;
        else if (error == EAGAIN)
            co_await wait_writable(fd);
        else if (error != EINTR)
            throw_errno(error, fmt::format("write to {}", state_->program));
    }
    co_return true;
}

void child::close_input() noexcept { state_->input.close(); }

void child::send_signal(int number) noexcept { state_->signal_group(number); }
void child::terminate() noexcept { send_signal(SIGTERM); }
void child::kill() noexcept { send_signal(SIGKILL); }

task<exit_status> child::stop(duration grace) {
    terminate();
    send_signal(SIGCONT);  // a stopped group would see the SIGTERM only when it goes on
    if (!co_await move_on_after(grace, join())) kill();
    co_return co_await join();
}

}  // namespace simul
