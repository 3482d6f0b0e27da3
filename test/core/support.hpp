#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <simul/core/task.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/sleep.hpp>

/// What the tests of core have in common.
namespace simul::testing_core {

using namespace simul::literals;

/// Counts how many of its kind live, and how often one was destroyed twice.
struct counted {
    static inline int live = 0;
    static inline int made = 0;
    static inline int destroyed_twice = 0;

    static void reset() { live = made = destroyed_twice = 0; }

    counted() { ++live, ++made; }
    counted(const counted&) { ++live, ++made; }
    counted(counted&&) noexcept { ++live, ++made; }
    counted& operator=(const counted&) = default;
    counted& operator=(counted&&) = default;
    ~counted() {
        if (state_ != alive) ++destroyed_twice;
        state_ = 0;
        --live;
    }

  private:
    static constexpr unsigned alive = 0xa11fe;
    volatile unsigned state_ = alive;
};

/// Calls `f` when it is destroyed.
template <class F>
struct at_end {
    explicit at_end(F function) : f(std::move(function)) {}
    at_end(const at_end&) = delete;
    at_end& operator=(const at_end&) = delete;
    ~at_end() { f(); }
    F f;
};

/// How a program ended that did `f`: the signal (0: none), and what it wrote to stderr. For misuse that has
/// to end it.
struct death {
    int signal = 0;
    std::string errors;
};
inline death death_by(const std::function<void()>& f) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        std::signal(SIGABRT, SIG_DFL);
        ::dup2(ends[1], STDERR_FILENO);
        f();
        ::_exit(0);
    }
    ::close(ends[1]);
    death result;
    std::array<char, 256> buffer{};
    for (ssize_t size = 0; (size = ::read(ends[0], buffer.data(), buffer.size())) > 0;)
        result.errors.append(buffer.data(), static_cast<std::size_t>(size));
    ::close(ends[0]);
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child) throw std::runtime_error("fork");
    if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
    return result;
}

/// Runs `f` on a fresh virtual loop; gives its result.
template <class F>
auto run_virtual(F f) {
    virtual_loop loop;
    return loop.run(std::move(f));
}

/// The text of what `f` throws; "" if it throws nothing.
template <class F>
std::string text_thrown_by(F&& f) {
    try {
        f();
    } catch (const std::exception& e) {
        return e.what();
    }
    return "";
}

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

inline task<int> value_after(duration time, int value) {
    co_await sleep_for(time);
    co_return value;
}

inline task<int> fail_after(duration time, std::string text) {
    co_await sleep_for(time);
    throw std::runtime_error(text);
}

/// A turn of its own for the tests that count them: goes through the ready queue, whoever else waits.
class turn_operation final : public detail::leaf_operation<turn_operation> {
  public:
    turn_operation() = default;
    turn_operation(turn_operation&&) noexcept : leaf_operation<turn_operation>() {}
    bool ready() const noexcept { return false; }
    bool start() noexcept {
        resume();
        return true;
    }
    void result() const noexcept {}
    const char* describe() const noexcept override { return "turn"; }

  private:
    void on_cancel() noexcept override {}
    void on_cancel_late() noexcept override { revoke(); }
};
inline turn_operation turn() { return {}; }

/// Drives a virtual loop one step at a time.
class stepper {
  public:
    explicit stepper(virtual_loop& on) : loop_(on) {}

    /// One step of what is ready, else a jump of the clock; false if nothing can happen any more.
    bool step() {
        detail::scheduler& s = detail::loop_access::as_scheduler(loop_);
        if (!s.has_ready()) {
            auto& timers = detail::loop_access::timers(loop_);
            auto next = timers.next();
            if (!next) return false;
            detail::loop_access::io(loop_).wait(next, false);
            timers.advance(loop_.now());
            return true;
        }
        detail::scheduler* before = detail::exchange_current_scheduler(&s);
        s.run_ready(1);
        detail::exchange_current_scheduler(before);
        return true;
    }

  private:
    virtual_loop& loop_;
};

}  // namespace simul::testing_core
