#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include <simul/loop/timer.hpp>

using namespace simul;
using namespace simul::detail;

namespace {

struct test_timer final : timer {
    int id = 0;
    std::uint64_t order = 0;  // of arming
    std::function<void(test_timer&)> when_fired;
    void fired() noexcept override { when_fired(*this); }
};

constexpr time_point start{std::chrono::hours(24)};

time_point at(std::int64_t ns) { return start + duration(ns); }

}  // namespace

TEST_CASE("timers fire in the order of their deadlines, equal ones in the order armed") {
    timer_wheel wheel(start);
    std::vector<int> fired;
    std::vector<test_timer> timers(6);
    const std::int64_t deadlines[] = {5'000'000'000, 70'000, 70'000, 1, 69'999, 5'000'000'000};
    for (std::size_t i = 0; i < timers.size(); ++i) {
        timers[i].id = static_cast<int>(i);
        timers[i].deadline = at(deadlines[i]);
        timers[i].when_fired = [&](test_timer& t) { fired.push_back(t.id); };
        wheel.arm(timers[i]);
    }
    CHECK(wheel.size() == 6);
    wheel.advance(at(69'998));
    CHECK(fired == std::vector{3});
    wheel.advance(at(80'000));
    CHECK(fired == std::vector{3, 4, 1, 2});
    wheel.advance(at(4'999'999'999));
    CHECK(fired.size() == 4);
    wheel.advance(at(5'000'000'000));
    CHECK(fired == std::vector{3, 4, 1, 2, 0, 5});
    CHECK(wheel.size() == 0);
    CHECK(wheel.next() == std::nullopt);
}

TEST_CASE("limits fire after everything else that is due, and may be disarmed by it") {
    timer_wheel wheel(start);
    std::vector<int> fired;
    test_timer limit, other, disarmed, disarms;
    auto note = [&](test_timer& t) { fired.push_back(t.id); };
    limit.id = 1, other.id = 2, disarmed.id = 3, disarms.id = 4;
    limit.is_limit = disarmed.is_limit = true;
    limit.when_fired = other.when_fired = disarmed.when_fired = note;
    disarms.when_fired = [&](test_timer& t) {
        note(t);
        wheel.disarm(disarmed);
    };
    for (test_timer* t : {&limit, &disarmed, &other, &disarms}) {
        t->deadline = at(1000);
        wheel.arm(*t);
    }
    wheel.advance(at(1000));
    CHECK(fired == std::vector{2, 4, 1});
    CHECK(wheel.size() == 0);
    CHECK_FALSE(disarmed.armed());
}

TEST_CASE("a timer may be armed again when it fires, and disarm others") {
    timer_wheel wheel(start);
    int count = 0;
    test_timer t;
    t.deadline = at(1'000'000);
    t.when_fired = [&](test_timer& self) {
        if (++count < 5) {
            self.deadline += std::chrono::milliseconds(1);
            wheel.arm(self);
        }
    };
    wheel.arm(t);
    wheel.advance(at(3'500'000));
    CHECK(count == 3);
    wheel.advance(at(10'000'000));
    CHECK(count == 5);
    CHECK(wheel.size() == 0);
}

TEST_CASE("a deadline in the past fires at once, one at the end of time never") {
    timer_wheel wheel(start);
    int fired = 0;
    test_timer past, never;
    past.deadline = time_point::min();
    never.deadline = time_point::max();
    past.when_fired = never.when_fired = [&](test_timer&) { ++fired; };
    wheel.arm(never);
    wheel.arm(past);
    CHECK(wheel.next() == time_point::min());
    wheel.advance(at(1));
    CHECK(fired == 1);
    wheel.advance(at(std::int64_t{1} << 61));
    CHECK(fired == 1);
    CHECK(wheel.size() == 1);
    wheel.disarm(never);
    wheel.disarm(never);
    CHECK(wheel.size() == 0);
}

TEST_CASE("a timer wheel does what a sorted list does") {
    std::mt19937_64 random(20240607);
    for (int round = 0; round < 60; ++round) {
        CAPTURE(round);
        timer_wheel wheel(start);
        std::int64_t now = 0;
        std::uint64_t order = 0;
        std::vector<std::unique_ptr<test_timer>> timers;
        std::vector<test_timer*> armed;
        std::vector<int> fired, expected;

        auto spread = [&]() -> std::int64_t {  // from nanoseconds to decades, with many equal ones
            const int bits = static_cast<int>(random() % 60);
            const auto far = static_cast<std::int64_t>(random() & ((std::uint64_t{1} << bits) - 1));
            return random() % 4 == 0 ? far / 1'000'000 * 1'000'000 : far;
        };
        auto rank = [](const test_timer* a, const test_timer* b) {
            return a->deadline != b->deadline ? a->deadline < b->deadline : a->order < b->order;
        };
        auto arm = [&](test_timer& t) {
            t.deadline = at(now + spread() % (std::int64_t{1} << 55));
            t.order = ++order;
            wheel.arm(t);
            armed.push_back(&t);
        };
        for (int i = 0; i < 200; ++i) {
            switch (random() % 5) {
                case 0:
                case 1: {
                    timers.push_back(std::make_unique<test_timer>());
                    timers.back()->id = static_cast<int>(timers.size());
                    timers.back()->when_fired = [&](test_timer& t) { fired.push_back(t.id); };
                    arm(*timers.back());
                    break;
                }
                case 2:
                    if (!armed.empty()) {
                        const auto which =
                            armed.begin() + static_cast<std::ptrdiff_t>(random() % armed.size());
                        wheel.disarm(**which);
                        if (random() % 2 == 0) {
                            test_timer& again = **which;
                            armed.erase(which);
                            arm(again);
                        } else {
                            armed.erase(which);
                        }
                    }
                    break;
                default: {
                    now += spread() % (std::int64_t{1} << (random() % 56 + 1));
                    now = std::min(now, std::int64_t{1} << 60);
                    std::sort(armed.begin(), armed.end(), rank);
                    while (!armed.empty() && armed.front()->deadline <= at(now)) {
                        expected.push_back(armed.front()->id);
                        armed.erase(armed.begin());
                    }
                    wheel.advance(at(now));
                    REQUIRE(fired == expected);
                    REQUIRE(wheel.size() == armed.size());
                    const auto next = wheel.next();
                    REQUIRE(next.has_value() == !armed.empty());
                    // The wheel may ask to be looked at earlier, never later, and not in the past.
                    if (next) {
                        REQUIRE(*next <= armed.front()->deadline);
                        REQUIRE(*next > at(now) - duration(1 << 16));
                    }
                }
            }
        }
        // Going from one next() to the other, as a virtual clock does, meets every deadline exactly.
        std::sort(armed.begin(), armed.end(), rank);
        for (int looks = 0; wheel.next(); ++looks) {
            REQUIRE(looks < 10'000);
            const time_point next = *wheel.next();
            const std::size_t before = fired.size();
            wheel.advance(next);
            for (std::size_t i = before; i < fired.size(); ++i) {
                REQUIRE(fired[i] == armed.front()->id);
                REQUIRE(armed.front()->deadline <= next);
                armed.erase(armed.begin());
            }
        }
        REQUIRE(armed.empty());
    }
}

TEST_CASE("a hundred thousand timers are armed and disarmed in no time") {
    timer_wheel wheel(start);
    std::vector<test_timer> timers(100'000);
    std::int64_t n = 0;
    for (auto& t : timers) {
        t.deadline = at(30'000'000'000 + (n++ * 7919) % 1'000'000);
        t.when_fired = [](test_timer&) {};
        wheel.arm(t);
    }
    for (std::size_t i = 0; i < timers.size(); i += 2) wheel.disarm(timers[i]);
    CHECK(wheel.size() == 50'000);
    wheel.advance(at(40'000'000'000));
    CHECK(wheel.size() == 0);
}
