#include <doctest/doctest.h>

#include <ranges>
#include <string>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/async_semaphore.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

#include "core/support.hpp"

using namespace simul;
using namespace simul::testing_core;

TEST_CASE("an async_semaphore lets in as many as it has units") {
    virtual_loop loop;
    int inside = 0;
    int most = 0;
    loop.run([&]() -> task<> {
        async_semaphore semaphore(3);
        co_await all(std::views::iota(0, 9), [&](int) -> task<> {
            auto permit = co_await semaphore.acquire();
            most = std::max(most, ++inside);
            co_await sleep_for(1s);
            --inside;
        });
        CHECK(semaphore.available() == 3);
    });
    CHECK(most == 3);
    CHECK(loop.elapsed() == 3s);
}

TEST_CASE("a large request is not overtaken by small ones") {
    std::string order;
    run_virtual([&]() -> task<> {
        async_semaphore semaphore(3);
        auto use = [&](char name, std::size_t units) -> task<> {
            auto permit = co_await semaphore.acquire(units);
            order += name;
            co_await sleep_for(1s);
        };
        co_await all(use('a', 2), use('B', 3), use('c', 1), use('d', 1));
    });
    CHECK(order == "aBcd");
}

TEST_CASE("a large request that is canceled lets in the small ones behind it at once") {
    virtual_loop loop;
    loop.run([&]() -> task<> {
        async_semaphore semaphore(2);
        duration got{};
        auto holds = [&]() -> task<> {
            auto permit = co_await semaphore.acquire();
            co_await sleep_for(9s);
        };
        auto large = [&]() -> task<> { CHECK_FALSE(co_await move_on_after(1s, semaphore.acquire(2))); };
        auto small = [&]() -> task<> {
            co_await sleep_for(500ms);
            auto permit = co_await semaphore.acquire();
            got = loop.elapsed();
        };
        co_await all(holds(), large(), small());
        CHECK(got == 1s);
        CHECK(semaphore.available() == 2);
    });
}

TEST_CASE("units handed to a task that is canceled before its turn are given back") {
    run_virtual([]() -> task<> {
        async_semaphore semaphore(1);
        bool had_it = false;
        auto permit = co_await semaphore.acquire();
        co_await with_scope([&](cancel_scope& scope) -> task<> {
            auto takes = [&]() -> task<> {
                auto mine = co_await semaphore.acquire();
                had_it = true;
            };
            auto hands_over_and_cancels = [&]() -> task<> {
                permit.release();
                scope.cancel();
                co_return;
            };
            co_await all(takes(), hands_over_and_cancels());
        });
        CHECK_FALSE(had_it);
        CHECK(semaphore.available() == 1);
    });
}

TEST_CASE("try_acquire never waits and does not overtake; release adds units") {
    run_virtual([]() -> task<> {
        async_semaphore events(0);
        CHECK_FALSE(events.try_acquire());
        events.release(2);
        {
            auto both = events.try_acquire(2);
            CHECK(both);
            CHECK_FALSE(events.try_acquire());
            async_permit moved = std::move(both);
            CHECK_FALSE(both);
        }
        CHECK(events.available() == 2);
        auto tries = [&]() -> task<> {
            CHECK_FALSE(events.try_acquire(1));  // somebody waits for three
            events.release();
            co_return;
        };
        auto waits = [&]() -> task<> { auto three = co_await events.acquire(3); };
        co_await all(waits(), tries());
        CHECK(events.available() == 3);
    });
}
