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

/// A duration for people, in the largest unit that keeps it above 1 and at most three decimals: "1.5 s", "250
/// ms", "2 h".
std::string describe(duration d);

}  // namespace simul
