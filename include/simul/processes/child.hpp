#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <simul/base/time.hpp>
#include <simul/core/task.hpp>
#include <simul/processes/exit_status.hpp>

namespace simul {

struct subprocess_options;

/// Another program that runs, with pipes to those of its standard streams that were asked for: what
/// subprocess::start gives.
///
/// It leads a process group (or session), and signals go to the whole group, so that what a shell started is
/// reached too.
///
/// Lifetime: destroying it while the program runs kills the group (SIGKILL) and reaps the program. When the
/// program
///           has ended by itself, what it left behind in its group is left alone.
/// Threads:  belongs to the loop on which it is first awaited.
/// In flight together: one read of each stream, one write, one join.
class child {
  public:
    child(child&&) noexcept;
    child& operator=(child&&) noexcept;
    ~child();

    pid_t pid() const noexcept;

    /// Waits until the program has ended, and reaps it; gives how it ended.
    ///
    /// Cancel: the program goes on.
    /// Throws: process_errc::status_unknown if somebody else took the status.
    task<exit_status> join();
    /// How it ended, nothing if it runs. Does not wait.
    std::optional<exit_status> status();

    /// The next bytes that the program writes to stdout or stderr, up to 64 KiB; empty at the end, or if the
    /// stream is no pipe. Cancel: nothing is lost.
    task<std::string> read_output();
    task<std::string> read_errors();

    /// Writes all of `data` to the program's stdin; false if the program reads no more, or the stream is no
    /// pipe. Lifetime: `data` is referred to until the write ends. Cancel: an unknown part was written.
    task<bool> write(std::string_view data);
    /// Ends the program's stdin.
    void close_input() noexcept;

    /// Sends a signal to the program's group, until it was reaped.
    void send_signal(int number) noexcept;
    void terminate() noexcept;  ///< SIGTERM
    void kill() noexcept;       ///< SIGKILL

    /// Ends it: SIGTERM to the group, SIGKILL after `grace` if it still runs, and reaps it.
    ///
    /// Not to be canceled: it is the clean-up itself; call it shielded.
    task<exit_status> stop(duration grace);

  private:
    friend class subprocess;
    struct state;

    static child start(const subprocess_options& options);
    explicit child(std::unique_ptr<state> started) noexcept;

    std::unique_ptr<state> state_;
};

}  // namespace simul
