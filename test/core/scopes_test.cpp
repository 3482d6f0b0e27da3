#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/async_event.hpp>
#include <simul/core/scopes.hpp>
#include <simul/core/this_task.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

#include "core/support.hpp"

using namespace simul;
using namespace simul::testing_core;

TEST_CASE("canceling a scope ends what runs in it, and nothing else") {
    virtual_loop loop;
    loop.run([]() -> task<> {
        bool after = false;
        const auto got = co_await with_scope([&](cancel_scope& scope) -> task<int> {
            scope.cancel("enough");
            CHECK(scope.canceled());
            CHECK(scope.reason().text == "enough");
            CHECK(this_task::reason().text == "enough");
            co_await sleep_for(1s);
            after = true;
            co_return 1;
        });
        CHECK(got == std::nullopt);
        CHECK_FALSE(after);
        CHECK_FALSE(this_task::canceled());
        co_await sleep_for(1s);
    });
    CHECK(loop.elapsed() == 1s);
}

TEST_CASE("a scope that is not canceled gives the result of its body, or true") {
    run_virtual([]() -> task<> {
        CHECK(co_await with_scope([](cancel_scope&) { return value_after(1s, 7); }) == 7);
        CHECK(co_await with_scope([](cancel_scope&) { return sleep_for(1s); }));
    });
}

TEST_CASE("a body that completes in spite of the cancel has a result") {
    run_virtual([]() -> task<> {
        const auto got = co_await with_scope([](cancel_scope& scope) -> task<int> {
            scope.cancel();
            co_return 5;
        });
        CHECK(got == 5);
    });
}

TEST_CASE("the first reason of a cancel stays") {
    run_virtual([]() -> task<> {
        co_await with_scope([](cancel_scope& scope) -> task<> {
            scope.cancel("first");
            scope.cancel("second");
            CHECK(to_string(scope.reason()) == "canceled: first");
            co_return;
        });
    });
}

TEST_CASE("a body that is no coroutine may cancel its scope in the call") {
    // Bug: the scope was opened afterwards, and opening it forgot the cancel.
    run_virtual([]() -> task<> {
        bool ran = false;
        auto body = [&]() -> task<> {
            ran = true;
            co_return;
        };
        CHECK_FALSE(co_await with_scope([&](cancel_scope& scope) {
            scope.cancel();
            return body();
        }));
        CHECK_FALSE(ran);
    });
}

TEST_CASE("a cancel from outside travels through inner scopes") {
    bool after = false;
    run_virtual([&]() -> task<> {
        const bool in_time = co_await with_scope([&](cancel_scope& outer) -> task<> {
            auto inner = [&]() -> task<> {
                co_await with_scope([](cancel_scope&) { return sleep_forever(); });
                after = true;
            };
            auto cancels = [&]() -> task<> {
                co_await sleep_for(1s);
                outer.cancel();
            };
            co_await all(inner(), cancels());
        });
        CHECK_FALSE(in_time);
    });
    CHECK_FALSE(after);
}

TEST_CASE("a canceled scope stays canceled: every operation in it ends the task") {
    int steps = 0;
    run_virtual([&]() -> task<> {
        co_await with_scope([&](cancel_scope& scope) -> task<> {
            scope.cancel();
            ++steps;
            const auto how = co_await outcome_of(sleep_for(1s));
            CHECK(how.canceled());
            ++steps;
            async_event event;
            event.set();
            co_await event.wait();  // complete at once, but not in a canceled scope
            ++steps;
        });
    });
    CHECK(steps == 2);
}

TEST_CASE("shielded work is not interrupted, and the caller stops at its next operation") {
    virtual_loop loop;
    int steps = 0;
    loop.run([&]() -> task<> {
        auto work = [&]() -> task<> {
            CHECK(co_await shield(value_after(5s, 3)) == 3);
            ++steps;
            co_await sleep_for(1s);
            ++steps;
        };
        CHECK_FALSE(co_await move_on_after(1s, work()));
    });
    CHECK(steps == 1);
    CHECK(loop.elapsed() == 5s);
}

TEST_CASE("shielded work that has not begun begins in a canceled scope all the same") {
    bool ran = false;
    run_virtual([&]() -> task<> {
        co_await with_scope([&](cancel_scope& scope) -> task<> {
            scope.cancel();
            auto work = [&]() -> task<> {
                CHECK_FALSE(this_task::canceled());
                co_await sleep_for(1s);
                ran = true;
            };
            co_await shield(work());
            CHECK(this_task::canceled());
        });
    });
    CHECK(ran);
}

TEST_CASE("time limits inside a shield hold, those outside do not reach it") {
    virtual_loop loop;
    loop.run([]() -> task<> {
        co_await move_on_after(2s, shield([]() -> task<> {
                                   CHECK(this_task::deadline() == time_point::max());
                                   CHECK_FALSE(co_await move_on_after(5s, sleep_forever()));
                               }()));
    });
    CHECK(loop.elapsed() == 5s);
}

TEST_CASE("the deadline that code sees is the nearest of the time limits around it") {
    run_virtual([]() -> task<> {
        const time_point now = this_loop().now();
        CHECK(this_task::deadline() == time_point::max());
        auto look = [&](duration expected) -> task<> {
            CHECK(this_task::deadline() == now + expected);
            co_return;
        };
        co_await timeout(5s, look(5s));
        co_await timeout(5s, timeout(9s, look(5s)));
        co_await timeout(5s, timeout(3s, look(3s)));
        CHECK(this_task::deadline() == time_point::max());
    });
}

TEST_CASE("outcome_of tells a value, an error and a cancel apart, and a cancel does not pass it") {
    run_virtual([]() -> task<> {
        auto value = co_await outcome_of(value_after(1s, 4));
        CHECK(std::move(value).value() == 4);
        CHECK((co_await outcome_of(fail_after(1s, "no"))).has_error());
        co_await with_scope([](cancel_scope& scope) -> task<> {
            auto cancels = [&]() -> task<> {
                co_await sleep_for(1s);
                scope.cancel();
            };
            auto sees_it = []() -> task<> {
                CHECK((co_await outcome_of(sleep_forever())).canceled());
                CHECK(this_task::canceled());
            };
            co_await all(cancels(), sees_it());
        });
    });
}

TEST_CASE("checkpoint ends a canceled task, and is nothing otherwise") {
    run_virtual([]() -> task<> {
        co_await checkpoint();
        bool after = false;
        co_await with_scope([&](cancel_scope& scope) -> task<> {
            scope.cancel();
            co_await checkpoint();
            after = true;
        });
        CHECK_FALSE(after);
    });
}

TEST_CASE("outside of a loop nothing is canceled and there is no deadline") {
    CHECK_FALSE(this_task::canceled());
    CHECK(this_task::reason().why == cancel_reason::kind::none);
    CHECK(this_task::deadline() == time_point::max());
}

TEST_CASE("a cancel reason explains itself") {
    CHECK(to_string({}) == "not canceled");
    CHECK(to_string({cancel_reason::kind::deadline, {}}) == "its time was up");
    CHECK(to_string({cancel_reason::kind::sibling_failed, "boom"}) ==
          "another task of its group failed: boom");
}
