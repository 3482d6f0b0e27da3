#pragma once

#include <simul/base/error.hpp>

#include <system_error>

namespace simul {

/// What the job queue says beside the errors of the store's own system.
enum class job_errc {
    unknown_store = 1,  ///< The store's URL has a scheme or form that is not known.
    no_such_job,        ///< No record of that id: never made, expired or deleted.
    canceled,           ///< The job was canceled: it has no result.
    stopped,            ///< The job was stopped while it ran.
    expired,            ///< Its record is gone: never made, ttl or result_ttl over, or result_ttl 0.
    id_in_use,          ///< A job of that id waits or runs.
    invalid_id,         ///< A job id may have letters, digits, '_' and '-'.
    invalid_queue,      ///< A queue's name may not be empty nor have commas or control bytes.
    invalid_option,     ///< A call option is out of its range.
    wrong_state,        ///< The job's state does not allow that (docs/job_states.md).
    bad_payload,        ///< The job's data is no call that can be read.
    wrong_arguments,    ///< The call does not fit the contract.
    unknown_function,   ///< No handler of that name.
    worker_name_taken,  ///< A worker of that name lives.
    not_allowed,        ///< The worker's owner did not allow that kind of job.
    data_too_large,     ///< Arguments or result exceed job_data_bytes_max.
    bad_module,         ///< A module that cannot be loaded or was made for another simul.
    dependency_cycle,   ///< The job would wait for itself.
    no_such_worker,     ///< No worker of that name listens to commands.
};

const std::error_category& job_category() noexcept;  ///< name(): "simul.jobs"
std::error_code make_error_code(job_errc e) noexcept;

/// Throws std::system_error with `e`; its text is `what` alone, because the code's own words say less.
[[noreturn]] void throw_job_error(job_errc e, const std::string& what);

/// The error that a job ended with, as its handle throws it: remote_error with the type and message of the
/// last line of the recorded text.
class job_failed : public remote_error {
  public:
    job_failed(std::string_view job_id, std::string_view error_text);
    const std::string& job_id() const noexcept { return id_; }
    /// The whole recorded text: a traceback where Python ran the job.
    const std::string& text() const noexcept { return text_; }

  private:
    std::string id_;
    std::string text_;
};

}  // namespace simul

template <>
struct std::is_error_code_enum<simul::job_errc> : std::true_type {};
