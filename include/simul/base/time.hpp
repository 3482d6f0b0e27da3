#pragma once

#include <chrono>
#include <string>

#include <simul/base/compiler.hpp>

namespace simul {

using clock = std::chrono::steady_clock;  ///< Time for waiting and measuring. Calendar time is
                                          ///< std::chrono::system_clock.
using duration = clock::duration;
using time_point = clock::time_point;

/// `5s`, `250ms`, `1h` for everyone who names this namespace.
inline namespace literals {
using std::chrono_literals::operator""h;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""us;
using std::chrono_literals::operator""ns;
}  // namespace literals

namespace detail {

template <class Rep, class Period>
constexpr duration saturated(std::chrono::duration<Rep, Period> d) noexcept {
    using nanoseconds = std::chrono::duration<long double, duration::period>;
    const nanoseconds exact = d;
    if (exact >= nanoseconds(duration::max())) return duration::max();
    if (exact <= nanoseconds(duration::min())) return duration::min();
    return std::chrono::ceil<duration>(d);
}

}  // namespace detail

/// A parameter that takes a duration of any unit, integral or not (`seconds::max()`, `0.5s`): rounded up to
/// nanoseconds, and what is longer than `duration` can be becomes duration::max(), where chrono's own
/// conversion would wrap round to something short.
class any_duration {
  public:
    template <class Rep, class Period>
    constexpr any_duration(std::chrono::duration<Rep, Period> d) noexcept : value_(detail::saturated(d)) {}
    constexpr operator duration() const noexcept { return value_; }

  private:
    duration value_;
};

/// A duration for people, in the largest unit that keeps it above 1 and at most three decimals: "1.5 s", "250
/// ms", "2 h".
std::string describe(duration d);

}  // namespace simul
