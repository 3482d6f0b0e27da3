#include <doctest/doctest.h>

#include <zlib.h>

#include <cerrno>
#include <optional>
#include <random>
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

std::string gzip(const std::string& text) {
    z_stream z{};
    REQUIRE(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) == Z_OK);
    std::string out(deflateBound(&z, static_cast<uLong>(text.size())) + 64, '\0');
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    z.avail_in = static_cast<uInt>(text.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out.resize(z.total_out);
    deflateEnd(&z);
    return out;
}

std::string redirect(std::string_view to, int status = 302) {
    return "HTTP/1.1 " + std::to_string(status) + " X\r\nlocation: " + std::string(to) +
           "\r\ncontent-length: 5\r\n\r\nmoved";
}

http::client_options one_connection() {
    http::client_options options;
    options.connections_max = 1;
    return options;
}

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
          "GET /r/a%2Fb?q=x%26y%3Dz&n=5 HTTP/1.1\r\nhost: a.test\r\nuser-agent: simul/0.1.0\r\n"
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
    const std::string packed = gzip(text);
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

// --- what bad servers get

TEST_CASE(
    "a response that is not HTTP, or cut off, is an error that says where; the connection is not kept") {
    struct bad {
        std::string answer;
        http::errc code;
    };
    const std::vector<bad> answers = {
        {"SSH-2.0-OpenSSH_9.2\r\n", http::errc::malformed_response},
        {std::string("\0\1\2\3 garbage\r\n\r\n", 16), http::errc::malformed_response},
        {"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
         http::errc::malformed_response},
        {"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\nhello",
         http::errc::malformed_response},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", http::errc::malformed_response},
        {"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", http::errc::malformed_response},
        {"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", http::errc::connection_lost},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel", http::errc::connection_lost},
        {"HTTP/1.1 200 OK\r\ncontent-len", http::errc::connection_lost},
        {"", http::errc::connection_lost},
        {"HTTP/1.1 200 OK\r\nx: " + std::string(9000, 'x') + "\r\n\r\n", http::errc::response_too_large},
        {"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
         http::errc::malformed_response},
        {"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\nhello",
         http::errc::corrupt_content},
        {"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 5\r\n\r\nhello",
         http::errc::corrupt_content},
    };
    for (const bad& each : answers) {
        CAPTURE(each.answer);
        script server{[&](std::size_t, const std::string&) { return each.answer; }, true};
        with_script(server, {}, [&](http::client& web) -> task<> {
            const auto e = co_await error_of([&]() -> task<> { co_await web.get(site / "x"); });
            CHECK(e.code() == each.code);
            CHECK(e.url() == "http://a.test/x");
            CHECK(std::string(e.what()).starts_with("GET http://a.test/x: "));
            CHECK(web.statistics().connections == 0);
        });
    }
}

TEST_CASE("a server that sends too much is stopped, with the name of the limit") {
    script server{[&](std::size_t n, const std::string&) {
        if (n == 0) return std::string("HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\nabc");
        std::string endless = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        for (int i = 0; i < 100; ++i) endless += "400\r\n" + std::string(0x400, 'x') + "\r\n";
        if (n == 1) return endless;
        return ok(gzip(std::string(20'000'000, '\0')), "content-encoding: gzip\r\n");
    }};
    http::client_options options;
    options.response_bytes_max = 50'000;
    with_script(server, options, [&](http::client& web) -> task<> {
        for (int i = 0; i < 3; ++i) {
            const auto e = co_await error_of([&]() -> task<> { co_await web.get(site); });
            CHECK(e.code() == (i == 2 ? http::errc::decompression_bomb : http::errc::response_too_large));
            CHECK(std::string(e.what()).find("response_bytes_max") != std::string::npos);
            CHECK(web.statistics().connections == 0);
        }
    });
}

TEST_CASE("a decompression bomb is stopped by its ratio also when it is read in pieces") {
    script server{[&](std::size_t, const std::string&) {
        return ok(gzip(std::string(40'000'000, '\0')), "content-encoding: gzip\r\n");
    }};
    with_script(server, {}, [&](http::client& web) -> task<> {
        auto download = co_await web.get(site).stream();
        std::size_t size = 0;
        const auto e = co_await error_of([&]() -> task<> {
            while (auto piece = co_await download.read_some()) {
                CHECK(piece->size() <= 256 * 1024);
                size += piece->size();
            }
        });
        CHECK(e.code() == http::errc::decompression_bomb);
        CHECK(size <= 10'000'000);
    });
}

TEST_CASE("bytes behind a response are not taken for the next one") {
    script server{[](std::size_t, const std::string&) { return ok("one") + ok("smuggled"); }};
    with_script(server, {}, [](http::client& web) -> task<> {
        for (int i = 0; i < 3; ++i) CHECK((co_await web.get(site)).text() == "one");
        CHECK(web.statistics().connections_opened == 3);
    });
}

// --- time

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

// --- redirects

TEST_CASE("a redirect is followed: 301, 302 and 303 turn POST into GET, 307 and 308 send the body again") {
    for (const int status : {301, 302, 303, 307, 308}) {
        CAPTURE(status);
        script server([&](std::size_t n, const std::string&) {
            return n == 0 ? redirect("/there?x=1", status) : ok("here");
        });
        with_script(server, {}, [&](http::client& web) -> task<> {
            auto response = co_await web.post(site / "from").text("body");
            CHECK(response.text() == "here");
            CHECK(response.url() == url("http://a.test/there?x=1"));
            REQUIRE(response.info().redirects.size() == 1);
            CHECK(response.info().redirects[0] == url("http://a.test/from"));
            CHECK(web.statistics().connections_opened <= 2);
        });
        const std::string& second = server.heads.at(1);
        CHECK(second.starts_with(status < 307 ? "GET /there?x=1 " : "POST /there?x=1 "));
        CHECK((second.find("content-length: 4") != second.npos) == (status >= 307));
        CHECK((second.find("content-type") != second.npos) == (status >= 307));
    }
}

TEST_CASE("credentials do not follow a redirect to another origin, and do within one") {
    for (const std::string& to : {std::string("http://b.test/x"), std::string("http://a.test:81/x"),
                                  std::string("https://a.test/x"), std::string("/x")}) {
        CAPTURE(to);
        script server([&](std::size_t n, const std::string&) { return n == 0 ? redirect(to) : ok(""); });
        http::client_options options;
        options.headers.add("cookie", "a=1");
        with_script(server, options, [&](http::client& web) -> task<> {
            co_await web.get(site)
                .header("Authorization", "secret one")
                .add_header("authorization", "secret two")
                .header("Proxy-Authorization", "secret")
                .sensitive_header("X-Api-Key", "secret")
                .header("X-Plain", "open");
        });
        const std::string& second = server.heads.at(1);
        CHECK((second.find("secret") == second.npos) == (to != "/x"));
        CHECK((second.find("a=1") == second.npos) == (to != "/x"));
        CHECK(second.find("X-Plain: open") != second.npos);
    }
    // The password of the URL too.
    script server([&](std::size_t n, const std::string&) {
        return n == 0 ? redirect("/y") : n == 1 ? redirect("http://b.test/") : ok("");
    });
    with_script(server, {}, [&](http::client& web) -> task<> {
        auto response = co_await web.get(url("http://me:secret@a.test/"));
        CHECK(!response.url().has_userinfo());
    });
    const std::string credentials = "authorization: " + http::basic_credentials("me", "secret");
    CHECK(server.heads.at(0).find(credentials) != std::string::npos);
    CHECK(server.heads.at(1).find(credentials) != std::string::npos);
    CHECK(server.heads.at(2).find("authorization") == std::string::npos);
}

TEST_CASE("redirects that must not be followed are errors that say why") {
    struct refused {
        std::string from;
        std::string to;
        http::errc code;
    };
    const std::vector<refused> cases = {
        {"https://a.test/", "http://a.test/", http::errc::refused_redirect},
        {"http://a.test/", "ftp://a.test/", http::errc::refused_redirect},
        {"http://a.test/", "javascript:alert(1)", http::errc::refused_redirect},
        {"http://a.test/", "http://user:pw@b.test/", http::errc::refused_redirect},
        {"http://a.test/", "http://b.test\\@c.test/", http::errc::refused_redirect},
        {"http://a.test/", "/again", http::errc::too_many_redirects},
    };
    for (const refused& each : cases) {
        CAPTURE(each.to);
        script server([&](std::size_t, const std::string&) { return redirect(each.to); });
        with_script(server, {}, [&](http::client& web) -> task<> {
            const auto e = co_await error_of([&]() -> task<> { co_await web.get(url(each.from)); });
            CHECK(e.code() == each.code);
        });
        CHECK(server.heads.size() == (each.code == http::errc::too_many_redirects ? 11 : 1));
    }
    script server([&](std::size_t, const std::string&) { return redirect("/x"); });
    with_script(server, {}, [&](http::client& web) -> task<> {
        http::redirect_options none;
        none.follow = false;
        CHECK((co_await web.get(site).redirects(none)).status() == 302);
    });
}

TEST_CASE("a body that was a stream cannot be sent again") {
    script server([&](std::size_t, const std::string&) { return redirect("/x", 307); });
    with_script(server, {}, [&](http::client& web) -> task<> {
        const auto pieces = []() -> async_generator<std::string> { co_yield "once"; };
        const auto e = co_await error_of([&]() -> task<> { co_await web.post(site).body(pieces()); });
        CHECK(e.code() == http::errc::body_not_repeatable);
    });
}

// --- uploads that are answered early

TEST_CASE("a server may answer before it has read the body; the rest is not sent") {
    virtual_loop loop;
    loop.run([&]() -> task<> {
        testing::http_network net([](std::unique_ptr<stream> on) -> task<> {
            std::string rest;
            co_await testing::read_head(*on, rest);
            co_await on->write_all("HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nno!");
            co_await sleep_forever();
        });
        http::client_options options;
        options.transport = net.transport();
        co_await with_group([&](task_group& group) -> task<> {
            group.spawn([&] { return net.run(); });
            http::client web(options);
            auto whole = co_await web.post(site).body(std::string(10'000'000, 'x'));
            CHECK(whole.status() == 413);
            CHECK(whole.text() == "no!");
            std::size_t made = 0;
            const auto pieces = [](std::size_t& count) -> async_generator<std::string> {
                for (;;) {
                    ++count;
                    co_await sleep_for(1ms);
                    co_yield std::string(1000, 'x');
                }
            };
            auto streamed = co_await web.post(site).body(pieces(made));
            CHECK(streamed.status() == 413);
            CHECK(made < 10);
            CHECK(web.statistics().connections == 0);
            group.cancel();
        });
    });
}

TEST_CASE("expect_continue waits for the server's word, but not forever") {
    for (const int kind : {0, 1, 2}) {  // says 100; says nothing; says no
        CAPTURE(kind);
        std::string received;
        virtual_loop loop;
        loop.run([&]() -> task<> {
            testing::http_network net([&](std::unique_ptr<stream> on) -> task<> {
                std::string rest;
                const std::string head = co_await testing::read_head(*on, rest);
                CHECK(head.find("expect: 100-continue") != head.npos);
                CHECK(rest.empty());
                if (kind == 0) co_await on->write_all("HTTP/1.1 100 Continue\r\n\r\n");
                if (kind == 2) {
                    co_await on->write_all("HTTP/1.1 417 No\r\ncontent-length: 0\r\n\r\n");
                    co_return;
                }
                while (rest.size() < 4) {
                    char buffer[100];
                    rest.append(buffer, co_await on->read_some(buffer));
                }
                received = rest;
                co_await on->write_all(ok("done"));
            });
            http::client_options options;
            options.transport = net.transport();
            co_await with_group([&](task_group& group) -> task<> {
                group.spawn([&] { return net.run(); });
                http::client web(options);
                auto response = co_await web.put(site).text("body").expect_continue();
                CHECK(response.status() == (kind == 2 ? 417 : 200));
                group.cancel();
            });
        });
        CHECK(received == (kind == 2 ? "" : "body"));
        CHECK(loop.elapsed() >= (kind == 1 ? duration(1s) : duration(0)));
    }
}

// --- connections

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

// --- real sockets

TEST_CASE("an unknown host and a refused connection are told apart") {
    run([]() -> task<> {
        http::client web;
        const auto unknown =
            co_await error_of([&]() -> task<> { co_await web.get("http://nosuch.invalid/"); });
        CHECK(
            (unknown.code() == http::errc::unknown_host || unknown.code() == http::errc::host_lookup_failed));
        CHECK(unknown.when() == phase::dns);
        CHECK(std::string(unknown.what()).find("nosuch.invalid") != std::string::npos);
        std::uint16_t port = 0;
        {
            auto free = tcp_listener::bind("127.0.0.1", 0);
            port = free.local_endpoint().port;
        }
        const auto refused =
            co_await error_of([&]() -> task<> { co_await web.get(url("http://127.0.0.1").with_port(port)); });
        CHECK(refused.code() == http::errc::connect_failed);
        CHECK(refused.code() == condition::retry_later);
        CHECK(refused.cause() == std::errc::connection_refused);
        CHECK(refused.when() == phase::connect);
    });
}

TEST_CASE("a client of one loop says so on another") {
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
