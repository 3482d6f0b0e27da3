#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include <simul/base/time.hpp>
#include <simul/processes/exit_status.hpp>
#include <simul/processes/wire.hpp>
#include "processes/fd.hpp"

namespace simul::detail {

/// The program's end of a worker: its channel and its status socket. Nothing here waits unless its name says
/// so.
///
/// Closing the status socket (destroying this) makes the zygote kill the worker.
/// Threads: belongs to one at a time.
class worker_link {
  public:
    /// Asks for a worker. A call may be written to the channel at once: it waits there until the worker
    /// exists.
    static worker_link start(std::string_view name);

    worker_link(worker_link&&) = default;
    worker_link& operator=(worker_link&&) = default;

    int channel() const noexcept { return channel_.get(); }
    /// Readable when the zygote has something to report.
    int status_socket() const noexcept { return status_.get(); }

    /// Takes what the zygote has reported.
    void update();
    /// Waits for a report until `deadline`; false: none came. Blocks the thread.
    bool wait_report(time_point deadline) const;

    /// The worker has ended, or never started.
    bool ended() const noexcept { return status_known_ || failed_ || zygote_died_; }
    /// 0 until the zygote has reported it.
    pid_t pid() const noexcept { return pid_; }
    /// How it ended. Throws what kept it from starting, or process_errc::zygote_died. Only when ended().
    exit_status status() const;

    /// The zygote is gone, so nobody can tell how the worker ended. Only when ended().
    bool zygote_died() const noexcept { return zygote_died_; }

    /// It ended before it had read all that was written to its channel. Only when ended().
    bool left_unread() const noexcept { return unread_; }

    /// Asks the zygote to send it; does nothing when it has ended.
    void send_signal(int number) noexcept;

    /// Kills it and waits until it has ended, a second at most: a process that the kernel holds longer is
    /// left to the zygote. Blocks the thread.
    void kill_and_wait() noexcept;

  private:
    worker_link(owned_fd channel, owned_fd status)
        : channel_(std::move(channel)), status_(std::move(status)) {}

    void handle(const wire::frame& frame);

    owned_fd channel_;
    owned_fd status_;
    pid_t pid_ = 0;
    bool status_known_ = false;
    bool zygote_died_ = false;
    bool unread_ = false;
    exit_status exit_ = exit_status::exited(0);
    std::optional<wire::start_failed_message> failed_;
};

}  // namespace simul::detail
