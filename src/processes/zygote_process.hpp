#pragma once

#include <sys/epoll.h>
#include <sys/types.h>

#include <unordered_map>

#include "processes/fd.hpp"
#include "processes/message.hpp"

namespace simul::detail {

/// What runs in the zygote: forks workers, reports how they end, and takes all of them along when it goes.
///
/// Invariants:
///   1. It has one thread and waits only in epoll_wait.
///   2. A worker is reaped here and nowhere else, so a pid in `workers_` is never somebody else's.
///   3. `exited` is sent before the worker's channel is shut down (docs/formats/worker.md).
class zygote_process {
  public:
    /// `program` is a pidfd of the program: readable when it has ended. More reliable than end of file on
    /// `control`, which a copy of that descriptor in some other process would delay.
    zygote_process(owned_fd control, owned_fd program) noexcept
        : control_(std::move(control)), program_(std::move(program)) {}

    [[noreturn]] void run() noexcept;

  private:
    struct worker {
        owned_fd status;   ///< to the program; closed by the program: kill
        owned_fd channel;  ///< a copy of the worker's end
    };

    void prepare();
    void watch(int fd, std::uint64_t key) const;
    void unwatch(int fd) const;
    void handle(const epoll_event& event);
    void handle_control();
    void handle_status(pid_t pid);
    void start_worker(const wire::start_message& message, owned_fd channel, owned_fd status);
    void reap();
    void report_end(pid_t pid, int how, int value);
    [[noreturn]] void end() noexcept;

    owned_fd control_;
    owned_fd program_;
    owned_fd poll_;
    owned_fd signals_;
    std::unordered_map<pid_t, worker> workers_;
};

/// Signals get their default actions and are unblocked.
void reset_signals() noexcept;
/// Only the dispositions; what is blocked stays blocked.
void default_dispositions() noexcept;

/// Closes every descriptor above stderr but `kept` (sorted, at most message_fds_max).
void close_all_but(std::span<const int> kept) noexcept;

/// Serves calls from `channel` until it ends. In a worker.
[[noreturn]] void run_worker(int channel) noexcept;

}  // namespace simul::detail
