#include <simul/processes/error.hpp>

#include <fmt/format.h>

#include <csignal>

#include <simul/base/error.hpp>

namespace simul {
namespace {

class process_category_type final : public std::error_category {
  public:
    const char* name() const noexcept override { return "simul.process"; }

    std::string message(int value) const override {
        switch (static_cast<process_errc>(value)) {
            case process_errc::worker_died:
                return "the worker process died";
            case process_errc::zygote_died:
                return "the zygote died";
            case process_errc::threads_exist:
                return "forking it now would not be safe";
            case process_errc::unknown_image:
                return "the function's image was loaded after the zygote was created";
            case process_errc::not_in_an_image:
                return "not a function of a loaded image";
            case process_errc::bad_message:
                return "not a message of the worker protocol";
            case process_errc::status_unknown:
                return "the exit status was taken by somebody else";
            case process_errc::failed:
                return "the program failed";
        }
        return "unknown error " + std::to_string(value);
    }

    std::error_condition default_error_condition(int value) const noexcept override {
        switch (static_cast<process_errc>(value)) {
            case process_errc::worker_died:
            case process_errc::zygote_died:
                return make_error_condition(condition::disconnected);
            case process_errc::threads_exist:
            case process_errc::unknown_image:
            case process_errc::not_in_an_image:
            case process_errc::bad_message:
                return make_error_condition(condition::invalid);
            case process_errc::status_unknown:
            case process_errc::failed:
                break;
        }
        return {value, *this};
    }
};

std::string death_text(pid_t pid, const exit_status& status) {
    std::string text = fmt::format("worker {} {}{} before it answered", pid, status.signal() ? "was " : "",
                                   to_string(status));
    if (status.signal() == SIGKILL) text += " (nobody here killed it: perhaps it ran out of memory)";
    return text;
}

}  // namespace

const std::error_category& process_category() noexcept {
    static const process_category_type category;
    return category;
}

std::error_code make_error_code(process_errc e) noexcept { return {static_cast<int>(e), process_category()}; }

worker_died::worker_died(pid_t pid, const exit_status& status)
    : std::system_error(make_error_code(process_errc::worker_died), death_text(pid, status)),
      pid_(pid),
      status_(status) {}

worker_died::worker_died(pid_t pid, const exit_status& status, const std::string& why)
    : std::system_error(make_error_code(process_errc::worker_died),
                        fmt::format("worker {} was killed before it answered: {}", pid, why)),
      pid_(pid),
      status_(status) {}

}  // namespace simul
