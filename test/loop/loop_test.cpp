#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <simul/base/log.hpp>
#include <simul/core/all.hpp>
#include <simul/core/async_event.hpp>
#include <simul/core/cancel_scope.hpp>
#include <simul/loop/future.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/readiness.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>

using namespace simul;
using namespace simul::literals;

namespace {

/// Sets an environment variable for a while.
class variable {
  public:
    variable(const char* name, const char* value) : name_(name) {
        if (const char* before = std::getenv(name)) before_ = before, was_set_ = true;
        ::setenv(name, value, 1);
    }
    ~variable() {
        if (was_set_)
            ::setenv(name_, before_.c_str(), 1);
        else
            ::unsetenv(name_);
    }
    variable(const variable&) = delete;
    variable& operator=(const variable&) = delete;

  private:
    const char* name_;
    std::string before_;
    bool was_set_ = false;
};

std::string text_of(const std::exception& e) { return e.what(); }

struct at_end {
    bool* left;
    ~at_end() { *left = true; }
};

}  // namespace

TEST_CASE("SIMUL_IO chooses the backend, and a wrong name is a clear error") {
    {
        const variable io("SIMUL_IO", "epoll");
        CHECK(loop().backend_name() == "epoll");
    }
    const variable io("SIMUL_IO", "kqueue");
    std::string text;
    try {
        loop on;
    } catch (const std::system_error& e) {
        CHECK(e.code() == errc::bad_data);
        text = text_of(e);
    }
    CHECK(text.find("SIMUL_IO=kqueue") != std::string::npos);
    CHECK(text.find("uring or epoll") != std::string::npos);
    virtual_loop virtual_time;  // asks for no backend of the kernel
}

TEST_CASE("this_loop is the running loop, and outside of one an error that says what to do") {
    loop on;
    on.run([&]() -> task<> {
        CHECK(&this_loop() == &on);
        co_return;
    });
    std::string text;
    try {
        this_loop();
    } catch (const std::system_error& e) {
        CHECK(e.code() == errc::no_loop);
        text = text_of(e);
    }
    CHECK(text.find("simul::run") != std::string::npos);
}

TEST_CASE("a running task may outlive its loop, which cancels it") {
    // Bug: the handle's destructor drove a loop that was gone.
    bool unwound = false;
    std::optional<running_task<int>> cut;
    std::optional<running_task<int>> ended;
    std::optional<running_task<void>> failed;
    std::optional<running_task<void>> holder;
    {
        loop on;
        cut.emplace(on.start([&]() -> task<int> {
            const at_end note{&unwound};
            co_await sleep_for(1h);
            co_return 1;
        }));
        ended.emplace(on.start([]() -> task<int> { co_return 2; }));
        failed.emplace(on.start([]() -> task<> {
            throw std::runtime_error("nobody hears it");
            co_return;
        }));
        auto held = on.start([]() -> task<> { co_await sleep_for(1h); });
        holder.emplace(on.start(
            [](running_task<void> inner) -> task<> {
                co_await sleep_for(1h);
                CHECK(inner.done());
            },
            std::move(held)));
        while (!ended->done() || !failed->done()) on.run_once();
    }
    CHECK(holder->done());
    CHECK(unwound);
    CHECK(cut->done());
    CHECK_THROWS_AS(cut->result(), canceled_error);
    CHECK(ended->result() == 2);
    const running_task<int> moved = std::move(*cut);
    std::vector<std::string> logged;
    set_log_hook([&](const log_record& record) { logged.emplace_back(record.message); });
    failed.reset();
    set_log_hook({});
    CHECK(logged == std::vector<std::string>{
                        "loop: a started task failed, and nobody asked for its result: nobody hears it"});
}

TEST_CASE("a foreign loop drives this one: descriptor, next_wait and run_once are enough") {
    // Bug: what the last steps of run_once submitted to io_uring stayed in its queue, so the descriptor never
    // became readable and the foreign loop slept for ever.
    loop on;
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    promise<int> from_thread;
    auto answer = from_thread.get_future();
    int reads = 0;
    {
        auto running = on.start([&]() -> task<int> {
            for (; reads < 3; ++reads) {
                co_await wait_readable(pair[0]);
                char c;
                CHECK(::read(pair[0], &c, 1) == 1);
            }
            co_await sleep_for(2ms);
            co_return co_await answer.get();
        });
        auto wait_as_a_foreign_loop_does = [&] {
            const auto next = on.next_wait();
            pollfd descriptor{on.descriptor(), POLLIN, 0};
            const int ms =
                next ? static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(*next).count()) : 5000;
            return ::poll(&descriptor, 1, ms) > 0 || next;
        };
        on.run_once();
        for (int i = 0; i < 3; ++i) {
            CHECK(::write(pair[1], "x", 1) == 1);
            for (int rounds = 0; reads == i && rounds < 100; ++rounds) {
                REQUIRE(wait_as_a_foreign_loop_does());
                on.run_once();
            }
            CHECK(reads == i + 1);
        }
        for (int rounds = 0; on.statistics().timers_armed > 0 && rounds < 100; ++rounds) {
            REQUIRE(wait_as_a_foreign_loop_does());
            on.run_once();
        }
        std::thread other([&] {
            std::this_thread::sleep_for(3ms);
            from_thread.set_value(9);
        });
        for (int rounds = 0; !running.done() && rounds < 100; ++rounds) {
            REQUIRE(wait_as_a_foreign_loop_does());
            on.run_once();
        }
        other.join();
        CHECK(running.result() == 9);
    }
    ::close(pair[0]);
    ::close(pair[1]);
}

TEST_CASE("run_once waits as long as it is told, also for ever") {
    // Bug: now() + duration::max() overflowed.
    virtual_loop on;
    auto running = on.start([]() -> task<> { co_await sleep_for(1h); });
    while (!running.done()) on.run_once(duration::max());
    CHECK(on.elapsed() == 1h);
    CHECK_FALSE(on.run_once());
}

TEST_CASE("the result of a started task: not before its end, then its value, error or cancel") {
    virtual_loop on;
    auto value = on.start([]() -> task<int> { co_return 1; });
    auto error = on.start([]() -> task<int> {
        throw std::runtime_error("mine");
        co_return 1;
    });
    auto canceled = on.start([]() -> task<> { co_await sleep_forever(); });
    CHECK_THROWS_AS(value.result(), std::system_error);
    while (!error.done()) on.run_once();
    CHECK(value.result() == 1);
    CHECK_THROWS_WITH_AS(error.result(), "mine", std::runtime_error);
    canceled.cancel("because");
    while (!canceled.done()) on.run_once();
    CHECK_THROWS_AS(canceled.result(), canceled_error);
}

TEST_CASE("giving up a started task does not wait for others") {
    // Bug: after its last step the loop slept until the next timer of whoever else was there.
    virtual_loop on;
    auto sleeps = on.start([]() -> task<> { co_await sleep_for(1h); });
    {
        auto given_up = on.start([]() -> task<> { co_await sleep_for(2h); });
        on.run_once();
    }
    CHECK(on.elapsed() == 0s);
    CHECK_FALSE(sleeps.done());
}

TEST_CASE("the error of a started task that nobody asked for is reported") {
    // Bug: it was dropped.
    std::vector<std::string> reported;
    loop_options options;
    options.on_error = [&](std::exception_ptr, std::string_view what) { reported.emplace_back(what); };
    virtual_loop on(options);
    auto fails = []() -> task<> {
        throw std::runtime_error("mine");
        co_return;
    };
    {
        auto ignored = on.start(fails);
        auto asked = on.start(fails);
        while (!asked.done()) on.run_once();
        CHECK_THROWS(asked.result());
    }
    CHECK(reported == std::vector<std::string>{"a started task failed, and nobody asked for its result"});
}

TEST_CASE("a started task that waits for something foreign which never comes is given up and reported") {
    // Bug: the destructor of its handle turned for ever.
    struct never {
        bool await_ready() const { return false; }
        void await_suspend(std::coroutine_handle<>) const {}
        void await_resume() const {}
    };
    std::vector<std::string> reported;
    virtual_loop on{{.on_error = [&](std::exception_ptr error, std::string_view) {
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& e) {
            reported.push_back(e.what());
        }
    }}};
    bool destroyed = false;
    struct note {
        bool& flag;
        ~note() { flag = true; }
    };
    {
        auto running = on.start([&]() -> task<> {
            const note at_end{destroyed};
            co_await never{};
        });
        on.run_once();
    }
    CHECK(destroyed);
    REQUIRE(reported.size() == 1);
    CHECK(reported[0].find("did not end when it was canceled") != std::string::npos);
}

TEST_CASE("posting to a loop that is gone gives false and destroys the function") {
    auto kept = std::make_shared<int>(1);
    std::unique_ptr<loop_handle> handle;
    {
        loop on;
        handle = std::make_unique<loop_handle>(on.handle());
        CHECK(handle->post([kept] {}));  // never run: nobody drives the loop
        CHECK(kept.use_count() == 2);
    }
    CHECK(kept.use_count() == 1);
    CHECK_FALSE(handle->post([kept] {}));
    CHECK(kept.use_count() == 1);
}

TEST_CASE("handles may be copied, used and dropped by threads while the loop is destroyed") {
    for (int round = 0; round < 30; ++round) {
        std::vector<std::thread> threads;
        {
            loop on;
            for (int t = 0; t < 3; ++t)
                threads.emplace_back([to = on.handle()] {
                    for (int i = 0; i < 50; ++i) {
                        const loop_handle copy = to;
                        if (!copy.post([] {})) break;
                    }
                });
            on.run([]() -> task<> { co_await sleep_for(100us); });
        }
        for (auto& each : threads) each.join();
    }
}

TEST_CASE("a virtual clock waits for other threads instead of jumping") {
    virtual_loop on;
    on.run([&]() -> task<> {
        promise<int> p;
        auto f = p.get_future();
        std::thread other([p = std::move(p)]() mutable {
            std::this_thread::sleep_for(2ms);
            p.set_value(1);
        });
        auto waits = [&]() -> task<duration> {
            co_await f.get();
            co_return this_loop().elapsed();
        };
        auto [when, slept] = co_await all(waits(), [&]() -> task<duration> {
            co_await sleep_for(1h);
            co_return this_loop().elapsed();
        }());
        CHECK(when == 0s);
        CHECK(slept == 1h);
        other.join();
    });
}

TEST_CASE("a virtual loop refuses real descriptors with an error that says what to do") {
    virtual_loop on;
    std::string text;
    try {
        on.run([]() -> task<> { co_await wait_readable(0); });
    } catch (const std::system_error& e) {
        CHECK(e.code() == errc::not_supported);
        text = text_of(e);
    }
    CHECK(text.find("virtual time") != std::string::npos);
    CHECK(text.find("simul::run") != std::string::npos);
}

TEST_CASE("the task tree names what waits and where, and says how much it leaves out") {
    virtual_loop on;
    auto running = on.start(
        []() -> task<> { co_await all(std::vector<int>(60, 1), [](int) { return sleep_for(1h); }); });
    on.run_once();
    const std::string tree = on.task_tree();
    CHECK(tree.find("sleep") != std::string::npos);
    CHECK(tree.find("loop_test.cpp:") != std::string::npos);
    CHECK(tree.find("and 10 more") != std::string::npos);
    CHECK(on.statistics().timers_armed == 60);
}

TEST_CASE("run makes a loop for one task and gives its result") {
    CHECK(run([](int a, int b) -> task<int> { co_return a + b; }, 2, 3) == 5);
    CHECK_THROWS_AS(run([]() -> task<> {
                        throw std::runtime_error("x");
                        co_return;
                    }),
                    std::runtime_error);
    CHECK_THROWS_AS(run([]() -> task<> { co_await sleep_forever(); }), deadlock_error);
}
