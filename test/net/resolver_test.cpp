#include <simul/net/resolver.hpp>

#include <doctest/doctest.h>
#include <netdb.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>

#include <simul/core/all.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

#include "contract/stream_contract.hpp"

namespace simul {
namespace {
using contract::code_of;

/// A look-up that waits until it is let go, and counts. Kept by the look-ups too: a thread may outlive a
/// test.
struct slow_names : std::enable_shared_from_this<slow_names> {
    std::promise<void> gate;
    std::shared_future<void> open{gate.get_future()};
    std::atomic<int> calls{0};

    resolver make() {
        resolver_options options;
        options.look_up = [self = shared_from_this()](const std::string&) {
            ++self->calls;
            self->open.wait();
            return std::vector<ip_address>{ip_address::loopback_v6(), ip_address::loopback_v4()};
        };
        return resolver(std::move(options));
    }
};
}  // namespace

TEST_CASE("the system's names are found") {
    run([]() -> task<> {
        const resolver names;
        const auto found = co_await names.resolve("localhost");
        REQUIRE_FALSE(found.empty());
        for (const ip_address& address : found) CHECK(address.is_loopback());
    });
}

TEST_CASE("an IP address is its own answer without a look-up") {
    resolver_options options;
    options.look_up = [](const std::string&) -> std::vector<ip_address> {
        throw std::runtime_error("asked");
    };
    run([&]() -> task<> {
        const resolver names(options);
        const auto v4 = co_await names.resolve("10.1.2.3");
        CHECK(v4 == std::vector{ip_address::v4({10, 1, 2, 3})});
        const auto v6 = co_await names.resolve("::1");
        CHECK(v6 == std::vector{ip_address::loopback_v6()});
    });
}

TEST_CASE("an unknown host is an error that names it") {
    resolver_options options;
    options.look_up = [](const std::string& host) -> std::vector<ip_address> {
        if (host == "empty.test") return {};
        const int code = host == "later.test" ? EAI_AGAIN : EAI_NONAME;
        throw std::system_error(code, resolver_category(), "look up " + host);
    };
    run([&]() -> task<> {
        const resolver names(options);
        std::string text;
        try {
            co_await names.resolve("nosuch.test");
        } catch (const std::system_error& e) {
            text = e.what();
        }
        CHECK(text == "look up nosuch.test: no such host");
        const auto later = co_await code_of([&]() -> task<> { co_await names.resolve("later.test"); });
        CHECK(later == condition::retry_later);
        const auto empty = co_await code_of([&]() -> task<> { co_await names.resolve("empty.test"); });
        CHECK(empty == std::error_code(EAI_NODATA, resolver_category()));
    });
}

TEST_CASE("what cannot be a host name is refused before anybody is asked") {
    run([]() -> task<> {
        const resolver names;
        for (const char* host : {"", "a b", "a\nb", "127.1", "0x7f.1", "1.2.3.4.5", "0x7f000001",
                                 "2130706433", "a/b", "u@h", "[::1]", "fe80::1%nosuch"}) {
            const auto code = co_await code_of([&]() -> task<> { co_await names.resolve(host); });
            CHECK_MESSAGE(code == errc::bad_data, host);
        }
        const auto zero = co_await code_of(
            [&]() -> task<> { co_await names.resolve(std::string("localhost\0.test", 15)); });
        CHECK(zero == errc::bad_data);
        const auto longer =
            co_await code_of([&]() -> task<> { co_await names.resolve(std::string(254, 'a')); });
        CHECK(longer == errc::bad_data);
    });
}

TEST_CASE("equal look-ups at the same time are one") {
    const auto slow = std::make_shared<slow_names>();
    run([&]() -> task<> {
        const resolver names = slow->make();
        auto ask = [&]() -> task<> {
            const auto found = co_await names.resolve("slow.test");
            CHECK(found.size() == 2);
        };
        auto open = [&]() -> task<> {
            co_await yield();
            slow->gate.set_value();
        };
        co_await all(ask(), ask(), ask(), open());
        CHECK(slow->calls == 1);
        co_await ask();  // nothing is kept: the next one asks again
        CHECK(slow->calls == 2);
    });
}

TEST_CASE("a canceled look-up goes on at once, and the others that wait for it get their answer") {
    const auto slow = std::make_shared<slow_names>();
    run([&]() -> task<> {
        const resolver names = slow->make();
        auto patient = [&]() -> task<> { CHECK((co_await names.resolve("slow.test")).size() == 2); };
        auto impatient = [&]() -> task<> {
            const auto found = co_await move_on_after(1ms, names.resolve("slow.test"));
            CHECK_FALSE(found.has_value());
            slow->gate.set_value();
        };
        co_await all(impatient(), patient());
        CHECK(slow->calls == 1);
    });
}

TEST_CASE("a look-up that nobody waits for any more is abandoned") {
    const auto slow = std::make_shared<slow_names>();
    run([&]() -> task<> {
        const resolver names = slow->make();
        const auto found = co_await move_on_after(1ms, names.resolve("slow.test"));
        CHECK_FALSE(found.has_value());
        auto again = [&]() -> task<> { co_await names.resolve("slow.test"); };
        auto open = [&]() -> task<> {
            co_await yield();
            slow->gate.set_value();
        };
        co_await all(again(), open());
    });
    CHECK(slow->calls >= 1);
}

TEST_CASE("a loop may end while a look-up still runs") {
    const auto slow = std::make_shared<slow_names>();
    run([&]() -> task<> {
        const resolver names = slow->make();
        co_await with_scope([&](cancel_scope& scope) -> task<> {
            auto ask = [&]() -> task<> { co_await names.resolve("slow.test"); };
            auto leave = [&]() -> task<> {
                while (slow->calls == 0) co_await sleep_for(1ms);
                scope.cancel();
            };
            co_await all(ask(), leave());
        });
    });
    CHECK(slow->calls == 1);
    slow->gate.set_value();  // the thread comes back to a loop that is gone
}

}  // namespace simul
