#include <doctest/doctest.h>

#include <string>

#include <simul/core/all.hpp>
#include <simul/core/async_generator.hpp>
#include <simul/core/context_value.hpp>
#include <simul/core/task_group.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

#include "core/support.hpp"

using namespace simul;
using namespace simul::testing_core;

namespace {
inline constexpr context_value<std::string> request_id;
inline constexpr context_value<int> depth;

std::string current_request() { return request_id.get_or("none"); }
}  // namespace

TEST_CASE("a context value is seen by everything below, and restored afterwards") {
    run_virtual([]() -> task<> {
        CHECK(request_id.get() == nullptr);
        auto look = [](std::string expected) -> task<> {
            CHECK(current_request() == expected);
            co_await sleep_for(1s);
            CHECK(current_request() == expected);
        };
        auto outer = [&]() -> task<> {
            co_await look("a");
            co_await request_id.with("b", look("b"));
            co_await depth.with(3, look("a"));
            co_await all(look("a"), request_id.with("c", look("c")), timeout(1h, look("a")));
            co_await with_group([&](task_group& group) -> task<> {
                group.spawn(look, "a");
                co_await look("a");
            });
            CHECK(current_request() == "a");
        };
        co_await request_id.with("a", outer());
        CHECK(current_request() == "none");
    });
    CHECK(request_id.get() == nullptr);
}

TEST_CASE("with gives what the work gives, and throws what it throws") {
    run_virtual([]() -> task<> {
        CHECK(co_await depth.with(1, value_after(1s, 4)) == 4);
        const auto how = co_await outcome_of(depth.with(1, fail_after(1s, "no")));
        CHECK(how.has_error());
        CHECK(depth.get() == nullptr);
    });
}

TEST_CASE("destructors of a canceled task see the values of their task") {
    std::string seen;
    run_virtual([&]() -> task<> {
        auto work = [&]() -> task<> {
            const at_end look([&] { seen = current_request(); });
            co_await sleep_forever();
        };
        co_await move_on_after(1s, request_id.with("x", work()));
        CHECK(current_request() == "none");
    });
    CHECK(seen == "x");
}

TEST_CASE("an async_generator sees the values of who asks for the next element") {
    run_virtual([]() -> task<> {
        auto g = []() -> async_generator<int> {
            for (;;) co_yield depth.get_or(0);
        }();
        CHECK(*co_await g.next() == 0);
        CHECK(*co_await depth.with(5, g.next()) == 5);
        CHECK(*co_await g.next() == 0);
    });
}
