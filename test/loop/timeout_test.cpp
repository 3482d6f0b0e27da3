#include <doctest/doctest.h>

#include <string>
#include <system_error>

#include <simul/core/all.hpp>
#include <simul/core/async_event.hpp>
#include <simul/core/scopes.hpp>
#include <simul/core/this_task.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

using namespace simul;
using namespace simul::literals;

namespace {
task<int> value_after(duration time, int value) {
    co_await sleep_for(time);
    co_return value;
}
}  // namespace

TEST_CASE("timeout gives the result that comes in time, and throws otherwise, after the work has ended") {
    virtual_loop loop;
    loop.run([&]() -> task<> {
        CHECK(co_await timeout(2s, value_after(1s, 5)) == 5);
        CHECK(loop.statistics().timers_armed == 0);
        bool thrown = false;
        try {
            co_await timeout(2s, value_after(3s, 5));
        } catch (const std::system_error& e) {
            thrown = true;
            CHECK(e.code() == errc::timed_out);
            CHECK(e.code() == condition::timed_out);
            CHECK(std::string(e.what()).find("no result within 2 s") != std::string::npos);
        }
        CHECK(thrown);
        CHECK(loop.elapsed() == 3s);
    });
}

TEST_CASE("move_on_after gives nothing, or false, when the time is up") {
    virtual_loop loop;
    loop.run([]() -> task<> {
        CHECK(co_await move_on_after(2s, value_after(1s, 5)) == 5);
        CHECK(co_await move_on_after(1s, value_after(2s, 5)) == std::nullopt);
        CHECK(co_await move_on_after(2s, sleep_for(1s)));
        CHECK_FALSE(co_await move_on_after(1s, sleep_for(2s)));
    });
}

TEST_CASE("a result that is there in the turn in which the time is up counts") {
    // Bug: the limit was armed first and fired first, so a sleep of exactly the limit was timed out.
    virtual_loop loop;
    loop.run([]() -> task<> {
        CHECK(co_await timeout(1s, value_after(1s, 5)) == 5);
        auto twice = []() -> task<int> {
            co_await sleep_for(1s);
            co_return co_await value_after(1s, 6);
        };
        CHECK(co_await timeout(2s, twice()) == 6);
        async_event event;
        auto sets = [&]() -> task<> {
            co_await sleep_for(1s);
            event.set();
        };
        co_await all(timeout(2s, event.wait()), sets());
    });
}

TEST_CASE("with no time left the work does not begin") {
    virtual_loop loop;
    loop.run([]() -> task<> {
        bool began = false;
        auto work = [&]() -> task<> {
            began = true;
            co_return;
        };
        CHECK_FALSE(co_await move_on_after(0s, work()));
        CHECK_FALSE(co_await move_on_after(-1h, work()));
        CHECK_FALSE(began);
    });
}

TEST_CASE("a limit that never ends is no limit") {
    virtual_loop loop;
    loop.run([&]() -> task<> {
        CHECK(co_await timeout(duration::max(), value_after(1s, 5)) == 5);
        auto look = [&]() -> task<> {
            CHECK(loop.statistics().timers_armed == 0);
            CHECK(this_task::deadline() == time_point::max());
            co_return;
        };
        co_await timeout(duration::max(), look());
    });
}

TEST_CASE("work that will not stop is awaited, and its result counts") {
    virtual_loop loop;
    loop.run([]() -> task<> { CHECK(co_await timeout(1s, shield(value_after(5s, 3))) == 3); });
    CHECK(loop.elapsed() == 5s);
}

TEST_CASE("of nested limits the first to pass ends what is inside it") {
    virtual_loop loop;
    loop.run([]() -> task<> {
        auto inner = []() -> task<bool> { co_return co_await move_on_after(9s, sleep_forever()); };
        CHECK(co_await move_on_after(5s, inner()) == std::nullopt);
        auto outer = []() -> task<bool> { co_return co_await move_on_after(3s, sleep_forever()); };
        CHECK(co_await move_on_after(5s, outer()) == false);
    });
    CHECK(loop.elapsed() == 8s);
}

TEST_CASE("the error of the work is thrown, not that of the limit") {
    virtual_loop loop;
    CHECK_THROWS_WITH_AS(loop.run([]() -> task<> {
        auto fails = []() -> task<> {
            co_await shield(sleep_for(2s));
            throw std::runtime_error("mine");
        };
        co_await timeout(1s, fails());
    }),
                         "mine", std::runtime_error);
}
