#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/race.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/signals.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

using namespace simul;
using namespace simul::literals;

namespace {

bool has_default_effect(int number) {
    struct sigaction now{};
    ::sigaction(number, nullptr, &now);
    return now.sa_handler == SIG_DFL;
}

task<> raise_soon(int number) {
    co_await sleep_for(1ms);
    ::raise(number);
}

}  // namespace

TEST_CASE("a signal wakes who waits for it; dispositions come back afterwards") {
    REQUIRE(has_default_effect(SIGUSR1));
    loop on;
    on.run([]() -> task<> {
        auto [number, raised] = co_await all(wait_signal(SIGUSR1), [&]() -> task<int> {
            co_await raise_soon(SIGUSR1);
            co_return 0;
        }());
        CHECK(number == SIGUSR1);
        CHECK(has_default_effect(SIGUSR1));
        {
            signal_stream stream{SIGUSR1};
            signal_stream other{SIGUSR1};
            CHECK_FALSE(has_default_effect(SIGUSR1));
        }
        CHECK(has_default_effect(SIGUSR1));
    });
}

TEST_CASE("signals that come before somebody waits are kept, each number once") {
    loop on;
    on.run([]() -> task<> {
        signal_stream stream{SIGUSR1, SIGUSR2};
        ::raise(SIGUSR2);
        ::raise(SIGUSR1);
        ::raise(SIGUSR1);
        co_await sleep_for(1ms);
        CHECK(co_await stream.next() == SIGUSR1);
        CHECK(co_await stream.next() == SIGUSR2);
        CHECK_FALSE(co_await move_on_after(1ms, stream.next()));
    });
}

TEST_CASE("several streams for one signal each get it") {
    loop on;
    on.run([]() -> task<> {
        signal_stream a{SIGUSR1};
        signal_stream b{SIGUSR1};
        auto [x, y, z] = co_await all(a.next(), b.next(), [&]() -> task<int> {
            co_await raise_soon(SIGUSR1);
            co_return 0;
        }());
        CHECK(x == SIGUSR1);
        CHECK(y == SIGUSR1);
    });
}

TEST_CASE("a signal given to a task that is canceled before its turn stays in the stream") {
    loop on;
    on.run([]() -> task<> {
        signal_stream stream{SIGUSR1};
        bool got_it = false;
        co_await with_scope([&](cancel_scope& scope) -> task<> {
            auto waits = [&]() -> task<> {
                co_await stream.next();
                got_it = true;
            };
            auto cancels = [&, to = this_loop().handle()]() -> task<> {
                ::raise(SIGUSR1);
                to.post([&] { scope.cancel(); });  // arrives after the signal, before the task has its turn
                co_await sleep_forever();
            };
            co_await all(waits(), cancels());
        });
        CHECK_FALSE(got_it);
        CHECK(co_await stream.next() == SIGUSR1);
    });
}

TEST_CASE("signals that cannot be caught or do not exist are errors, and leave nothing changed") {
    loop on;
    on.run([]() -> task<> {
        for (const int number : {SIGKILL, 0, -1, 1000}) {
            CAPTURE(number);
            CHECK_THROWS_AS(signal_stream({SIGUSR1, number}), std::system_error);
            CHECK(has_default_effect(SIGUSR1));
        }
        co_return;
    });
    CHECK_THROWS_AS(signal_stream({SIGUSR1}), std::system_error);  // outside of a loop
    CHECK(has_default_effect(SIGUSR1));
}

TEST_CASE("streams come and go while signals rain from another thread") {
    loop on;
    on.run([]() -> task<> {
        signal_stream keeps{SIGUSR2};  // so that the default effect never strikes
        std::thread rain([] {
            for (int i = 0; i < 300; ++i) {
                ::kill(::getpid(), SIGUSR2);
                if (i % 16 == 0) std::this_thread::yield();
            }
        });
        for (int i = 0; i < 100; ++i) {
            signal_stream brief{SIGUSR2};
            co_await race(brief.next(), sleep_for(50us));
        }
        rain.join();
        CHECK(co_await keeps.next() == SIGUSR2);
    });
}

TEST_CASE("two tasks that wait for the next signal of one stream: the second gets an error") {
    loop on;
    on.run([]() -> task<> {
        signal_stream stream{SIGUSR1};
        auto [first, second, third] = co_await all_settled(stream.next(), stream.next(), raise_soon(SIGUSR1));
        CHECK(std::move(first).value() == SIGUSR1);
        CHECK(second.has_error());
    });
}

TEST_CASE("a signal stream may outlive its loop, and says so on the next one") {
    // Bug: on the next loop it waited for signals that came to the loop that was gone.
    std::optional<signal_stream> usr1;
    run([&]() -> task<> {
        usr1.emplace(std::initializer_list<int>{SIGUSR1});
        ::raise(SIGUSR1);
        CHECK(co_await usr1->next() == SIGUSR1);
    });
    ::raise(SIGUSR1);  // taken, and left alone
    run([&]() -> task<> {
        try {
            co_await usr1->next();
            FAIL("not refused");
        } catch (const std::system_error& e) {
            CHECK(e.code() == errc::wrong_loop);
        }
    });
    usr1.reset();
}

TEST_CASE("a signal stream that was moved from says so") {
    // Bug: a null pointer was followed.
    loop on;
    on.run([]() -> task<> {
        signal_stream stream{SIGUSR1};
        const signal_stream other = std::move(stream);
        std::error_code code;
        try {
            co_await stream.next();
        } catch (const std::system_error& e) {
            code = e.code();
        }
        CHECK(code == errc::wrong_state);
    });
}
