#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/task_group.hpp>
#include <simul/http/client.hpp>
#include <simul/http/server.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>
#include <simul/testing/http_network.hpp>

#include "http/raw_server.hpp"

using namespace simul;
using namespace simul::literals;
using http::phase;
using testing::error_of;
using testing::ok;
using testing::script;
using testing::with_script;

namespace {

http::client_options one_connection() {
    http::client_options options;
    options.connections_max = 1;
    return options;
}

const url site("http://a.test/");

}  // namespace

TEST_CASE("each limit of time is named in its error") {
    struct slow {
        std::function<void(http::timeouts&)> set;
        std::string answer;
        phase when;
        duration after;
    };
    const std::vector<slow> cases = {
        {[](auto& t) { t.first_byte = 5s; }, "", phase::first_byte, 5s},
        {[](auto& t) { t.read_idle = 4s; }, "HTTP/1.1 200 OK\r\nx: ", phase::read_idle, 4s},
        {[](auto& t) { t.read_idle = 3s; }, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
         phase::read_idle, 3s},
        {[](auto& t) { t.total = 2s; }, "", phase::total, 2s},
        {[](auto& t) { t.total = 1s; }, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", phase::total, 1s},
        {[](auto&) {}, "", phase::first_byte, 60s},  // the defaults are on
    };
    for (const slow& each : cases) {
        CAPTURE(to_string(each.when));
        script server{[&](std::size_t, const std::string&) { return each.answer; }};
        http::client_options options;
        each.set(options.timeouts);
        const duration took = with_script(server, options, [&](http::client& web) -> task<> {
            const auto e = co_await error_of([&]() -> task<> { co_await web.get(site); });
            CHECK(e.code() == http::errc::timed_out);
            CHECK(e.code() == condition::timed_out);
            CHECK(e.code() == std::errc::timed_out);
            CHECK(e.when() == each.when);
            CHECK(e.elapsed() == each.after);
            CHECK(std::string(e.what()).find("timeouts::" + std::string(to_string(each.when))) !=
                  std::string::npos);
            CHECK(web.statistics().connections == 0);
        });
        CHECK(took >= each.after);
        CHECK(took < each.after + 1s);
    }
}

TEST_CASE("waiting for a connection, connecting and sending have their limits too") {
    script silent{[](std::size_t, const std::string&) { return std::string(); }};
    auto options = one_connection();
    options.timeouts.pool = 2s;
    with_script(silent, options, [&](http::client& web) -> task<> {
        co_await with_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> { co_await web.get(site); });
            co_await sleep_for(1s);
            const auto e = co_await error_of([&]() -> task<> { co_await web.get(site); });
            CHECK(e.when() == phase::pool);
            CHECK(e.elapsed() == 2s);
            CHECK(web.statistics().waiting == 0);
            group.cancel();
        });
    });
    // A server that reads nothing.
    virtual_loop loop;
    loop.run([&]() -> task<> {
        testing::http_network net([](std::unique_ptr<stream>) -> task<> { co_await sleep_forever(); });
        http::client_options slow;
        slow.transport = net.transport();
        slow.timeouts.write = 3s;
        co_await with_group([&](task_group& group) -> task<> {
            group.spawn([&] { return net.run(); });
            http::client web(slow);
            const auto e = co_await error_of(
                [&]() -> task<> { co_await web.post(site).body(std::string(1'000'000, 'x')); });
            CHECK(e.when() == phase::write);
            CHECK(e.elapsed() == 3s);
            net.set_connect_delay(1h);
            const auto late = co_await error_of([&]() -> task<> { co_await web.get(site).timeout(7s); });
            CHECK(late.when() == phase::total);
            CHECK(late.elapsed() == 7s);
            CHECK(web.statistics().connections == 0);
            group.cancel();
        });
    });
}

TEST_CASE("the time of a streamed body does not count as total, silence does") {
    virtual_loop loop;
    loop.run([&]() -> task<> {
        testing::http_network net([](std::unique_ptr<stream> on) -> task<> {
            std::string rest;
            co_await testing::read_head(*on, rest);
            co_await on->write_all("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n");
            for (int i = 0; i < 50; ++i) {
                co_await sleep_for(20s);
                co_await on->write_all("x");
            }
            co_await sleep_forever();
        });
        http::client_options options;
        options.transport = net.transport();
        co_await with_group([&](task_group& group) -> task<> {
            group.spawn([&] { return net.run(); });
            http::client web(options);
            auto slow = co_await web.get(site).timeout(10s).stream();
            std::size_t size = 0;
            const auto e = co_await error_of([&]() -> task<> {
                while (auto piece = co_await slow.read_some()) size += piece->size();
            });
            CHECK(size == 50);
            CHECK(e.when() == phase::read_idle);
            group.cancel();
        });
    });
}
