#pragma once

#include <sys/types.h>

#include <string>
#include <system_error>

#include <simul/processes/exit_status.hpp>

namespace simul {

/// What goes wrong with processes beside what the system reports.
enum class process_errc {
    worker_died = 1,  ///< The process that ran the call ended before it answered. condition::disconnected
    zygote_died,      ///< The process that starts all others is gone. condition::disconnected
    threads_exist,    ///< The zygote cannot be created any more: the program has threads. condition::invalid
    unknown_image,    ///< The function's shared object was loaded after the zygote was created.
                      ///< condition::invalid
    not_in_an_image,  ///< The address belongs to no loaded program or shared object. condition::invalid
    bad_message,      ///< What came over the channel is not the protocol. condition::invalid
    status_unknown,   ///< Somebody else took the exit status (waitpid(-1), SIGCHLD ignored).
    failed,           ///< A program ended with a status other than 0; see subprocess_failed.
};

const std::error_category& process_category() noexcept;  ///< name(): "simul.process"
std::error_code make_error_code(process_errc e) noexcept;

/// The process that ran a call was killed, crashed or exited before it answered. Only this call fails.
class worker_died : public std::system_error {
  public:
    /// what() is "worker PID was killed by SIGSEGV (Segmentation fault) before it answered: ...".
    worker_died(pid_t pid, const exit_status& status);
    /// what() is "worker PID was killed before it answered: WHY: ...".
    worker_died(pid_t pid, const exit_status& status, const std::string& why);

    pid_t pid() const noexcept { return pid_; }
    const exit_status& status() const noexcept { return status_; }

  private:
    pid_t pid_;
    exit_status status_;
};

}  // namespace simul

template <>
struct std::is_error_code_enum<simul::process_errc> : std::true_type {};
