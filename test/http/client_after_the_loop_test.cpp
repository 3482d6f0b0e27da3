// Bug: a client that outlived its loop (`http::client web; run(...);`) crashed: its idle connections were
// read from, and its timers armed, on a loop that was gone.

#include <doctest/doctest.h>

#include <optional>
#include <string>

#include <simul/core/task_group.hpp>
#include <simul/http/client.hpp>
#include <simul/http/server.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/net/tcp_listener.hpp>
#include <simul/testing/http_network.hpp>

#include "http/raw_server.hpp"

using namespace simul;
using namespace simul::literals;
using testing::error_of;

namespace {

const std::string large(300'000, 'x');

/// Runs `body(base)` on a loop of its own beside a server on a real port.
template <class Body>
void beside_a_server(Body body) {
    http::server web;
    web.get("/", [](http::request&) { return http::response::text("hello"); });
    web.get("/large", [](http::request&) { return http::response::text(large); });
    run([&]() -> task<> {
        co_await with_group([&](task_group& group) -> task<> {
            auto listener = tcp_listener::bind("127.0.0.1", 0);
            const url base("http://" + listener.local_endpoint().to_string());
            group.spawn([&](tcp_listener l) { return web.serve(std::move(l)); }, std::move(listener));
            co_await body(base);
            group.cancel();
        });
    });
}

}  // namespace

TEST_CASE("a client may be destroyed after its loop, with idle, draining and streaming connections") {
    std::optional<http::response_stream> streamed;
    http::client web;
    beside_a_server([&](url base) -> task<> {
        CHECK((co_await web.get(base)).text() == "hello");
        streamed.emplace(co_await web.get(base / "large").stream());
        {
            auto dropped = co_await web.get(base / "large").stream();
        }
        CHECK(web.statistics().connections >= 2);
    });
    CHECK(web.statistics().idle == 0);
    CHECK(web.statistics().connections == 1);  // that of `streamed`
}

TEST_CASE("a client works again on the next loop, with new connections") {
    http::client web;
    for (std::uint64_t i = 1; i <= 3; ++i) {
        beside_a_server([&](url base) -> task<> {
            CHECK((co_await web.get(base)).text() == "hello");
            CHECK((co_await web.get(base)).text() == "hello");
            CHECK(web.statistics().connections_opened == i);
        });
        CHECK(web.statistics().connections == 0);
    }
    testing::script server{[](std::size_t, const std::string&) { return testing::ok("x"); }};
    testing::with_script(server, {}, [&](http::client& other) -> task<> {
        CHECK((co_await other.get("http://a.test/")).text() == "x");
    });
}

TEST_CASE("a response that was not read to its end before its loop ended says so") {
    std::optional<http::response_stream> streamed;
    http::client web;
    beside_a_server([&](url base) -> task<> {
        streamed.emplace(co_await web.get(base / "large").stream());
        CHECK((co_await streamed->read_some()).has_value());
    });
    beside_a_server([&](url base) -> task<> {
        std::size_t size = 0;
        const auto e = co_await error_of([&]() -> task<> {
            while (auto piece = co_await streamed->read_some()) size += piece->size();
        });
        CHECK(size < large.size());
        CHECK(e.code() == http::errc::connection_lost);
        CHECK(e.cause() == errc::wrong_loop);
        CHECK(std::string(e.what()).find("the event loop of this connection has ended") != std::string::npos);
        streamed.reset();
        CHECK((co_await web.get(base)).text() == "hello");
    });
}

TEST_CASE("a request that was built and not sent, and a client nobody used, need no loop") {
    http::client unused;
    std::optional<http::request_builder> built;
    {
        http::client gone;
        built.emplace(gone.get("http://a.test/"));
    }
    built.reset();
    unused.close_idle();
    CHECK(unused.statistics().connections == 0);
}

TEST_CASE("a client on virtual time may outlive its loop too") {
    std::optional<http::client> kept;
    for (int i = 0; i < 2; ++i) {
        testing::script server{[](std::size_t, const std::string&) { return testing::ok("x"); }};
        virtual_loop on;
        on.run([&]() -> task<> {
            testing::http_network net(
                [&](std::unique_ptr<stream> one) { return server.serve(std::move(one)); });
            co_await with_group([&](task_group& group) -> task<> {
                group.spawn([&] { return net.run(); });
                http::client_options options;
                options.transport = net.transport();
                kept.emplace(options);
                CHECK((co_await kept->get("http://a.test/")).text() == "x");
                CHECK(kept->statistics().idle == 1);
                group.cancel();
            });
        });
    }
}

TEST_CASE("a client whose loop still exists says so on another") {
    http::client web;
    const auto ask = [&]() -> task<> {
        try {
            co_await web.get("http://127.0.0.1:1/");
        } catch (const http::error&) {
        }
    };
    virtual_loop first;
    first.run(ask);
    virtual_loop second;
    CHECK_THROWS_AS(second.run(ask), std::system_error);
}
