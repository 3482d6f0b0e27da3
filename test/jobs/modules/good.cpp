// A module as a user writes it: functions of every kind, and some that go wrong.
#include <simul/jobs/module.hpp>
#include <simul/loop/sleep.hpp>

#include <chrono>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

inline constexpr simul::job<int(std::string)> count_words{"mymodule.count_words", {"text"}};
inline constexpr simul::job<int(int)> later{"mymodule.later", {"n"}};
inline constexpr simul::job<int(int)> alone{"mymodule.alone", {"n"}};
inline constexpr simul::job<void()> throws{"trouble.throws"};
inline constexpr simul::job<void()> exits{"trouble.exits"};
inline constexpr simul::job<void()> exits_alone{"trouble.exits_alone"};
inline constexpr simul::job<void()> overflows{"trouble.overflows"};
inline constexpr simul::job<void()> overflows_alone{"trouble.overflows_alone"};
inline constexpr simul::job<void()> sleeps{"trouble.sleeps"};
inline constexpr simul::job<void()> sleeps_alone{"trouble.sleeps_alone"};
inline constexpr simul::job<void()> hangs{"trouble.hangs"};

int count(std::string text) {
    std::istringstream words(text);
    int n = 0;
    for (std::string word; words >> word;) ++n;
    return n;
}

simul::task<int> twice_later(int n) {
    co_await simul::sleep_for(std::chrono::milliseconds(1));
    co_return 2 * n;
}

simul::task<> sleep_long() { co_await simul::sleep_for(std::chrono::hours(1)); }

[[gnu::noinline]] int use_stack(int depth) {
    volatile char room[4096] = {};
    room[0] = static_cast<char>(depth);
    // Depth is never negative here; the compiler must not find out that this has no end.
    return depth < 0 ? room[0] : use_stack(depth + 1) + room[1];
}

[[noreturn]] void leave() { std::exit(7); }
void overflow() { use_stack(0); }

void add_handlers(simul::worker& w) {
    w.handle(count_words, &count);
    w.handle(later, &twice_later);
    w.handle(alone, simul::isolated([](int n) { return 3 * n; }));
    w.handle(throws, [] { throw std::runtime_error("the disk is full of eels"); });
    w.handle(exits, &leave);
    w.handle(exits_alone, simul::isolated([] { std::exit(7); }));
    w.handle(overflows, &overflow);
    w.handle(overflows_alone, simul::isolated(&overflow));
    w.handle(sleeps, &sleep_long);
    w.handle(sleeps_alone, simul::isolated(&sleep_long));
    w.handle(hangs, [] { std::this_thread::sleep_for(std::chrono::hours(1)); });
}

}  // namespace

SIMUL_MODULE(add_handlers)
