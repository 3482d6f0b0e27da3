#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

using namespace simul;
using namespace simul::literals;

TEST_CASE("twelve hours of sleeping pass at once on a virtual clock, to the nanosecond") {
    virtual_loop loop;
    loop.run([&]() -> task<> {
        co_await sleep_for(12h);
        CHECK(loop.elapsed() == 12h);
        co_await sleep_for(1ns);
        CHECK(loop.elapsed() == 12h + 1ns);
        co_await sleep_until(loop.now() + 5s);
        CHECK(loop.elapsed() == 12h + 5s + 1ns);
        co_await sleep_until(loop.now() - 5s);
        co_await sleep_until(time_point::min());
        co_await sleep_for(0s);
        co_await sleep_for(-1h);
        CHECK(loop.elapsed() == 12h + 5s + 1ns);
    });
}

TEST_CASE("sleepers wake in the order of their times, equal ones in the order they lay down") {
    virtual_loop loop;
    std::string order;
    loop.run([&]() -> task<> {
        auto nap = [&](char name, duration time) -> task<> {
            co_await sleep_for(time);
            order += name;
        };
        co_await all(nap('d', 2s), nap('b', 1s), nap('e', 2s), nap('a', 1ns), nap('c', 1s));
    });
    CHECK(order == "abcde");
}

TEST_CASE("sleeping for no time lets others run once") {
    virtual_loop loop;
    std::string order;
    loop.run([&]() -> task<> {
        auto a = [&]() -> task<> {
            order += 'a';
            co_await sleep_for(0s);
            order += 'a';
        };
        auto b = [&]() -> task<> {
            order += 'b';
            co_return;
        };
        co_await all(a(), b());
    });
    CHECK(order == "aba");
}

TEST_CASE("a real sleep is never shorter than asked") {
    run([]() -> task<> {
        const time_point before = clock::now();
        co_await sleep_for(3ms);
        CHECK(clock::now() - before >= 3ms);
    });
}

TEST_CASE("yield lets everything that is ready run once") {
    virtual_loop loop;
    std::string order;
    loop.run([&]() -> task<> {
        auto say = [&](char name) -> task<> {
            for (int i = 0; i < 3; ++i) {
                order += name;
                co_await yield();
            }
        };
        co_await all(say('a'), say('b'), say('c'));
    });
    CHECK(order == "abcabcabc");
}

TEST_CASE("a task that yields when nobody waits goes on at once, without a step of the loop") {
    virtual_loop loop;
    loop.run([&]() -> task<> {
        const auto before = loop.statistics().steps;
        for (int i = 0; i < 20; ++i) co_await yield();
        CHECK(loop.statistics().steps == before);
    });
}

TEST_CASE("a task that does nothing but yield cannot keep the loop from its timers") {
    virtual_loop loop;
    int rounds = 0;
    loop.run([&]() -> task<> {
        bool late = false;
        auto spins = [&]() -> task<> {
            while (!late && rounds < 100'000) {
                ++rounds;
                co_await yield();
            }
        };
        auto sets = [&]() -> task<> {
            co_await sleep_for(0s);
            late = true;
        };
        co_await all(spins(), sets());
    });
    CHECK(rounds < 20'000);  // so many fit into one turn of the loop
}

TEST_CASE("sleep_forever ends only by a cancel") {
    virtual_loop loop;
    loop.run([]() -> task<> { CHECK_FALSE(co_await move_on_after(1000h, sleep_forever())); });
    CHECK(loop.elapsed() == 1000h);
}

TEST_CASE("durations of any unit and length mean what they say") {
    // chrono's own conversion to nanoseconds wraps round: seconds::max() was the past.
    virtual_loop loop;
    loop.run([&]() -> task<> {
        co_await sleep_for(duration::min());
        co_await sleep_for(std::chrono::hours::min());
        CHECK(loop.elapsed() == 0s);
        co_await sleep_for(std::chrono::duration<double>(0.5));
        CHECK(loop.elapsed() == 500ms);
        co_await sleep_for(std::chrono::duration<double, std::nano>(0.25));  // never shorter
        CHECK(loop.elapsed() == 500ms + 1ns);
        CHECK_FALSE(co_await move_on_after(1h, sleep_for(std::chrono::seconds::max())));
        CHECK(co_await move_on_after(std::chrono::hours::max(), sleep_for(1s)));
        co_await timeout(duration::max(), sleep_for(1s));
        CHECK_FALSE(co_await move_on_after(std::chrono::seconds::min(), sleep_for(1s)));
        CHECK_FALSE(co_await move_on_after(duration::min(), sleep_for(1s)));
        co_await sleep_for(std::chrono::duration<std::int32_t>(1));
        CHECK(loop.elapsed() == 1h + 3s + 500ms + 1ns);
    });
    static_assert(duration(any_duration(std::chrono::duration<double>(1e30))) == duration::max());
    static_assert(duration(any_duration(std::chrono::duration<double>(-1e30))) == duration::min());
    static_assert(duration(any_duration(std::chrono::years(400))) == duration::max());
    static_assert(duration(any_duration(duration::max())) == duration::max());
    static_assert(duration(any_duration(duration::max() - 1ns)) == duration::max() - 1ns);
}
