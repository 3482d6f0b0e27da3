#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/async_mutex.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

#include "core/support.hpp"

using namespace simul;
using namespace simul::testing_core;

TEST_CASE("an async_mutex lets in one at a time, in the order they asked") {
    virtual_loop loop;
    std::vector<int> order;
    loop.run([&]() -> task<> {
        async_mutex mutex;
        bool inside = false;
        co_await all(std::vector{1, 2, 3}, [&](int n) -> task<> {
            auto lock = co_await mutex.lock();
            CHECK_FALSE(inside);
            inside = true;
            order.push_back(n);
            co_await sleep_for(1s);
            inside = false;
        });
        CHECK_FALSE(mutex.locked());
    });
    CHECK(order == std::vector{1, 2, 3});
    CHECK(loop.elapsed() == 3s);
}

TEST_CASE("a lock is released once: by unlock, by its end, or by who it was moved to") {
    run_virtual([]() -> task<> {
        async_mutex mutex;
        auto first = co_await mutex.lock();
        CHECK(first.owns_lock());
        CHECK_FALSE(mutex.try_lock());
        async_lock second = std::move(first);
        first.unlock();
        CHECK(mutex.locked());
        second.unlock();
        second.unlock();
        CHECK_FALSE(mutex.locked());
        CHECK(mutex.try_lock());
        CHECK_FALSE(mutex.locked());
    });
}

TEST_CASE("a canceled lock holds nothing, and those behind it get their turn") {
    virtual_loop loop;
    loop.run([]() -> task<> {
        async_mutex mutex;
        auto holds = [&]() -> task<> {
            auto lock = co_await mutex.lock();
            co_await sleep_for(3s);
        };
        auto gives_up = [&]() -> task<> { CHECK_FALSE(co_await move_on_after(1s, mutex.lock())); };
        auto waits = [&]() -> task<> { auto lock = co_await mutex.lock(); };
        co_await all(holds(), gives_up(), waits());
        CHECK_FALSE(mutex.locked());
    });
    CHECK(loop.elapsed() == 3s);
}

TEST_CASE("a lock that was handed to a task canceled before its turn goes to the next one") {
    run_virtual([]() -> task<> {
        async_mutex mutex;
        bool second_has_it = false;
        bool first_had_it = false;
        auto lock = co_await mutex.lock();
        auto first_is_canceled = [&]() -> task<> {
            co_await with_scope([&](cancel_scope& scope) -> task<> {
                auto takes = [&]() -> task<> {
                    auto mine = co_await mutex.lock();
                    first_had_it = true;
                };
                auto hands_over_and_cancels = [&]() -> task<> {
                    co_await sleep_for(1s);
                    lock.unlock();
                    scope.cancel();
                };
                co_await all(takes(), hands_over_and_cancels());
            });
        };
        auto second = [&]() -> task<> {
            co_await turn();
            co_await turn();
            auto mine = co_await mutex.lock();
            second_has_it = true;
        };
        co_await all(first_is_canceled(), second());
        CHECK_FALSE(first_had_it);
        CHECK(second_has_it);
        CHECK_FALSE(mutex.locked());
    });
}

#ifndef NDEBUG
TEST_CASE("an async_mutex that is destroyed while it is held is an assertion") {
    // Bug: its lock released it afterwards, in memory that was freed.
    const death its_end = death_by([] {
        run_virtual([]() -> task<> {
            auto mutex = std::make_unique<async_mutex>();
            auto lock = co_await mutex->lock();
            mutex.reset();
        });
    });
    CHECK(its_end.signal == SIGABRT);
    CHECK_MESSAGE(its_end.errors.find("destroyed while it is held") != std::string::npos, its_end.errors);
}
#endif
