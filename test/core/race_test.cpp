#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/race.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

#include "core/support.hpp"

using namespace simul;
using namespace simul::testing_core;

namespace {

task<std::unique_ptr<int>> own_after(duration time, int n) {
    co_await sleep_for(time);
    co_return std::make_unique<int>(n);
}

/// A virtual loop that notes what is reported to its error hook.
struct noting_loop {
    std::vector<std::string> reported;
    virtual_loop loop{{.on_error = [this](std::exception_ptr error, std::string_view what) {
        reported.push_back(std::string(what) + ": " + text_thrown_by([&] { std::rethrow_exception(error); }));
    }}};
};

}  // namespace

TEST_CASE("a race of equals gives the index of the winner and its value") {
    virtual_loop loop;
    loop.run([]() -> task<> {
        const auto won = co_await race(value_after(3s, 1), value_after(1s, 2), value_after(2s, 3));
        CHECK(won.index == 1);
        CHECK(won.value == 2);
        auto owned = co_await race(own_after(2s, 1), own_after(1s, 2));
        CHECK(*owned.value == 2);
    });
    CHECK(loop.elapsed() == 2s);
}

TEST_CASE("a race of different kinds gives a variant, one without values an index") {
    run_virtual([]() -> task<> {
        auto mixed = co_await race(value_after(2s, 1), sleep_for(1s));
        static_assert(std::is_same_v<decltype(mixed), std::variant<int, std::monostate>>);
        CHECK(mixed.index() == 1);
        CHECK(co_await race(sleep_for(2s), sleep_for(1s)) == 1);
    });
}

TEST_CASE("the first to complete wins with its error, too") {
    run_virtual([]() -> task<> {
        const auto how = co_await outcome_of(race(value_after(2s, 1), fail_after(1s, "first")));
        CHECK(text_thrown_by([&] { std::rethrow_exception(how.error()); }) == "first");
    });
}

TEST_CASE("the losers of a race are awaited before it returns") {
    virtual_loop loop;
    loop.run([]() -> task<> {
        bool ended = false;
        auto slow_to_stop = [&]() -> task<> {
            co_await shield(sleep_for(5s));
            ended = true;
        };
        CHECK(co_await race(slow_to_stop(), sleep_for(1s)) == 1);
        CHECK(ended);
    });
    CHECK(loop.elapsed() == 5s);
}

TEST_CASE("a loser's late value is dropped and destroyed") {
    counted::reset();
    run_virtual([]() -> task<> {
        auto late = []() -> task<counted> {
            co_await shield(sleep_for(5s));
            co_return counted{};
        };
        auto soon = []() -> task<counted> {
            co_await sleep_for(1s);
            co_return counted{};
        };
        const auto won = co_await race(late(), soon());
        CHECK(won.index == 1);
    });
    CHECK(counted::live == 0);
    CHECK(counted::destroyed_twice == 0);
}

TEST_CASE("a loser's late error is reported to the loop's error hook and does not win") {
    noting_loop on;
    on.loop.run([]() -> task<> {
        auto late = []() -> task<> {
            co_await shield(sleep_for(5s));
            throw std::runtime_error("late");
        };
        CHECK(co_await race(late(), sleep_for(1s)) == 1);
    });
    CHECK(on.reported == std::vector<std::string>{"a race's loser failed: late"});
}

TEST_CASE("a race whose caller is canceled ends without a result") {
    virtual_loop loop;
    loop.run(
        []() -> task<> { CHECK_FALSE(co_await move_on_after(1s, race(sleep_for(5s), sleep_forever()))); });
    CHECK(loop.elapsed() == 1s);
}

TEST_CASE("a race over a range gives the position of the winner; its errors as above") {
    noting_loop on;
    on.loop.run([]() -> task<> {
        const std::vector<int> seconds{3, 1, 2};
        const auto won = co_await race(seconds, [](int n) { return value_after(n * 1s, n); });
        CHECK(won.index == 1);
        CHECK(won.value == 1);
        CHECK(co_await race(seconds, [](int n) { return sleep_for(n * 1s); }) == 1);
        const auto how = co_await outcome_of(
            race(seconds, [](int n) { return n == 1 ? fail_after(1s, "one") : value_after(n * 1s, n); }));
        CHECK(text_thrown_by([&] { std::rethrow_exception(how.error()); }) == "one");
        const auto thrown = co_await outcome_of(race(seconds, [](int n) {
            if (n == 2) throw std::runtime_error("no task");
            return sleep_for(n * 1s);
        }));
        CHECK(text_thrown_by([&] { std::rethrow_exception(thrown.error()); }) == "no task");
    });
    CHECK(on.reported.empty());
}

TEST_CASE("nobody can win a race over an empty range: that is an error") {
    run_virtual([]() -> task<> {
        const auto how = co_await outcome_of(race(std::vector<int>{}, [](int) { return sleep_for(1s); }));
        CHECK(contains(text_thrown_by([&] { std::rethrow_exception(how.error()); }), "the range is empty"));
    });
}

TEST_CASE("two that complete in the same turn: the one written first wins, the other's value is dropped") {
    counted::reset();
    run_virtual([]() -> task<> {
        auto at_once = [](counted c) -> task<counted> { co_return c; };
        CHECK((co_await race(at_once(counted{}), at_once(counted{}))).index == 0);
    });
    CHECK(counted::live == 0);
}
