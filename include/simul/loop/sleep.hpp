#pragma once

#include <simul/core/leaf.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/timer.hpp>

namespace simul {
namespace detail {

class [[nodiscard("await it: co_await sleep_for(...)")]] sleep_operation final
    : public leaf_operation<sleep_operation>,
      private timer {
  public:
    struct after {
        duration time;
    };
    explicit sleep_operation(after time) noexcept : relative_(true) { deadline = time_point(time.time); }
    explicit sleep_operation(time_point at) noexcept { deadline = at; }
    ~sleep_operation() {
        if (armed()) loop_access::timers(loop_access::of(on())).disarm(*this);
    }
    sleep_operation(sleep_operation&& other) noexcept
        : leaf_operation<sleep_operation>(), relative_(other.relative_) {
        deadline = other.deadline;
    }

    bool ready() const noexcept { return false; }
    bool start() noexcept;
    void result() const noexcept {}
    const char* describe() const noexcept override { return "sleep"; }

  private:
    void on_cancel() noexcept override;
    void fired() noexcept override { resume(); }

    bool relative_ = false;
};

class [[nodiscard("await it: co_await yield()")]] yield_operation final
    : public leaf_operation<yield_operation> {
  public:
    bool ready() noexcept;
    bool start() noexcept {
        resume();
        return true;
    }
    void result() const noexcept {}
    const char* describe() const noexcept override { return "yield"; }

  private:
    void on_cancel() noexcept override {}
    void on_cancel_late() noexcept override { revoke(); }
};

}  // namespace detail

/// Waits for `time` on the loop's clock; never shorter. Zero or less: lets others run once. duration::max()
/// and more: until canceled.
inline auto sleep_for(any_duration time) {
    return detail::sleep_operation(detail::sleep_operation::after{time});
}
/// Waits until the loop's clock shows `at`.
inline auto sleep_until(time_point at) { return detail::sleep_operation(at); }
/// Waits until canceled.
inline auto sleep_forever() { return detail::sleep_operation(time_point::max()); }

/// Lets everything that is ready run once; goes on at once if nothing is.
inline auto yield() { return detail::yield_operation(); }

}  // namespace simul
