#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/race.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/future.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

using namespace simul;
using namespace simul::literals;

namespace {
template <class F>
std::error_code code_thrown_by(F&& f) {
    try {
        f();
    } catch (const std::system_error& e) {
        return e.code();
    }
    return {};
}
}  // namespace

TEST_CASE("a future gives what its promise is set to, before or after somebody waits") {
    virtual_loop on;
    on.run([]() -> task<> {
        promise<int> early;
        auto f = early.get_future();
        CHECK_FALSE(f.ready());
        early.set_value(1);
        CHECK(f.ready());
        CHECK(co_await f.get() == 1);

        promise<std::unique_ptr<int>> late;
        auto g = late.get_future();
        auto sets = [&]() -> task<> {
            late.set_value(std::make_unique<int>(2));
            co_return;
        };
        auto [got, set] = co_await all(g.get(), sets());
        CHECK(*got == 2);

        promise<void> nothing;
        auto h = nothing.get_future();
        nothing.set_value();
        co_await h.get();
    });
}

TEST_CASE("a promise is kept once: the second time is an error, or false") {
    promise<int> p;
    auto f = p.get_future();
    CHECK(code_thrown_by([&] { static_cast<void>(p.get_future()); }) == errc::wrong_state);
    CHECK(p.try_set_value(1));
    CHECK_FALSE(p.try_set_value(2));
    CHECK_FALSE(p.try_set_error(nullptr));
    CHECK(code_thrown_by([&] { p.set_value(3); }) == errc::wrong_state);
}

TEST_CASE("a promise or future that was moved from says so") {
    // Bug: a null pointer was followed.
    promise<int> p;
    auto f = p.get_future();
    promise<int> q = std::move(p);
    CHECK(code_thrown_by([&] { p.set_value(1); }) == errc::wrong_state);
    CHECK(code_thrown_by([&] { p.set_error(nullptr); }) == errc::wrong_state);
    CHECK(code_thrown_by([&] { p.try_set_value(1); }) == errc::wrong_state);
    CHECK(code_thrown_by([&] { p.try_set_error(nullptr); }) == errc::wrong_state);
    promise<int> unused;
    promise<int> other = std::move(unused);
    CHECK(code_thrown_by([&] { static_cast<void>(unused.get_future()); }) == errc::wrong_state);
    q.set_value(7);
    auto g = std::move(f);
    CHECK_FALSE(f.ready());
    CHECK(g.ready());
}

TEST_CASE("the result of a future is taken once") {
    // Bug: a second get gave the moved-from value.
    virtual_loop on;
    on.run([]() -> task<> {
        promise<std::string> p;
        auto f = p.get_future();
        p.set_value("once");
        CHECK(co_await f.get() == "once");
        const auto again = co_await outcome_of(f.get());
        CHECK(code_thrown_by([&] { std::rethrow_exception(again.error()); }) == errc::wrong_state);
        future<std::string> none;
        CHECK_FALSE(none.valid());
        CHECK(code_thrown_by([&] { static_cast<void>(none.get()); }) == errc::wrong_state);
    });
}

TEST_CASE("a promise that is destroyed before it is kept is an error for who waits") {
    virtual_loop on;
    on.run([]() -> task<> {
        future<int> f;
        {
            promise<int> p;
            f = p.get_future();
        }
        const auto how = co_await outcome_of(f.get());
        CHECK(code_thrown_by([&] { std::rethrow_exception(how.error()); }) == errc::broken_promise);

        promise<int> with_error;
        auto g = with_error.get_future();
        with_error.set_error(std::make_exception_ptr(std::runtime_error("theirs")));
        CHECK((co_await outcome_of(g.get())).has_error());
    });
}

TEST_CASE("a canceled get may be repeated") {
    loop on;
    on.run([]() -> task<> {
        promise<int> p;
        auto f = p.get_future();
        CHECK_FALSE(co_await move_on_after(1ms, f.get()));
        auto other_work = []() -> task<int> {
            co_await sleep_for(1ms);
            co_return 0;
        };
        CHECK((co_await race(f.get(), other_work())).index == 1);
        std::thread other([p = std::move(p)]() mutable { p.set_value(7); });
        CHECK(co_await f.get() == 7);
        other.join();
    });
}

TEST_CASE("a future that was awaited on one loop cannot be awaited on another") {
    // Bug: the message went to the first loop, which then resumed a task of the second.
    promise<int> p;
    auto f = p.get_future();
    loop first;
    first.run([&]() -> task<> { CHECK_FALSE(co_await move_on_after(1ms, f.get())); });
    virtual_loop second;
    second.run([&]() -> task<> {
        const auto how = co_await outcome_of(f.get());
        CHECK(code_thrown_by([&] { std::rethrow_exception(how.error()); }) == errc::wrong_loop);
    });
}

TEST_CASE("two tasks that wait for one future: the second gets an error") {
    loop on;
    on.run([]() -> task<> {
        promise<int> p;
        auto f = p.get_future();
        std::thread other;
        auto sets = [&]() -> task<> {
            other = std::thread([p = std::move(p)]() mutable { p.set_value(1); });
            co_return;
        };
        auto [first, second, third] = co_await all_settled(f.get(), f.get(), sets());
        CHECK(std::move(first).value() == 1);
        CHECK(second.has_error());
        other.join();
    });
}

TEST_CASE("futures set by other threads at any moment all arrive, exactly once") {
    loop on;
    on.run([]() -> task<> {
        constexpr int count = 300;
        constexpr int threads_count = 3;
        std::vector<std::vector<promise<int>>> promises(threads_count);
        std::vector<future<int>> futures;
        for (int i = 0; i < count; ++i) {
            auto& p = promises[static_cast<std::size_t>(i % threads_count)].emplace_back();
            futures.push_back(p.get_future());
        }
        std::vector<std::thread> threads;
        for (auto& mine : promises)
            threads.emplace_back([&mine] {
                int i = 0;
                for (auto& p : mine) {
                    if (++i % 16 == 0) std::this_thread::yield();
                    if (i % 10 == 0)
                        p = promise<int>();  // breaks it
                    else
                        p.set_value(1);
                }
            });
        int kept = 0;
        int broken = 0;
        co_await all(futures, [&](future<int>& f) -> task<> {
            auto how = co_await outcome_of(f.get());
            ++(how.has_value() ? kept : broken);
        });
        for (auto& each : threads) each.join();
        CHECK(kept == 270);
        CHECK(broken == 30);
    });
}

TEST_CASE("futures whose waiters are canceled while other threads set them leave nothing behind") {
    for (int round = 0; round < 100; ++round) {
        loop on;
        on.run([&]() -> task<> {
            promise<std::shared_ptr<int>> p;
            auto f = p.get_future();
            std::thread other([p = std::move(p)]() mutable { p.set_value(std::make_shared<int>(1)); });
            auto got = co_await move_on_after(round * 1us, f.get());
            if (!got) co_await f.get();
            other.join();
        });
    }
}

TEST_CASE("one promise, many threads that try to keep it: one does") {
    loop on;
    on.run([]() -> task<> {
        promise<int> p;
        auto f = p.get_future();
        std::atomic<int> kept{0};
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&, t] {
                if (p.try_set_value(t)) ++kept;
            });
        const int got = co_await f.get();
        for (auto& each : threads) each.join();
        CHECK(kept == 1);
        CHECK(got >= 0);
    });
}

TEST_CASE("a promise may be kept after the loop of its waiter is gone") {
    promise<std::shared_ptr<int>> p;
    auto f = p.get_future();
    {
        loop on;
        on.run([&]() -> task<> { CHECK_FALSE(co_await move_on_after(1ms, f.get())); });
    }
    auto value = std::make_shared<int>(1);
    p.set_value(value);
    f = future<std::shared_ptr<int>>();
    {
        auto gone = std::move(p);
    }
    CHECK(value.use_count() == 1);
}
