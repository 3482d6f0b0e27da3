#include <doctest/doctest.h>
#include <signal.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/race.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/blocking.hpp>
#include <simul/loop/future.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

using namespace simul;
using namespace simul::literals;

TEST_CASE("a blocking call gives the result of the function, or throws what it throws") {
    loop on;
    on.run([]() -> task<> {
        CHECK(co_await blocking([](int a, int b) { return a * b; }, 6, 7) == 42);
        auto owned = co_await blocking([](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(3));
        CHECK(*owned == 3);
        co_await blocking([] {});
        const auto how = co_await outcome_of(blocking([]() -> int { throw std::runtime_error("there"); }));
        CHECK(how.has_error());
    });
}

TEST_CASE("no more blocking calls run at once than the options allow, and all run") {
    loop_options options;
    options.blocking_threads_max = 3;
    loop on(options);
    std::atomic<int> running{0};
    std::atomic<int> most{0};
    on.run([&]() -> task<> {
        const auto got = co_await all(std::vector<int>(30, 1), [&](int n) -> task<int> {
            co_return co_await blocking([&, n] {
                const int now = ++running;
                int before = most.load();
                while (before < now && !most.compare_exchange_weak(before, now)) {
                }
                std::this_thread::sleep_for(200us);
                --running;
                return n;
            });
        });
        CHECK(got == std::vector<int>(30, 1));
    });
    CHECK(most <= 3);
    CHECK(most >= 1);
}

TEST_CASE("a canceled caller goes on at once; a call that has not begun never begins") {
    loop_options options;
    options.blocking_threads_max = 1;
    loop on(options);
    std::atomic<bool> release{false};
    std::atomic<bool> second_ran{false};
    std::atomic<bool> began{false};
    on.run([&]() -> task<> {
        auto first = [&] {
            began = true;
            while (!release) std::this_thread::sleep_for(100us);
        };
        auto until_it_began = [&]() -> task<> {
            while (!began) co_await sleep_for(100us);
        };
        CHECK(co_await race(blocking(first), until_it_began()) == 1);
        CHECK_FALSE(co_await move_on_after(1ms, blocking([&] { second_ran = true; })));
        release = true;
        CHECK(co_await blocking([] { return 3; }) == 3);
    });
    CHECK_FALSE(second_ran);
}

TEST_CASE("a call that outlives its loop ends quietly, and its arguments are destroyed") {
    auto argument = std::make_shared<int>(1);
    std::atomic<bool> release{false};
    std::atomic<bool> began{false};
    {
        loop on;
        on.run([&]() -> task<> {
            auto waits = [&](std::shared_ptr<int> mine) {
                began = true;
                while (!release) std::this_thread::sleep_for(100us);
                return mine;
            };
            auto until_it_began = [&]() -> task<> {
                while (!began) co_await sleep_for(100us);
            };
            CHECK((co_await race(blocking(waits, argument), until_it_began())).index() == 1);
        });
    }
    CHECK(argument.use_count() == 2);
    release = true;
    for (int i = 0; argument.use_count() > 1 && i < 10'000; ++i) std::this_thread::sleep_for(100us);
    CHECK(argument.use_count() == 1);
}

TEST_CASE("threads of the pool take no signals of the program") {
    loop on;
    on.run([]() -> task<> {
        co_await blocking([] {
            sigset_t blocked;
            ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
            CHECK(sigismember(&blocked, SIGINT) == 1);
            CHECK(sigismember(&blocked, SIGTERM) == 1);
        });
    });
}

TEST_CASE("blocking calls on a virtual loop: its clock waits for them") {
    virtual_loop on;
    on.run([&]() -> task<> {
        auto call = [&]() -> task<duration> {
            co_await blocking([] { std::this_thread::sleep_for(2ms); });
            co_return on.elapsed();
        };
        auto sleeps = []() -> task<> { co_await sleep_for(1h); };
        auto [when, slept] = co_await all(call(), sleeps());
        CHECK(when == 0s);
    });
    CHECK(on.elapsed() == 1h);
}
