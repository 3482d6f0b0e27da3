#pragma once

#include <csignal>
#include <initializer_list>
#include <memory>
#include <system_error>

#include <simul/base/error.hpp>
#include <simul/core/leaf.hpp>
#include <simul/core/task.hpp>

namespace simul {
namespace detail {
class signal_state;

class [[nodiscard("await it: co_await signals.next()")]] next_signal_operation final
    : public leaf_operation<next_signal_operation> {
  public:
    explicit next_signal_operation(signal_state& state) noexcept : state_(state) {}
    next_signal_operation(next_signal_operation&& other) noexcept
        : leaf_operation<next_signal_operation>(), state_(other.state_) {}
    ~next_signal_operation();

    bool ready() noexcept;
    bool start();
    int result() const noexcept { return signal_; }
    const char* describe() const noexcept override { return "signal"; }
    void came(int number) noexcept {
        signal_ = number;
        resume();
    }

  private:
    void on_cancel() noexcept override;
    void on_cancel_late() noexcept override;
    signal_state& state_;
    int signal_ = 0;
};
}  // namespace detail

/// Signals of the process, as a stream. While one exists, its signals do not have their default effect, and
/// run_main leaves them alone.
///
/// `signal_stream stop{SIGINT, SIGTERM}; int number = co_await stop.next();`
/// Several streams may ask for the same signal; each gets it. A signal that comes again before it was taken
/// counts once, as signals do. The dispositions of before come back when the last stream for a signal is
/// gone. Lifetime: it may outlive the loop on which it was made; there is nothing to wait for then. Threads:
/// made, used and destroyed on the loop's thread.
class signal_stream {
  public:
    /// Throws std::system_error (EINVAL) for numbers that cannot be caught.
    signal_stream(std::initializer_list<int> numbers);
    signal_stream(signal_stream&&) noexcept = default;
    ~signal_stream();

    /// The number of the next signal. One task at a time. Throws errc::wrong_loop on another loop,
    /// errc::wrong_state if this stream was moved from.
    auto next() {
        if (!state_)
            throw std::system_error(
                make_error_code(errc::wrong_state),
                "signal_stream::next: it was moved from; use the one that it was moved to");
        return detail::next_signal_operation(*state_);
    }

  private:
    std::shared_ptr<detail::signal_state> state_;
};

/// Waits for one signal; gives its number. One that came before the call is not seen: use a signal_stream for
/// that.
task<int> wait_signal(int number);

}  // namespace simul
