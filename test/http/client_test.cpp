#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <simul/base/version.hpp>
#include <simul/core/all.hpp>
#include <simul/core/task_group.hpp>
#include <simul/http/client.hpp>
#include <simul/http/server.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>
#include <simul/testing/http_network.hpp>

#include "http/compress.hpp"
#include "http/raw_server.hpp"

using namespace simul;
using namespace simul::literals;
using http::phase;
using testing::error_of;
using testing::ok;
using testing::script;
using testing::with_script;

namespace {

const url site("http://a.test/");

}  // namespace

// --- requests

TEST_CASE("a request is sent as it was built") {
    script server{[](std::size_t, const std::string&) { return ok("hello"); }};
    with_script(server, {}, [](http::client& web) -> task<> {
        auto response =
            co_await web.get(site / "r" / "a/b").query("q", "x&y=z").query("n", 5).header("X-One", "1");
        CHECK(response.status() == 200);
        CHECK(response.text() == "hello");
        CHECK(response.url() == url("http://a.test/r/a%2Fb?q=x%26y%3Dz&n=5"));
    });
    CHECK(server.heads.at(0) ==
          "GET /r/a%2Fb?q=x%26y%3Dz&n=5 HTTP/1.1\r\nhost: a.test\r\nuser-agent: simul/" SIMUL_VERSION
          "\r\n"
          "accept: */*\r\naccept-encoding: gzip, deflate\r\nX-One: 1\r\n\r\n");
}

TEST_CASE("names and values cannot add a header, a line or a request") {
    http::client web;
    CHECK_THROWS_AS(web.get(site).header("x", "1\r\ny: 2"), http::wire_error);
    CHECK_THROWS_AS(web.get(site).header("x\r\ny", "2"), http::wire_error);
    CHECK_THROWS_AS(web.get(site).header("", "2"), http::wire_error);
    CHECK_THROWS_AS(web.get(site).header("x", std::string("1\0 2", 4)), http::wire_error);
    CHECK_THROWS_AS(web.get(site).header("Content-Length", "5"), http::error);
    CHECK_THROWS_AS(web.get(site).add_header("Transfer-Encoding", "chunked"), http::error);
    CHECK_THROWS_AS(web.get(site).basic_auth("a:b", "c"), http::error);
    CHECK_THROWS_AS(http::method("GET /x HTTP/1.1\r\n"), http::wire_error);
}

TEST_CASE("bodies: text, JSON, form, stream of known and of unknown length") {
    std::vector<std::string> bodies;
    http::server web;
    web.post("/", [&](http::request& r) -> task<http::response> {
        bodies.push_back(std::string(r.header("content-type")) + "|" +
                         std::string(r.header("transfer-encoding")) + "|" + r.text());
        co_return http::response(204);
    });
    virtual_loop loop;
    loop.run([&]() -> task<> {
        testing::http_network net(web);
        http::client_options options;
        options.transport = net.transport();
        const auto pieces = []() -> async_generator<std::string> {
            co_yield "one ";
            co_yield "";
            co_yield std::string(70000, 'x');
        };
        co_await with_group([&](task_group& group) -> task<> {
            group.spawn([&] { return net.run(); });
            http::client client(options);
            co_await client.post(site).text("words");
            co_await client.post(site).json(std::vector<int>{1, 2});
            const http::form_fields fields{{"a b", "c&d"}};
            co_await client.post(site).form(fields);
            co_await client.post(site).body(std::string(100000, 'y'));
            co_await client.post(site).body(pieces());
            co_await client.post(site).body(pieces(), 70004, "text/x");
            co_await client.post(site);
            CHECK(client.statistics().connections_opened == 1);
            group.cancel();
        });
    });
    REQUIRE(bodies.size() == 7);
    CHECK(bodies[0] == "text/plain; charset=utf-8||words");
    CHECK(bodies[1] == "application/json||[1,2]");
    CHECK(bodies[2] == "application/x-www-form-urlencoded||a+b=c%26d");
    CHECK(bodies[3] == "application/octet-stream||" + std::string(100000, 'y'));
    CHECK(bodies[4] == "application/octet-stream|chunked|one " + std::string(70000, 'x'));
    CHECK(bodies[5] == "text/x||one " + std::string(70000, 'x'));
    CHECK(bodies[6] == "||");
}

TEST_CASE("a streamed body of another length than announced is an error") {
    script server{[](std::size_t, const std::string&) { return std::string(); }};
    with_script(server, {}, [](http::client& web) -> task<> {
        const auto piece = []() -> async_generator<std::string> { co_yield "four"; };
        for (const std::uint64_t size : {3u, 5u}) {
            const auto e =
                co_await error_of([&]() -> task<> { co_await web.post(site).body(piece(), size); });
            CHECK(e.code() == http::errc::invalid_request);
        }
        CHECK(web.statistics().connections == 0);
    });
}

// --- responses

TEST_CASE("responses arrive whole however they are cut into pieces") {
    const std::string text(5000, 'z');
    const std::string packed = testing::compress(text);
    script server{[&](std::size_t n, const std::string&) {
        if (n == 0) return ok("plain");
        if (n == 1) return ok(packed, "content-encoding: gzip\r\n");
        if (n == 2)
            return std::string(
                "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: "
                "chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n");
        return std::string("HTTP/1.0 200 OK\r\n\r\nuntil the end");
    }};
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{100000}}) {
        server.heads.clear();
        testing::stream_pair_options pair;
        pair.piece_bytes_max = piece;
        with_script(
            server, {},
            [&](http::client& web) -> task<> {
                CHECK((co_await web.get(site)).text() == "plain");
                CHECK((co_await web.get(site)).text() == text);
                CHECK((co_await web.get(site)).text() == "abcde");
                CHECK(web.statistics().connections_opened == 1);
                server.then_close = true;
                CHECK((co_await web.get(site)).text() == "until the end");
                server.then_close = false;
                CHECK(web.statistics().connections == 0);
            },
            pair);
    }
}

TEST_CASE("HEAD, 204 and 304 have no body, whatever they announce") {
    script server{[](std::size_t n, const std::string&) {
        if (n == 0)
            return std::string("HTTP/1.1 200 OK\r\ncontent-length: 100\r\ncontent-encoding: br\r\n\r\n");
        return "HTTP/1.1 " + std::string(n == 1 ? "204" : "304") + " X\r\n\r\n";
    }};
    with_script(server, {}, [](http::client& web) -> task<> {
        auto head = co_await web.head(site);
        CHECK(head.header("content-length") == "100");
        CHECK(head.body().empty());
        CHECK((co_await web.get(site)).status() == 204);
        CHECK((co_await web.get(site)).status() == 304);
        CHECK(web.statistics().connections_opened == 1);
    });
}

TEST_CASE("json() names the URL and the position of what is wrong") {
    script server{
        [](std::size_t n, const std::string&) { return ok(n == 0 ? "{\"a\": [1, 2]}" : "{\"a\": oops}"); }};
    with_script(server, {}, [](http::client& web) -> task<> {
        const auto good = co_await web.get(site);
        CHECK(good.json()["a"][1].as_int() == 2);
        const auto bad = co_await web.get(url("http://u:secret@a.test/x"));
        const auto e = co_await error_of([&]() -> task<> {
            bad.json();
            co_return;
        });
        CHECK(e.code() == http::errc::invalid_content);
        CHECK(
            std::string(e.what()) ==
            "http://a.test/x: the body is not JSON: json: line 1, column 7: expected a value (byte 6 of 11)");
        CHECK(std::string(e.what()).find("secret") == std::string::npos);
    });
}

TEST_CASE("throw_for_status tells method, URL, status, when to try again and what the server says") {
    script server{[](std::size_t, const std::string&) {
        return std::string(
            "HTTP/1.1 429 Slow\r\nretry-after: 30\r\ncontent-length: 15\r\n\r\nnot\r\nso \x01 fast!");
    }};
    with_script(server, {}, [](http::client& web) -> task<> {
        const auto answer = co_await web.get(url("http://u:secret@a.test/x"));
        try {
            answer.throw_for_status();
            FAIL("not thrown");
        } catch (const http::status_error& e) {
            CHECK(std::string(e.what()) ==
                  std::string("GET http://a.test/x: 429 Too Many Requests; try again after 30 "
                              "(Retry-After); it says: not so fast!"));
            CHECK(e.status() == 429);
            CHECK(e.code() == condition::retry_later);
            CHECK(e.headers().get("retry-after") == "30");
        }
    });
}
