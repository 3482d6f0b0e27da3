#pragma once

#include <fmt/core.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <string_view>

#include <simul/base/compiler.hpp>

namespace simul {

enum class log_level { debug, info, warning, error };

/// "debug", "info", "warning", "error".
std::string_view to_string(log_level level) noexcept;

/// One message on its way to the hook. Lifetime: `message` is valid during the call only.
struct log_record {
    log_level level;
    std::chrono::system_clock::time_point time;
    std::string_view message;  ///< One line without a newline at its end; begins with its area: "http: ...".
};

/// Receives the library's messages. Threads: may be called by several at once. It must not throw (that ends
/// the program); it may itself call log().
using log_hook = std::function<void(const log_record&)>;

/// Sends messages of `least` and above to `hook` from now on; an empty hook drops them all, which is how a
/// program starts.
///
/// Where there is none, run_main sets its own: warnings and errors go to stderr, one line each ("simul:
/// error: http: GET /x: the handler failed: ..."). A program that wants silence sets a hook that does
/// nothing.
///
/// A call of the old hook that runs on another thread may still be under way when this returns; the old hook
/// is kept until that has ended. Threads: any.
void set_log_hook(log_hook hook, log_level least = log_level::info);

namespace detail {
/// As set_log_hook, unless there is one.
void set_default_log_hook(log_hook hook, log_level least);
extern std::atomic<int>
    log_threshold;  // levels below it are dropped; one above all levels while there is no hook
void vlog(log_level level, fmt::string_view format, fmt::format_args args) noexcept;
}  // namespace detail

/// True if a message of this level would reach a hook: to skip work that only a message needs.
inline bool log_enabled(log_level level) noexcept {
    return static_cast<int>(level) >= detail::log_threshold.load(std::memory_order_relaxed);
}

/// Formats a message and hands it to the hook; costs one load when nobody listens. Never throws: when
/// formatting fails, the format text itself is the message. Passwords and other secrets do not belong in
/// messages.
template <class... Args>
void log(log_level level, fmt::format_string<Args...> format, Args&&... args) noexcept {
    if (log_enabled(level)) detail::vlog(level, format, fmt::make_format_args(args...));
}

}  // namespace simul
