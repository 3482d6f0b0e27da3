#include <simul/threads/thread_pool.hpp>

#include <doctest/doctest.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <latch>
#include <memory>
#include <numeric>
#include <ostream>
#include <semaphore>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <simul/base/cpus.hpp>
#include <simul/base/error.hpp>
#include <simul/core/all.hpp>
#include <simul/core/call_context.hpp>
#include <simul/core/context_value.hpp>
#include <simul/core/race.hpp>
#include <simul/core/scopes.hpp>
#include <simul/core/this_task.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

using namespace simul;

namespace {

int square(int x) { return x * x; }

/// Blocks the threads of a pool until it is opened.
class gate {
  public:
    void pass() {
        arrived_.release();
        open_.acquire();
        open_.release();
    }
    /// Waits until somebody is inside.
    void wait_for_one() { arrived_.acquire(); }
    void open() { open_.release(); }

  private:
    std::counting_semaphore<> arrived_{0};
    std::counting_semaphore<> open_{0};
};

/// Waits, on a loop, for what another thread does.
task<> until(const std::atomic<bool>& flag) {
    while (!flag) co_await sleep_for(100us);
}

task<> cancel_when(cancel_scope& scope, const std::atomic<bool>& flag) {
    co_await until(flag);
    scope.cancel();
}

std::string thread_name() {
    char name[16] = {};
    ::pthread_getname_np(::pthread_self(), name, sizeof name);
    return name;
}

}  // namespace

TEST_CASE("a function runs on another thread, and its result arrives on the caller's loop") {
    thread_pool pool;
    const auto here_id = std::this_thread::get_id();
    run([&]() -> task<> {
        CHECK(co_await pool.run(square, 7) == 49);
        CHECK(co_await pool.run([] { return std::this_thread::get_id(); }) != here_id);
        CHECK(std::this_thread::get_id() == here_id);
        CHECK((co_await pool.run(&thread_name)).starts_with("simul-pool-"));
    });
}

TEST_CASE("a function may give nothing, a reference or something that can only be moved") {
    thread_pool pool({.threads = 1});
    int place = 0;
    run([&]() -> task<> {
        co_await pool.run([&] { place = 5; });
        CHECK(place == 5);
        CHECK(&co_await pool.run([&]() -> int& { return place; }) == &place);
        auto owned = co_await pool.run([](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(3));
        CHECK(*owned == 3);
    });
}

TEST_CASE("arguments are copied unless std::ref says otherwise") {
    thread_pool pool({.threads = 1});
    run([&]() -> task<> {
        int number = 1;
        co_await pool.run([](int& n) { ++n; }, std::ref(number));
        CHECK(number == 2);
        CHECK(co_await pool.run([](std::string text) { return text + "!"; }, "hello") == "hello!");
        CHECK(co_await pool.run(&std::string::size, std::string("four")) == 4);
    });
}

TEST_CASE("what a function throws is thrown at the co_await") {
    thread_pool pool({.threads = 1});
    run([&]() -> task<> {
        auto failed = co_await outcome_of(pool.run([]() -> int { throw std::out_of_range("too far"); }));
        REQUIRE(failed.has_error());
        CHECK_THROWS_WITH_AS(std::move(failed).value(), "too far", std::out_of_range);
        CHECK(co_await pool.run(square, 2) == 4);
    });
}

TEST_CASE("functions run in parallel, as many as there are threads") {
    constexpr int count = 4;
    thread_pool pool({.threads = count});
    std::latch all_there(count);
    std::vector<int> numbers(count);
    run([&]() -> task<> { co_await pool.map(numbers, [&](int) { all_there.arrive_and_wait(); }); });
    CHECK(pool.statistics().threads == count);
    CHECK(pool.statistics().completed == count);
}

TEST_CASE("threads are started when they are needed") {
    thread_pool pool({.threads = 8});
    CHECK(pool.statistics().threads == 0);
    run([&]() -> task<> {
        for (int i = 0; i < 5; ++i) co_await pool.run(square, i);
    });
    CHECK(pool.statistics().threads < 8);
    CHECK(thread_pool().size() == available_cpus());
}

TEST_CASE("map gives the results in the order of the range, with at most `limit` at a time") {
    thread_pool pool({.threads = 4});
    std::vector<int> numbers(100);
    std::iota(numbers.begin(), numbers.end(), 0);
    std::atomic<int> running = 0;
    std::atomic<int> most = 0;
    const auto squares = run([&]() -> task<std::vector<int>> {
        co_return co_await pool.map(
            numbers,
            [&](int n) {
                const int now = ++running;
                for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
                }
                --running;
                return n * n;
            },
            2);
    });
    REQUIRE(squares.size() == numbers.size());
    for (std::size_t i = 0; i < squares.size(); ++i) CHECK(squares[i] == static_cast<int>(i * i));
    CHECK(most <= 2);
}

TEST_CASE("map takes a range that is given away, with its elements") {
    thread_pool pool({.threads = 2});
    run([&]() -> task<> {
        std::vector<std::unique_ptr<int>> owners;
        for (int i = 0; i < 5; ++i) owners.push_back(std::make_unique<int>(i));
        const auto values =
            co_await pool.map(std::move(owners), [](std::unique_ptr<int> each) { return *each + 1; });
        CHECK(values == std::vector<int>{1, 2, 3, 4, 5});
        const auto flags = co_await pool.map(std::vector<bool>(3, true), [](bool b) { return b ? 1 : 0; });
        CHECK(flags.size() == 3);
    });
}

TEST_CASE("the first failure of a map stops it and is thrown") {
    thread_pool pool({.threads = 2});
    std::vector<int> numbers(1000);
    std::iota(numbers.begin(), numbers.end(), 0);
    std::atomic<int> ran = 0;
    CHECK_THROWS_WITH_AS(run([&]() -> task<> {
                             co_await pool.map(numbers, [&](int n) {
                                 ++ran;
                                 if (n == 3) throw std::runtime_error("three");
                             });
                         }),
                         "three", std::runtime_error);
    CHECK(ran < 1000);
}

TEST_CASE("a canceled call that waits for a thread never runs") {
    thread_pool pool({.threads = 1});
    gate blocked;
    bool ran = false;
    run([&]() -> task<> {
        co_await all(pool.run([&] { blocked.pass(); }), [&]() -> task<> {
            blocked.wait_for_one();
            CHECK(!co_await move_on_after(0ms, pool.run([&] { ran = true; })));
            CHECK(!co_await move_on_after(1ms, pool.run([&] { ran = true; })));
            CHECK(pool.statistics().queued == 0);
            blocked.open();
        }());
    });
    CHECK(!ran);
}

TEST_CASE("a canceled function that runs is asked to stop and awaited") {
    thread_pool pool({.threads = 1});
    std::atomic<bool> running = false;
    bool by_context = false;
    bool by_token = false;
    run([&]() -> task<> {
        co_await race(pool.run([&] {
            running = true;
            while (!here().canceled()) std::this_thread::yield();
            by_context = true;
            here().throw_if_canceled();
        }),
                      until(running));
        CHECK(by_context);
        running = false;
        co_await race(pool.run([&](std::stop_token token) {
            running = true;
            while (!token.stop_requested()) std::this_thread::yield();
            by_token = true;
        }),
                      until(running));
        CHECK(by_token);
    });
}

TEST_CASE("a result that comes in spite of a cancel is delivered") {
    thread_pool pool({.threads = 1});
    std::atomic<bool> running = false;
    run([&]() -> task<> {
        const auto late = co_await with_scope([&](cancel_scope& scope) -> task<int> {
            auto results = co_await all(pool.run([&] {
                running = true;
                while (!here().canceled()) std::this_thread::yield();
                return 42;
            }),
                                        cancel_when(scope, running));
            co_return std::get<0>(results);
        });
        CHECK(late == 42);
    });
}

TEST_CASE("a function that notices the deadline before the loop does is a timeout, not an error") {
    thread_pool pool({.threads = 1});
    for (int i = 0; i < 20; ++i) {
        try {
            run([&]() -> task<> {
                co_await timeout(200us, pool.run([] {
                    while (true) here().throw_if_canceled();
                }));
            });
            FAIL("no timeout");
        } catch (const std::system_error& e) {
            CHECK(e.code() == condition::timed_out);
        }
    }
}

TEST_CASE("a function that gives up though nobody canceled is an error") {
    thread_pool pool({.threads = 1});
    CHECK_THROWS_AS(run([&]() -> task<> { co_await pool.run([] { throw canceled_error("tired"); }); }),
                    canceled_error);
}

TEST_CASE("the caller's deadline is the function's and the coroutine's") {
    thread_pool pool({.threads = 1, .loops = 1});
    run([&]() -> task<> {
        CHECK(!co_await pool.run([] { return here().deadline(); }));
        co_await timeout(1h, [&]() -> task<> {
            const time_point deadline = this_task::deadline();
            CHECK(co_await pool.run([] { return here().deadline(); }) == deadline);
            CHECK(co_await pool.run([]() -> task<time_point> { co_return this_task::deadline(); }) ==
                  deadline);
            CHECK(co_await pool.run([]() -> task<time_point> { co_return *here().deadline(); }) == deadline);
        }());
    });
}

TEST_CASE("callers beyond the queue's limit wait for room and are served in order") {
    thread_pool pool({.threads = 1, .queue_limit = 2});
    gate blocked;
    std::vector<int> order;
    run([&]() -> task<> {
        co_await all(pool.run([&] { blocked.pass(); }), [&]() -> task<> {
            blocked.wait_for_one();
            std::vector<int> numbers{0, 1, 2, 3, 4, 5};
            co_await all(pool.map(
                             numbers, [&](int n) { order.push_back(n); }, 6),
                         [&]() -> task<> {
                             while (pool.statistics().waiting < 4) co_await yield();
                             CHECK(pool.statistics().queued == 2);
                             blocked.open();
                         }());
        }());
    });
    CHECK(order == std::vector<int>{0, 1, 2, 3, 4, 5});
}

TEST_CASE("a coroutine runs from start to end on one of the pool's loops") {
    thread_pool pool({.threads = 1, .loops = 1});
    const auto here_id = std::this_thread::get_id();
    run([&]() -> task<> {
        const bool stayed = co_await pool.run(
            [here_id](std::string text) -> task<bool> {
                const auto mine = std::this_thread::get_id();
                co_await sleep_for(1ms);
                co_return mine == std::this_thread::get_id() && mine != here_id&& text == "argument";
            },
            "argument");
        CHECK(stayed);
        auto failed = co_await outcome_of(pool.run([]() -> task<int> {
            co_await yield();
            throw std::out_of_range("far away");
        }));
        CHECK_THROWS_WITH_AS(std::move(failed).value(), "far away", std::out_of_range);
    });
    CHECK(pool.statistics().loops == 1);
    CHECK(pool.statistics().coroutines == 0);
}

TEST_CASE("a canceled coroutine is canceled on its loop, and its clean-up runs there") {
    thread_pool pool({.loops = 1});
    std::atomic<bool> unwound = false;
    struct note {
        std::atomic<bool>& flag;
        ~note() { flag = this_task::canceled(); }
    };
    run([&]() -> task<> {
        std::atomic<bool> running = false;
        const std::size_t winner = co_await race(pool.run([&]() -> task<> {
            const note on_exit{unwound};
            running = true;
            co_await sleep_for(1h);
        }),
                                                 until(running));
        CHECK(winner == 1);
        CHECK(unwound);
        // The loop is as good as new.
        CHECK(co_await pool.run([]() -> task<int> { co_return 1; }) == 1);
    });
}

TEST_CASE("coroutines run on several loops at once") {
    thread_pool pool({.loops = 2});
    run([&]() -> task<> {
        const auto meet = [](std::latch& both) -> task<> {
            both.arrive_and_wait();  // blocks: would hang on one loop
            co_return;
        };
        std::latch both(2);
        co_await all(pool.run(meet, std::ref(both)), pool.run(meet, std::ref(both)));
    });
    CHECK(pool.statistics().loops == 2);
}

TEST_CASE("a pool may be used from several loops, also from its own") {
    thread_pool pool({.threads = 2, .loops = 2});
    run([&]() -> task<> {
        const int sum = co_await pool.run([&]() -> task<int> {
            const auto [a, b] =
                co_await all(pool.run(square, 3), pool.run([]() -> task<int> { co_return 4; }));
            co_return a + b;
        });
        CHECK(sum == 13);
    });
    std::jthread other([&] { run([&]() -> task<> { CHECK(co_await pool.run(square, 5) == 25); }); });
    run([&]() -> task<> { CHECK(co_await pool.run(square, 6) == 36); });
}

namespace {
inline constexpr context_value<std::string> request_id;
}

TEST_CASE("context values travel with a coroutine to its loop") {
    thread_pool pool({.loops = 1});
    run([&]() -> task<> {
        const std::string seen = co_await request_id.with(
            "7f", pool.run([]() -> task<std::string> { co_return request_id.get_or("none"); }));
        CHECK(seen == "7f");
    });
}

TEST_CASE("a virtual clock waits for the pool instead of jumping") {
    thread_pool pool({.threads = 1});
    virtual_loop loop;
    loop.run([&]() -> task<> {
        const auto result = co_await move_on_after(1h, pool.run([] {
            std::this_thread::sleep_for(1ms);
            return 1;
        }));
        CHECK(result == 1);
    });
    CHECK(loop.elapsed() < 1h);
}

TEST_CASE("signals of the program are not delivered to threads of a pool") {
    thread_pool pool({.threads = 1, .loops = 1});
    const auto blocks_int = [] {
        sigset_t mask;
        ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
        return ::sigismember(&mask, SIGINT) == 1 && ::sigismember(&mask, SIGSEGV) == 0;
    };
    run([&]() -> task<> {
        CHECK(co_await pool.run(blocks_int));
        CHECK(co_await pool.run([=]() -> task<bool> { co_return blocks_int(); }));
    });
    CHECK(!blocks_int());
}

TEST_CASE("ten thousand calls from two loops are all answered") {
    thread_pool pool({.threads = 3, .queue_limit = 100});
    const auto work = [&] {
        run([&]() -> task<> {
            std::vector<int> numbers(5000);
            std::iota(numbers.begin(), numbers.end(), 0);
            const auto doubled = co_await pool.map(numbers, [](int n) { return 2 * n; }, 500);
            for (std::size_t i = 0; i < numbers.size(); ++i) REQUIRE(doubled[i] == 2 * numbers[i]);
        });
    };
    std::jthread other(work);
    work();
    other.join();
    CHECK(pool.statistics().completed == 10'000);
}
