#include <doctest/doctest.h>

#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/async_event.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

#include "core/support.hpp"

using namespace simul;
using namespace simul::testing_core;

TEST_CASE("set wakes all that wait, and stays set until reset") {
    virtual_loop loop;
    loop.run([&]() -> task<> {
        async_event event;
        int woken = 0;
        auto waits = [&](int) -> task<> {
            co_await event.wait();
            ++woken;
        };
        auto sets = [&]() -> task<> {
            co_await sleep_for(1s);
            event.set();
            event.set();
        };
        co_await all(all(std::vector{1, 2, 3}, waits), sets());
        CHECK(woken == 3);
        CHECK(event.is_set());
        co_await event.wait();
        event.reset();
        CHECK_FALSE(co_await move_on_after(1s, event.wait()));
    });
    CHECK(loop.elapsed() == 2s);
}

TEST_CASE("a task woken by set goes on even if reset came before its turn") {
    run_virtual([]() -> task<> {
        async_event event;
        auto pulses = [&]() -> task<> {
            event.set();
            event.reset();
            co_return;
        };
        co_await all(event.wait(), pulses());
        CHECK_FALSE(event.is_set());
    });
}

TEST_CASE("a wait that was over when the cancel came is over") {
    run_virtual([]() -> task<> {
        async_event event;
        bool went_on = false;
        co_await with_scope([&](cancel_scope& scope) -> task<> {
            auto waits = [&]() -> task<> {
                co_await event.wait();
                went_on = true;
            };
            auto sets_and_cancels = [&]() -> task<> {
                event.set();
                scope.cancel();
                co_return;
            };
            co_await all(waits(), sets_and_cancels());
        });
        CHECK(went_on);
    });
}
