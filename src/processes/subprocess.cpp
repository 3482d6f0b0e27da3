#include <simul/processes/subprocess.hpp>

#include <fmt/format.h>

#include <utility>

#include <simul/base/error.hpp>
#include <simul/base/limits.hpp>
#include <simul/core/all.hpp>
#include <simul/core/race.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

namespace simul {
namespace {

constexpr std::size_t errors_shown_bytes = 2000;

/// The last lines of what a program wrote to stderr, for a message.
std::string_view last_lines(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
    if (text.size() <= errors_shown_bytes) return text;
    text.remove_prefix(text.size() - errors_shown_bytes);
    const auto newline = text.find('\n');
    return newline == text.npos ? text : text.substr(newline + 1);
}

std::string failure_text(const subprocess_result& result) {
    std::string text = fmt::format("{} {}{}", result.program, result.status.signal() ? "was " : "",
                                   to_string(result.status));
    if (const std::string_view errors = last_lines(result.errors); !errors.empty())
        text += fmt::format(": {}", errors);
    return text;
}

task<> feed(child& program, const std::string& data) {
    co_await program.write(data);  // a program need not read all it is given
    program.close_input();
}

/// Reads one stream to its end. `read` is child::read_output or read_errors.
task<> collect(child& program, task<std::string> (child::*read)(), std::string& into,
               const subprocess_options& options) {
    for (;;) {
        const std::string piece = co_await (program.*read)();
        if (piece.empty()) co_return;
        if (piece.size() > options.output_bytes_max - into.size())
            throw_limit_exceeded(fmt::format("output of {}", options.program), "output_bytes_max",
                                 options.output_bytes_max);
        into += piece;
    }
}

task<> exchange(child& program, const subprocess_options& options, subprocess_result& result) {
    co_await all(feed(program, options.input_data),
                 collect(program, &child::read_output, result.output, options),
                 collect(program, &child::read_errors, result.errors, options));
}

/// The program has ended, and those who still hold its pipes had their time.
task<> ended_and_drained(child& program, duration drain) {
    co_await program.join();
    co_await sleep_for(drain);
}

task<> attend(child& program, const subprocess_options& options, subprocess_result& result) {
    co_await race(exchange(program, options, result), ended_and_drained(program, options.drain));
    result.status = co_await program.join();
}

task<> attend_within_limit(child& program, const subprocess_options& options, subprocess_result& result) {
    if (!options.time_limit)
        co_await attend(program, options, result);
    else if (!co_await move_on_after(*options.time_limit, attend(program, options, result)))
        throw std::system_error(
            make_error_code(errc::timed_out),
            fmt::format("run {}: more than {}", options.program, describe(*options.time_limit)));
}

}  // namespace

subprocess_failed::subprocess_failed(const subprocess_result& result)
    : std::system_error(make_error_code(process_errc::failed), failure_text(result)),
      status_(result.status) {}

const subprocess_result& subprocess_result::throw_for_status() const& {
    if (!success()) throw subprocess_failed(*this);
    return *this;
}

subprocess_result subprocess_result::throw_for_status() && {
    if (!success()) throw subprocess_failed(*this);
    return std::move(*this);
}

child subprocess::start() && { return child::start(options_); }

namespace {

task<subprocess_result> run_program(subprocess_options options) {
    subprocess_result result;
    result.program = options.program;
    child program = subprocess(options).start();
    const outcome<void> ended = co_await outcome_of(attend_within_limit(program, options, result));
    if (!ended.has_value()) {
        co_await shield(program.stop(options.grace));
        co_await checkpoint();  // if it was canceled, it ends here
        ended.value();          // throws
    }
    co_return result;
}

}  // namespace

task<subprocess_result> subprocess::run() && { return run_program(std::move(options_)); }

}  // namespace simul
