#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/async_generator.hpp>
#include <simul/core/race.hpp>
#include <simul/core/scopes.hpp>
#include <simul/core/this_task.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

#include "core/support.hpp"

using namespace simul;
using namespace simul::testing_core;

namespace {
async_generator<int> ticks(int last, counted = {}) {
    for (int n = 1; n <= last; ++n) {
        co_await sleep_for(1s);
        co_yield n;
    }
}
}  // namespace

TEST_CASE("an async_generator waits between its values, and gives nothing at the end, again and again") {
    virtual_loop loop;
    loop.run([]() -> task<> {
        auto g = ticks(3);
        int sum = 0;
        while (auto n = co_await g.next()) sum += *n;
        CHECK(sum == 6);
        CHECK_FALSE(co_await g.next());
    });
    CHECK(loop.elapsed() == 3s);
}

TEST_CASE("a hundred thousand values that are there at once need no stack") {
    CHECK(run_virtual([]() -> task<int> {
              auto g = []() -> async_generator<int> {
                  for (int i = 0; i < 100'000; ++i) co_yield 1;
              }();
              int sum = 0;
              while (auto n = co_await g.next()) sum += *n;
              co_return sum;
          }) == 100'000);
}

TEST_CASE("what an async_generator throws is thrown by next, and it has ended") {
    run_virtual([]() -> task<> {
        auto g = []() -> async_generator<int> {
            co_yield 1;
            co_await sleep_for(1s);
            throw std::runtime_error("broken");
        }();
        CHECK(*co_await g.next() == 1);
        const auto how = co_await outcome_of(g.next());
        CHECK(text_thrown_by([&] { std::rethrow_exception(how.error()); }) == "broken");
        CHECK_FALSE(co_await g.next());
    });
}

TEST_CASE("an async_generator that is given up is destroyed where it is suspended") {
    counted::reset();
    run_virtual([]() -> task<> {
        {
            auto never_started = ticks(3);
        }
        auto g = ticks(3);
        co_await g.next();
    });
    CHECK(counted::live == 0);
    CHECK(counted::destroyed_twice == 0);
}

TEST_CASE("a canceled next destroys the generator; later calls give nothing") {
    counted::reset();
    run_virtual([]() -> task<> {
        auto g = ticks(3);
        CHECK_FALSE(co_await move_on_after(500ms, g.next()));
        CHECK(counted::live == 0);
        CHECK_FALSE(co_await g.next());
    });
    CHECK(counted::destroyed_twice == 0);
}

TEST_CASE("each step runs in the scope of who asks for it") {
    run_virtual([]() -> task<> {
        auto g = []() -> async_generator<duration> {
            for (;;) co_yield this_task::deadline() - this_loop().now();
        }();
        CHECK(*co_await timeout(5s, g.next()) == 5s);
        CHECK(*co_await timeout(3s, g.next()) == 3s);
        CHECK(*co_await g.next() > 1h);
    });
}

TEST_CASE("an async_generator can be moved between two values, and yields what can only be moved") {
    run_virtual([]() -> task<> {
        auto a = []() -> async_generator<std::unique_ptr<int>> {
            for (int i = 1;; ++i) co_yield std::make_unique<int>(i);
        }();
        CHECK(**co_await a.next() == 1);
        auto b = std::move(a);
        CHECK(**co_await b.next() == 2);
    });
}

TEST_CASE("two tasks that ask the same async_generator at once: the second gets an error") {
    run_virtual([]() -> task<> {
        auto g = ticks(3);
        auto [first, second] = co_await all_settled(g.next(), g.next());
        CHECK(std::move(first).value() == 1);
        CHECK(contains(text_thrown_by([&] { std::move(second).value(); }), "another task waits"));
    });
}

#ifndef NDEBUG
TEST_CASE("an async_generator that is destroyed or moved under a task that awaits next is an assertion") {
    // Bug: the task waited for ever, and the deadlock that was reported named a defect of the library.
    const auto destroyed = death_by([] {
        run_virtual([]() -> task<> {
            std::optional<async_generator<int>> g(ticks(3));
            co_await all([&]() -> task<> { co_await g->next(); }(),
                         [&]() -> task<> {
                             co_await sleep_for(500ms);
                             g.reset();
                         }());
        });
    });
    CHECK(destroyed.signal == SIGABRT);
    CHECK_MESSAGE(contains(destroyed.errors, "destroyed while a task awaits next()"), destroyed.errors);
    const auto moved = death_by([] {
        run_virtual([]() -> task<> {
            auto g = ticks(3);
            co_await all([&]() -> task<> { co_await g.next(); }(),
                         [&]() -> task<> {
                             co_await sleep_for(500ms);
                             auto other = std::move(g);
                         }());
        });
    });
    CHECK(moved.signal == SIGABRT);
    CHECK_MESSAGE(contains(moved.errors, "moved or destroyed"), moved.errors);
}
#endif

TEST_CASE("a task that awaits next() may be destroyed with its generator as it is") {
    counted::reset();
    struct never {
        bool await_ready() const { return false; }
        void await_suspend(std::coroutine_handle<>) const {}
        void await_resume() const {}
    };
    {
        virtual_loop on{{.on_error = [](std::exception_ptr, std::string_view) {}}};
        auto running = on.start([]() -> task<> {
            auto g = [](counted) -> async_generator<int> {
                co_await never();
                co_yield 1;
            }({});
            co_await g.next();
        });
        on.run_once();
        CHECK(counted::live == 1);
    }
    CHECK(counted::live == 0);
    CHECK(counted::destroyed_twice == 0);
}

TEST_CASE("a destructor that throws while its async_generator is destroyed ends the program") {
    // Bug: the exception was handed to the next() of before, which was gone.
    struct throws {
        ~throws() noexcept(false) { throw std::runtime_error("from a destructor"); }
    };
    const auto its_end = death_by([] {
        run_virtual([]() -> task<> {
            auto g = []() -> async_generator<int> {
                const throws local;
                co_yield 1;
            }();
            co_await g.next();
        });
    });
    CHECK(its_end.signal == SIGABRT);
}
