#include <simul/base/log.hpp>

#include <fmt/format.h>

#include <exception>
#include <iterator>
#include <memory>
#include <mutex>
#include <utility>

namespace simul {
namespace {

constexpr int above_all_levels = static_cast<int>(log_level::error) + 1;

struct hook_state {
    std::mutex mutex;
    std::shared_ptr<const log_hook> hook;
};

// Never destroyed: objects with static storage may still log while the program ends.
hook_state& state() {
    static hook_state& the_state = *new hook_state;
    return the_state;
}

/// The caller holds the mutex, and destroys the hook of before when it has let it go.
std::shared_ptr<const log_hook> replace_hook(std::shared_ptr<const log_hook> fresh,
                                             log_level least) noexcept {
    detail::log_threshold.store(fresh ? static_cast<int>(least) : above_all_levels,
                                std::memory_order_relaxed);
    state().hook.swap(fresh);
    return fresh;
}

}  // namespace

std::string_view to_string(log_level level) noexcept {
    switch (level) {
        case log_level::debug:
            return "debug";
        case log_level::info:
            return "info";
        case log_level::warning:
            return "warning";
        case log_level::error:
            return "error";
    }
    return "unknown";
}

void set_log_hook(log_hook hook, log_level least) {
    auto fresh = hook ? std::make_shared<const log_hook>(std::move(hook)) : nullptr;
    std::shared_ptr<const log_hook> before;
    const std::scoped_lock lock(state().mutex);
    before = replace_hook(std::move(fresh), least);
}

namespace detail {

std::atomic<int> log_threshold{above_all_levels};

void set_default_log_hook(log_hook hook, log_level least) {
    auto fresh = std::make_shared<const log_hook>(std::move(hook));
    const std::scoped_lock lock(state().mutex);
    if (!state().hook) replace_hook(std::move(fresh), least);
}

void vlog(log_level level, fmt::string_view format, fmt::format_args args) noexcept {
    std::shared_ptr<const log_hook> hook;
    {
        const std::scoped_lock lock(state().mutex);
        hook = state().hook;
    }
    if (!hook) return;

    fmt::memory_buffer buffer;
    std::string_view message;
    try {
        fmt::vformat_to(std::back_inserter(buffer), format, args);
        message = {buffer.data(), buffer.size()};
    } catch (
        const std::exception&) {  // a formatter that throws, or no memory: an unformatted message beats none
        message = {format.data(), format.size()};
    }
    (*hook)({level, std::chrono::system_clock::now(), message});
}

}  // namespace detail
}  // namespace simul
