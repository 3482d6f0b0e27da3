#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include <simul/base/log.hpp>
#include <simul/core/attached_errors.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/run.hpp>

#include <fmt/format.h>

#include "loop/signal_table.hpp"
#include "loop/stderr_sink.hpp"

namespace simul::detail {
namespace {

/// SIGINT and SIGTERM: the first cancels, the second ends the process.
class stop_signals final : public signal_receiver, public inbox_node {
  public:
    stop_signals() = default;
    stop_signals(const stop_signals&) = delete;
    stop_signals& operator=(const stop_signals&) = delete;
    ~stop_signals() {
        if (started_) remove_receiver(*this);
    }

    void start(loop& on) {
        box_ = loop_access::box(on);
        wanted = 0;
        for (const int number : {SIGINT, SIGTERM})
            if (!is_ignored(number)) wanted |= std::uint64_t{1} << (number - 1);
        last_resort = true;
        add_receiver(*this);
        started_ = true;
    }
    int number() const noexcept { return number_.load(); }

    /// While it lives, the first signal cancels `scope`; one that came before it cancels at once.
    struct target {
        target(stop_signals& s, cancel_scope& scope) noexcept : signals(s) {
            signals.scope_ = &scope;
            if (signals.number() != 0) signals.arrived(nullptr);
        }
        target(const target&) = delete;
        target& operator=(const target&) = delete;
        ~target() { signals.scope_ = nullptr; }
        stop_signals& signals;
    };

  private:
    /// By who started the program, for example a shell that runs it in the background.
    static bool is_ignored(int number) noexcept {
        struct sigaction now{};
        return ::sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
    }
    void deliver(int number) noexcept override {
        int none = 0;
        if (number_.compare_exchange_strong(none, number))
            box_->push(*this);
        else
            ::_exit(128 + number);
    }
    void arrived(loop*) noexcept override {
        if (scope_ != nullptr) scope_->cancel(number_.load() == SIGINT ? "SIGINT" : "SIGTERM");
    }

    cancel_scope* scope_ = nullptr;
    bool started_ = false;
    std::shared_ptr<inbox> box_;
    std::atomic<int> number_{0};
};

class ignored_sigpipe {
  public:
    ignored_sigpipe() noexcept {
        struct sigaction ignore{};
        ignore.sa_handler = SIG_IGN;
        ::sigaction(SIGPIPE, &ignore, &before_);
    }
    ignored_sigpipe(const ignored_sigpipe&) = delete;
    ignored_sigpipe& operator=(const ignored_sigpipe&) = delete;
    ~ignored_sigpipe() { ::sigaction(SIGPIPE, &before_, nullptr); }

  private:
    struct sigaction before_{};
};

/// To stderr, which may be closed: then there is nowhere to say it.
template <class... Args>
void say(fmt::format_string<Args...> format, Args&&... args) noexcept {
    try {
        const std::string text = fmt::format(format, std::forward<Args>(args)...);
        std::fwrite(text.data(), 1, text.size(), stderr);
    } catch (...) {  // no memory for the text: there is nobody to tell more
        std::fputs("error: no memory is left to say more\n", stderr);
    }
}

void print_error(const std::exception_ptr& error, const char* prefix, int depth) {
    constexpr int depth_max = 8;
    std::exception_ptr nested;
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        say("{}{}\n", prefix, e.what());
        try {
            std::rethrow_if_nested(e);
        } catch (...) {
            nested = std::current_exception();
        }
    } catch (...) {  // the edge: here it is reported
        say("{}an exception that is not a std::exception\n", prefix);
    }
    if (depth == depth_max) return;
    if (nested) print_error(nested, "  because: ", depth + 1);
    for (const std::exception_ptr& later : attached_errors(error))
        print_error(later, "  and then: ", depth + 1);
}

int flush_stdout(int status) {
    errno = 0;
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
    if (status == 0) {
        say("error: stdout could not be written: {}\n", std::strerror(errno == 0 ? EIO : errno));
        return 1;
    }
    return status;
}

}  // namespace

int run_main_loop(const std::function<task<int>()>& body) {
    set_default_log_hook([](const log_record& record) { write_to_stderr(record.level, record.message); },
                         log_level::warning);
    const ignored_sigpipe no_sigpipe;
    int status = 1;
    try {
        stop_signals signals;  // outlives the loop, in whose inbox it may still be at the end
        loop on;
        signals.start(on);
        const std::optional<int> result = on.run([&]() -> task<std::optional<int>> {
            co_return co_await with_scope([&](cancel_scope& scope) -> task<int> {
                const stop_signals::target canceled_by_signals(signals, scope);
                co_return co_await body();
            });
        });
        status = result ? *result : 128 + signals.number();
    } catch (...) {
        std::fflush(stdout);
        print_error(std::current_exception(), "error: ", 0);
    }
    return flush_stdout(status);
}

}  // namespace simul::detail
