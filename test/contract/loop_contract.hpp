#pragma once

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/async_event.hpp>
#include <simul/core/channel.hpp>
#include <simul/core/race.hpp>
#include <simul/core/task_group.hpp>
#include <simul/loop/blocking.hpp>
#include <simul/loop/finally.hpp>
#include <simul/loop/future.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

/// What every loop does, whatever it stands on: uring, epoll or virtual time.
namespace simul::contract {

inline void loop_contract(io_backend backend, const std::string& name) {
    using namespace simul::literals;
    loop_options options;
    options.io = backend;

    SUBCASE("it says what it is, and gives the result of what it runs") {
        loop on(options);
        CHECK(on.backend_name() == name);
        CHECK(on.is_virtual() == (backend == io_backend::virtual_time));
        CHECK(on.run([]() -> task<int> { co_return 3; }) == 3);
        CHECK(on.run([](int a, std::string b) -> task<std::string> { co_return b + std::to_string(a); }, 1,
                     "x") == "x1");
    }
    SUBCASE("it can run one task after the other") {
        loop on(options);
        for (int i = 0; i < 3; ++i) on.run([]() -> task<> { co_await sleep_for(1us); });
        CHECK(on.statistics().timers_armed == 0);
        CHECK(on.statistics().steps > 0);
    }
    SUBCASE("time passes, and never backwards") {
        loop on(options);
        on.run([&]() -> task<> {
            const time_point before = on.now();
            co_await all(sleep_for(2ms), sleep_for(1ms), race(sleep_for(1h), sleep_for(1us)));
            CHECK(on.now() - before >= 2ms);
            CHECK(on.now() - before < 1h);
        });
    }
    SUBCASE("errors leave run as they were thrown") {
        loop on(options);
        CHECK_THROWS_WITH_AS(on.run([]() -> task<> {
            co_await sleep_for(1us);
            throw std::logic_error("as it was");
        }),
                             "as it was", std::logic_error);
        CHECK(on.run([]() -> task<int> { co_return 1; }) == 1);
    }
    SUBCASE("a deadlock is an error that names what waits, and the loop is usable afterwards") {
        loop on(options);
        std::string text;
        try {
            on.run([]() -> task<> {
                channel<int> never;
                async_event event;
                co_await all(never.receive(), event.wait());
            });
        } catch (const deadlock_error& e) {
            text = e.what();
        }
        CHECK(text.find("receive from a channel") != std::string::npos);
        CHECK(text.find("wait for an async_event") != std::string::npos);
        CHECK(text.find("loop_contract.hpp:") != std::string::npos);
        CHECK(on.run([]() -> task<int> { co_return 1; }) == 1);
    }
    SUBCASE("functions posted by other threads run on the loop, each thread's in its order") {
        loop on(options);
        constexpr int threads_count = 4;
        constexpr int posts = 2000;
        std::vector<int> last(threads_count, -1);
        bool in_order = true;
        int count = 0;
        on.run([&]() -> task<> {
            async_event done;
            const std::thread::id here = std::this_thread::get_id();
            std::vector<std::thread> threads;
            for (int t = 0; t < threads_count; ++t)
                threads.emplace_back([&, t, to = on.handle()] {
                    for (int i = 0; i < posts; ++i)
                        to.post([&, t, i] {
                            in_order = in_order && std::this_thread::get_id() == here &&
                                       last[static_cast<std::size_t>(t)] == i - 1;
                            last[static_cast<std::size_t>(t)] = i;
                            if (++count == threads_count * posts) done.set();
                        });
                });
            co_await done.wait();
            for (auto& each : threads) each.join();
        });
        CHECK(count == threads_count * posts);
        CHECK(in_order);
    }
    SUBCASE("a sleeping loop is woken by another thread") {
        loop on(options);
        on.run([&]() -> task<> {
            async_event woken;
            std::thread other([&woken, to = on.handle()] {
                std::this_thread::sleep_for(2ms);
                to.post([&woken] { woken.set(); });
            });
            co_await woken.wait();
            other.join();
        });
    }
    SUBCASE("a handle that is let go without a word ends the wait with a deadlock error") {
        // Bug: what came between two looks of the loop was not seen, so the last message could be lost.
        for (int round = 0; round < 50; ++round) {
            loop on(options);
            on.run([&]() -> task<> {
                async_event woken;
                std::thread other([&woken, to = on.handle()]() mutable {
                    to.post([&woken] { woken.set(); });
                    const loop_handle last = std::move(to);
                });
                co_await woken.wait();
                other.join();
            });
        }
        loop on(options);
        std::thread other;
        CHECK_THROWS_AS(on.run([&]() -> task<> {
            other = std::thread([to = on.handle()] { std::this_thread::sleep_for(1ms); });
            co_await sleep_forever();
        }),
                        deadlock_error);
        other.join();
    }
    SUBCASE("a promise kept by another thread wakes its future") {
        loop on(options);
        on.run([&]() -> task<> {
            promise<int> p;
            auto f = p.get_future();
            std::thread other([p = std::move(p)]() mutable {
                std::this_thread::sleep_for(1ms);
                p.set_value(5);
            });
            CHECK(co_await f.get() == 5);
            other.join();
        });
    }
    SUBCASE("blocking calls run on other threads while the loop goes on") {
        loop on(options);
        on.run([&]() -> task<> {
            const auto here = std::this_thread::get_id();
            auto there = co_await blocking([] { return std::this_thread::get_id(); });
            CHECK(there != here);
            CHECK(std::this_thread::get_id() == here);
        });
    }
    SUBCASE("it can be driven from outside") {
        loop on(options);
        bool done_before = true;
        {
            auto running = on.start(
                [](int n) -> task<int> {
                    co_await sleep_for(1ms);
                    co_return n + 1;
                },
                4);
            done_before = running.done();
            for (int i = 0; !running.done() && i < 100'000; ++i) on.run_once(100us);
            CHECK(running.done());
            CHECK(running.result() == 5);
        }
        CHECK_FALSE(done_before);
        CHECK(on.next_wait() == std::nullopt);
    }
    SUBCASE("a started task whose handle goes is canceled, and its clean-up runs") {
        loop on(options);
        bool cleaned = false;
        {
            auto running = on.start([&]() -> task<> {
                co_await finally(sleep_forever(), [&]() -> task<> {
                    co_await sleep_for(1us);
                    cleaned = true;
                });
            });
            on.run_once();
        }
        CHECK(cleaned);
    }
    SUBCASE("inside of a running loop run is an error") {
        loop on(options);
        on.run([&]() -> task<> {
            CHECK_THROWS_AS(on.run([]() -> task<> { co_return; }), std::system_error);
            co_return;
        });
    }
    SUBCASE("a loop runs only on the thread that made it") {
        // Bug: on another thread io_uring refused every call, and the loop turned for ever.
        loop on(options);
        std::error_code code;
        std::thread([&] {
            try {
                on.run([]() -> task<> { co_await sleep_for(1ms); });
            } catch (const std::system_error& e) {
                code = e.code();
            }
        }).join();
        CHECK(code == errc::wrong_loop);
    }
}

}  // namespace simul::contract
