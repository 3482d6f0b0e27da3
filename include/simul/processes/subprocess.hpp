#pragma once

#include <cstddef>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <simul/base/time.hpp>
#include <simul/core/task.hpp>
#include <simul/processes/child.hpp>
#include <simul/processes/error.hpp>
#include <simul/processes/exit_status.hpp>

namespace simul {

/// Where a standard stream of a program leads.
enum class stream_to {
    pipe,     ///< to this program: captured by run(), read and written through a child
    nothing,  ///< /dev/null
    inherit,  ///< where this program's own leads
};

/// A program to run and how; what the builder `subprocess` fills in.
struct subprocess_options {
    std::string program{};  ///< looked for in PATH if it has no slash
    std::vector<std::string> arguments{};
    std::string directory{};  ///< empty: this program's
    bool inherit_environment = true;
    std::vector<std::pair<std::string, std::optional<std::string>>> environment{};  ///< set, or unset

    stream_to input = stream_to::nothing;
    stream_to output = stream_to::pipe;
    stream_to errors = stream_to::pipe;
    bool merge_errors = false;  ///< stderr leads where stdout leads
    bool new_session = false;   ///< a session of its own (no terminal), not only a process group

    std::string input_data{};  ///< for run(): written to stdin, which is then closed
    std::size_t output_bytes_max = std::size_t{64} << 20U;  ///< for run(), of each stream; more is an error
    std::optional<duration> time_limit = std::nullopt;      ///< for run(): then it is stopped; nothing: none
    duration grace = std::chrono::seconds(2);  ///< for run(): between SIGTERM and SIGKILL when it is stopped
    /// For run(): how long to wait, after the program has ended, for others that hold its output pipes (a
    /// background process that it started). What came until then is the output.
    duration drain = std::chrono::seconds(1);
};

/// How a program ended and what it wrote. A value.
struct subprocess_result {
    std::string program;
    exit_status status = exit_status::exited(0);
    std::string output;  ///< stdout (and stderr if merged)
    std::string errors;  ///< stderr

    bool success() const noexcept { return status.success(); }
    /// Throws subprocess_failed if the status is not 0; else gives the result itself.
    const subprocess_result& throw_for_status() const&;
    subprocess_result throw_for_status() &&;
};

/// A program ended with another status than 0, or by a signal. code() is process_errc::failed.
class subprocess_failed : public std::system_error {
  public:
    /// what() names program and status and has the last lines of its stderr.
    explicit subprocess_failed(const subprocess_result& result);
    const exit_status& status() const noexcept { return status_; }

  private:
    exit_status status_;
};

/// Runs other programs.
///
///     auto result = co_await subprocess("convert").arg("a.png").arg("b.jpg").time_limit(30s).run();
///     result.throw_for_status();
///
/// A program gets the arguments as they are, no shell looks at them; subprocess::shell("du -s * | sort -n")
/// asks one to. By default stdin is empty, stdout and stderr are captured. The program starts with default
/// signals, in a process group of its own, with no descriptor of ours but its three streams.
class subprocess {
  public:
    explicit subprocess(std::string program) { options_.program = std::move(program); }
    explicit subprocess(subprocess_options options) : options_(std::move(options)) {}

    /// `command` as /bin/sh understands it. Never build it from what others typed: use arguments for that.
    static subprocess shell(std::string command) {
        return subprocess("/bin/sh").arg("-c").arg(std::move(command));
    }

    subprocess&& arg(std::string value) && {
        options_.arguments.push_back(std::move(value));
        return std::move(*this);
    }
    template <std::ranges::input_range Range>
    subprocess&& args(Range&& values) && {
        for (auto&& value : values) options_.arguments.emplace_back(value);
        return std::move(*this);
    }
    /// Bytes for stdin, which ends after them.
    subprocess&& input(std::string data) && {
        options_.input = stream_to::pipe;
        options_.input_data = std::move(data);
        return std::move(*this);
    }
    subprocess&& input_from(stream_to where) && {
        options_.input = where;
        return std::move(*this);
    }
    subprocess&& output_to(stream_to where) && {
        options_.output = where;
        return std::move(*this);
    }
    subprocess&& errors_to(stream_to where) && {
        options_.errors = where;
        return std::move(*this);
    }
    /// stderr goes where stdout goes, in the order written.
    subprocess&& merge_errors() && {
        options_.merge_errors = true;
        return std::move(*this);
    }
    subprocess&& env(std::string name, std::string value) && {
        options_.environment.emplace_back(std::move(name), std::move(value));
        return std::move(*this);
    }
    subprocess&& unset_env(std::string name) && {
        options_.environment.emplace_back(std::move(name), std::nullopt);
        return std::move(*this);
    }
    /// Only what env() sets.
    subprocess&& clear_env() && {
        options_.inherit_environment = false;
        return std::move(*this);
    }
    subprocess&& directory(std::string path) && {
        options_.directory = std::move(path);
        return std::move(*this);
    }
    subprocess&& new_session() && {
        options_.new_session = true;
        return std::move(*this);
    }
    subprocess&& time_limit(duration limit) && {
        options_.time_limit = limit;
        return std::move(*this);
    }
    subprocess&& grace(duration limit) && {
        options_.grace = limit;
        return std::move(*this);
    }
    subprocess&& drain(duration limit) && {
        options_.drain = limit;
        return std::move(*this);
    }
    subprocess&& output_bytes_max(std::size_t limit) && {
        options_.output_bytes_max = limit;
        return std::move(*this);
    }

    /// Runs the program and waits until it has ended.
    ///
    /// Cancel: the group gets SIGTERM, after `grace` SIGKILL, and is reaped before the cancel goes on.
    /// Threads: on a loop.
    /// Throws: std::system_error naming the program if it cannot be started; std::errc::timed_out after
    /// `time_limit`,
    ///         errc::limit_exceeded above `output_bytes_max`: in both cases the group was stopped first.
    task<subprocess_result> run() &&;

    /// Starts the program. Blocks until it has been loaded (under a millisecond).
    /// Throws: std::system_error naming the program.
    child start() &&;

  private:
    subprocess_options options_;
};

}  // namespace simul
