#include <doctest/doctest.h>

#include <random>
#include <string>

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

TEST_CASE("connections are reused, and given up when the server ends them or they are idle for long") {
    script server([](std::size_t n, const std::string&) {
        return ok("x", n == 3 ? "keep-alive: timeout=5, max=10\r\n" : n == 5 ? "connection: close\r\n" : "");
    });
    with_script(server, {}, [&](http::client& web) -> task<> {
        co_await web.get(site);
        co_await sleep_for(14s);
        co_await web.get(site);
        CHECK(web.statistics().connections_opened == 1);
        co_await sleep_for(16s);
        CHECK(web.statistics().connections == 0);
        co_await web.get(site);
        co_await web.get(site);  // the server keeps it for 5 s
        CHECK(web.statistics().connections_opened == 2);
        co_await sleep_for(4s);
        CHECK(web.statistics().idle == 1);
        co_await sleep_for(1s);
        CHECK(web.statistics().connections == 0);
        co_await web.get(site);
        co_await web.get(site);  // connection: close
        CHECK(web.statistics().connections == 0);
        server.then_close = true;
        co_await web.get(site);
        co_await sleep_for(1ms);
        CHECK(web.statistics().connections == 0);  // its end was noticed at once
    });
}

TEST_CASE("a dead connection that was reused is replaced once, if the request may be repeated") {
    // The server closes when it has read the second request of a connection.
    std::size_t requests = 0;
    const auto flaky = [&](std::unique_ptr<stream> on) -> task<> {
        std::string rest;
        co_await testing::read_head(*on, rest);
        ++requests;
        co_await on->write_all(ok("x"));
        co_await testing::read_head(*on, rest);
        ++requests;
    };
    for (const bool retry : {true, false}) {
        virtual_loop loop;
        loop.run([&]() -> task<> {
            testing::http_network net(flaky);
            http::client_options options;
            options.transport = net.transport();
            options.retry_dead_connection = retry;
            co_await with_group([&](task_group& group) -> task<> {
                group.spawn([&] { return net.run(); });
                http::client web(options);
                requests = 0;
                co_await web.get(site);
                if (retry) {
                    CHECK((co_await web.get(site)).text() == "x");
                    CHECK(requests == 3);
                    CHECK(web.statistics().retries == 1);
                } else {
                    const auto e = co_await error_of([&]() -> task<> { co_await web.get(site); });
                    CHECK(e.code() == http::errc::connection_lost);
                    CHECK(e.code() == condition::disconnected);
                    co_await web.get(site);
                }
                // What may have happened is not repeated.
                const auto e = co_await error_of([&]() -> task<> { co_await web.post(site).text("pay"); });
                CHECK(e.code() == http::errc::connection_lost);
                group.cancel();
            });
        });
    }
}

TEST_CASE("who waits for a connection gets one in order; other origins' idle ones make room") {
    script server([](std::size_t, const std::string&) { return ok("x"); });
    with_script(server, one_connection(), [&](http::client& web) -> task<> {
        std::string order;
        const auto ask = [&](char name, url where) -> task<> {
            co_await web.get(where);
            order += name;
        };
        const url other("http://b.test/");
        co_await all(ask('a', site), ask('b', other), ask('c', site), ask('d', other), ask('e', site));
        CHECK(order.size() == 5);
        CHECK(order.front() == 'a');
        CHECK(web.statistics().connections == 1);
        CHECK(web.statistics().waiting == 0);
    });
}

TEST_CASE("a limit per origin holds only that origin back") {
    virtual_loop loop;
    loop.run([&]() -> task<> {
        testing::http_network net([](std::unique_ptr<stream> on) -> task<> {
            std::string rest;
            for (;;) {
                if ((co_await testing::read_head(*on, rest)).empty()) co_return;
                co_await sleep_for(1s);
                co_await on->write_all(ok("x"));
            }
        });
        http::client_options options;
        options.transport = net.transport();
        options.connections_per_origin_max = 1;
        co_await with_group([&](task_group& group) -> task<> {
            group.spawn([&] { return net.run(); });
            http::client web(options);
            const auto ask = [&](url where) -> task<> { co_await web.get(where); };
            const url other("http://b.test/");
            co_await all(ask(site), ask(site), ask(site), ask(other));
            CHECK(net.connections() == 2);
            group.cancel();
        });
    });
    CHECK(loop.elapsed() == 3s);
}

TEST_CASE("a streamed response gives pieces; one that is dropped is read to its end or closed") {
    script server(
        [](std::size_t n, const std::string&) { return ok(std::string(n == 1 ? 2'000'000 : 50'000, 'x')); });
    with_script(server, {}, [&](http::client& web) -> task<> {
        {
            auto download = co_await web.get(site).stream();
            CHECK(download.content_length() == 50'000);
            std::size_t size = 0;
            while (auto piece = co_await download.read_some()) size += piece->size();
            CHECK(size == 50'000);
            CHECK(web.statistics().idle == 1);
            CHECK_FALSE((co_await download.read_some()).has_value());
        }
        {
            auto too_much = co_await web.get(site).stream();
        }
        co_await sleep_for(1ms);
        CHECK(web.statistics().connections == 0);
        {
            auto little = co_await web.get(site).stream();
        }
        co_await sleep_for(1ms);
        CHECK(web.statistics().idle == 1);
        auto closed = co_await web.get(site).stream();
        closed.close();
        CHECK(web.statistics().connections == 0);
        auto outlived = co_await web.get(site).stream();
        CHECK((co_await outlived.read_all(50'000)).size() == 50'000);
    });
}

TEST_CASE("a client may be destroyed while responses and connections are open") {
    script server([](std::size_t, const std::string&) { return ok(std::string(300'000, 'x')); });
    with_script(server, {}, [&](http::client&) -> task<> { co_return; });
    run([]() -> task<> {  // real sockets: a read is under way in the kernel when the memory goes
        http::server web;
        web.get("/", [](http::request&) { return http::response::text(std::string(300'000, 'x')); });
        co_await with_group([&](task_group& group) -> task<> {
            auto listener = tcp_listener::bind("127.0.0.1", 0);
            const url base("http://" + listener.local_endpoint().to_string());
            group.spawn([&](tcp_listener l) { return web.serve(std::move(l)); }, std::move(listener));
            for (int i = 0; i < 5; ++i) {
                http::client client;
                co_await client.get(base);
                if (i % 2 == 0) auto dropped = co_await client.get(base).stream();
            }
            group.cancel();
        });
    });
}

TEST_CASE(
    "a canceled request leaves no connection behind that could spoil the next, at whatever step it is") {
    // The server answers each request with its own path, in pieces and with pauses. Requests are canceled
    // after every possible time; afterwards the pool is whole and the next answer is the right one.
    std::mt19937 random(20260722);
    virtual_loop loop;
    loop.run([&]() -> task<> {
        testing::stream_pair_options pair;
        pair.capacity = 700;
        testing::http_network net(
            [](std::unique_ptr<stream> on) -> task<> {
                std::string rest;
                for (;;) {
                    const std::string head = co_await testing::read_head(*on, rest);
                    if (head.empty()) co_return;
                    if (head.starts_with("POST")) {
                        while (rest.size() < 2000) {
                            char buffer[300];
                            const std::size_t got = co_await on->read_some(buffer);
                            if (got == 0) co_return;
                            rest.append(buffer, got);
                            co_await sleep_for(1ms);
                        }
                        rest.erase(0, 2000);
                    }
                    const std::string answer =
                        ok(head.substr(0, head.find(" HTTP")) + std::string(1500, '.'));
                    for (std::size_t at = 0; at < answer.size(); at += 400) {
                        co_await sleep_for(1ms);
                        co_await on->write_all(std::string_view(answer).substr(at, 400));
                    }
                }
            },
            pair);
        net.set_connect_delay(2ms);
        auto options = one_connection();
        options.connections_max = 2;
        options.transport = net.transport();
        co_await with_group([&](task_group& group) -> task<> {
            group.spawn([&] { return net.run(); });
            http::client web(options);
            const auto ask = [&](int n) -> task<> {
                const std::string path = std::to_string(n);
                if (n % 3 == 0) {
                    auto answer = co_await web.post(site / path).body(std::string(2000, 'b'));
                    CHECK(answer.text().starts_with("POST /" + path + "."));
                } else {
                    auto answer = co_await web.get(site / path);
                    CHECK(answer.text().starts_with("GET /" + path + "."));
                }
            };
            for (int n = 0; n < 400; ++n) {
                const auto some = [&] { return std::chrono::microseconds(random() % 22'000); };
                const duration a = some(), b = some(), c = some();
                co_await all(move_on_after(a, ask(5 * n)), move_on_after(b, ask(5 * n + 1)),
                             move_on_after(c, ask(5 * n + 2)));
                CHECK(web.statistics().waiting == 0);
                if (n % 10 != 0) continue;
                co_await all(ask(5 * n + 3), ask(5 * n + 4));
            }
            co_await sleep_for(20s);
            CHECK(web.statistics().connections == 0);
            group.cancel();
        });
    });
}
