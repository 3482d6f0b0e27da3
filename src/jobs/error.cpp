#include <simul/jobs/error.hpp>

#include <string>
#include <utility>

namespace simul {
namespace {

class category_of_jobs final : public std::error_category {
  public:
    const char* name() const noexcept override { return "simul.jobs"; }
    std::string message(int code) const override {
        switch (static_cast<job_errc>(code)) {
            case job_errc::unknown_store:
                return "unknown store";
            case job_errc::no_such_job:
                return "no such job";
            case job_errc::canceled:
                return "the job was canceled";
            case job_errc::stopped:
                return "the job was stopped";
            case job_errc::expired:
                return "the job's record has expired";
            case job_errc::id_in_use:
                return "a job of that id waits or runs";
            case job_errc::invalid_id:
                return "invalid job id";
            case job_errc::invalid_queue:
                return "invalid queue name";
            case job_errc::invalid_option:
                return "invalid option";
            case job_errc::wrong_state:
                return "the job's state does not allow that";
            case job_errc::bad_payload:
                return "the job's data cannot be read";
            case job_errc::wrong_arguments:
                return "wrong arguments";
            case job_errc::unknown_function:
                return "unknown function";
            case job_errc::worker_name_taken:
                return "the worker's name is taken";
            case job_errc::not_allowed:
                return "not allowed";
            case job_errc::data_too_large:
                return "too much data";
            case job_errc::bad_module:
                return "the module cannot be used";
            case job_errc::dependency_cycle:
                return "a job would wait for itself";
            case job_errc::no_such_worker:
                return "no such worker";
        }
        return "unknown error";
    }
    std::error_condition default_error_condition(int code) const noexcept override {
        switch (static_cast<job_errc>(code)) {
            case job_errc::unknown_store:
            case job_errc::invalid_id:
            case job_errc::invalid_queue:
            case job_errc::invalid_option:
            case job_errc::bad_payload:
            case job_errc::wrong_arguments:
            case job_errc::bad_module:
            case job_errc::data_too_large:
            case job_errc::dependency_cycle:
                return condition::invalid;
            case job_errc::unknown_function:
            case job_errc::not_allowed:
                return condition::unsupported;
            case job_errc::id_in_use:
            case job_errc::worker_name_taken:
                return condition::retry_later;
            default:
                return {code, *this};
        }
    }
};

// system_error's own text would be "WHAT: CODE"; here WHAT says it all.
class job_error final : public std::system_error {
  public:
    job_error(job_errc e, std::string what) : std::system_error(make_error_code(e)), what_(std::move(what)) {}
    const char* what() const noexcept override { return what_.c_str(); }

  private:
    std::string what_;
};

std::pair<std::string, std::string> last_line_of(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '\r'))
        text.remove_suffix(1);
    std::size_t start = text.rfind('\n');
    std::string_view line = start == text.npos ? text : text.substr(start + 1);
    std::size_t colon = line.find(": ");
    // "rq.timeouts.JobTimeoutException: Task ..." has a type; "Work-horse terminated ..." has none.
    if (colon == line.npos || line.substr(0, colon).find(' ') != line.npos)
        return {"error", std::string(line)};
    return {std::string(line.substr(0, colon)), std::string(line.substr(colon + 2))};
}

}  // namespace

const std::error_category& job_category() noexcept {
    static const category_of_jobs instance;
    return instance;
}
std::error_code make_error_code(job_errc e) noexcept { return {static_cast<int>(e), job_category()}; }

void throw_job_error(job_errc e, const std::string& what) { throw job_error(e, what); }

job_failed::job_failed(std::string_view job_id, std::string_view error_text)
    : remote_error(last_line_of(error_text).first, last_line_of(error_text).second),
      id_(job_id),
      text_(error_text) {}

}  // namespace simul
