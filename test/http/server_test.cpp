#include <doctest/doctest.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/async_event.hpp>
#include <simul/core/race.hpp>
#include <simul/core/task_group.hpp>
#include <simul/http/client.hpp>
#include <simul/http/server.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>
#include <simul/net/tcp_stream.hpp>
#include <simul/net/unix_listener.hpp>
#include <simul/testing/http_network.hpp>

using namespace simul;
using namespace simul::literals;

namespace {

/// Everything that comes until the server closes; "..." at its end if that takes longer than `limit`.
task<std::string> read_rest(stream& from, duration limit = 1h) {
    std::string all;
    const bool ended = co_await move_on_after(limit, [](stream& s, std::string& to) -> task<> {
        char buffer[4096];
        while (const std::size_t got = co_await s.read_some(buffer)) to.append(buffer, got);
    }(from, all));
    if (!ended) all += "...";
    co_return all;
}

/// What a server answers to `bytes` on one connection, on the virtual clock. Date is taken out.
std::string answer_to(http::server& web, std::string_view bytes, duration limit = 1h,
                      testing::stream_pair_options pair = {}) {
    virtual_loop loop;
    std::string answer = loop.run([&]() -> task<std::string> {
        auto [ours, theirs] = testing::stream_pair(pair);
        auto other = std::unique_ptr<stream>(std::make_unique<testing::memory_stream>(std::move(theirs)));
        std::string got;
        co_await with_group([&](task_group& group) -> task<> {
            group.spawn([&](std::unique_ptr<stream> s) { return web.serve_connection(std::move(s)); },
                        std::move(other));
            co_await all(
                [](stream& s, std::string_view what) -> task<> {
                    try {
                        co_await s.write_all(what);
                    } catch (const std::system_error&) {  // it has closed already
                    }
                }(ours, bytes),
                [](stream& s, std::string& to, duration time) -> task<> { to = co_await read_rest(s, time); }(
                                                                  ours, got, limit));
            group.cancel();
        });
        co_return got;
    });
    for (std::size_t at; (at = answer.find("date: ")) != answer.npos;) answer.erase(at, 37);
    return answer;
}

http::server small_site() {
    http::server web;
    web.get("/", [](http::request&) { return http::response::text("root"); });
    web.get("/r/{name}/top.json", [](http::request& r) { return http::response::text(r.param("name")); });
    web.get("/r/all/top.json", [](http::request&) { return http::response::text("everything"); });
    web.get("/files/{path...}", [](http::request& r) { return http::response::text(r.param("path")); });
    web.post("/echo",
             [](http::request& r) -> task<http::response> { co_return http::response::text(r.body()); });
    web.get("/bug",
            [](http::request&) -> task<http::response> { throw std::runtime_error("password=hunter2"); });
    web.get("/odd", [](http::request&) -> task<http::response> { throw 5; });
    web.get("/no", [](http::request&) -> task<http::response> { throw http::refusal(409, "not now"); });
    web.get("/status", [](http::request&) { return http::response(42); });
    return web;
}

std::string get(std::string_view target) {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
}

std::string body_of(const std::string& answer) {
    const auto at = answer.find("\r\n\r\n");
    return at == answer.npos ? "(no head)" : answer.substr(at + 4);
}
std::string status_of(const std::string& answer) { return answer.substr(0, answer.find("\r\n")); }

}  // namespace

TEST_CASE("a server routes by path and method, decodes segments after they were separated") {
    http::server web = small_site();
    CHECK(answer_to(web, get("/")) ==
          "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
          "content-length: 4\r\n\r\nroot");
    CHECK(body_of(answer_to(web, get("/r/python/top.json?limit=5"))) == "python");
    CHECK(body_of(answer_to(web, get("/r/a%2Fb%20c/top.json"))) == "a/b c");
    CHECK(body_of(answer_to(web, get("/r/all/top.json"))) == "everything");
    CHECK(body_of(answer_to(web, get("/files/a/b/c"))) == "a/b/c");
    CHECK(body_of(answer_to(web, get("http://x/r/python/top.json"))) == "python");
    for (const char* path : {"/nothing", "/r/python", "/r//top.json", "/r/python/top.json/"})
        CHECK(status_of(answer_to(web, get(path))) == "HTTP/1.1 404 Not Found");
    CHECK(status_of(answer_to(web, get("/r/%zz/top.json"))) == "HTTP/1.1 400 Bad Request");
    const std::string wrong = answer_to(web, "DELETE /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    CHECK(status_of(wrong) == "HTTP/1.1 405 Method Not Allowed");
    CHECK(wrong.find("allow: POST, OPTIONS\r\n") != wrong.npos);
    const std::string options = answer_to(web, "OPTIONS / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    CHECK(status_of(options) == "HTTP/1.1 204 No Content");
    CHECK(options.find("allow: GET, HEAD, OPTIONS\r\n") != options.npos);
    CHECK(options.find("content-length") == options.npos);
}

TEST_CASE("routes that cannot be meant are refused") {
    http::server web = small_site();
    const auto handler = [](http::request&) { return http::response(); };
    for (const char* pattern : {"", "x", "/", "/a{b}", "/{}", "/{a...}/b", "/r/{other}/top.json"}) {
        CAPTURE(pattern);
        CHECK_THROWS_AS(web.get(pattern, handler), http::error);
    }
}

TEST_CASE("HEAD is answered as GET without the body") {
    http::server web = small_site();
    CHECK(answer_to(web, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") ==
          "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
          "content-length: 4\r\n\r\n");
}

TEST_CASE("a connection is kept, pipelined requests are answered in order, however they are cut") {
    http::server web = small_site();
    const std::string three =
        "GET /r/one/top.json HTTP/1.1\r\nHost: x\r\n\r\n"
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        "GET /r/three/top.json HTTP/1.0\r\n\r\n";
    for (const std::size_t piece : {std::size_t{1}, std::size_t{5}, std::size_t{100000}}) {
        testing::stream_pair_options pair;
        pair.piece_bytes_max = piece;
        const std::string answer = answer_to(web, three, 1h, pair);
        const auto one = answer.find("\r\n\r\none"), two = answer.find("\r\n\r\nabc");
        CHECK(one < two);
        CHECK(answer.ends_with("\r\n\r\nthree"));
    }
    CHECK(web.statistics().requests == 9);
}

TEST_CASE("what a handler throws is answered without telling what is inside") {
    http::server web = small_site();
    for (const char* path : {"/bug", "/odd", "/status"}) {
        const std::string answer = answer_to(web, get(path));
        CHECK(status_of(answer) == "HTTP/1.1 500 Internal Server Error");
        CHECK(body_of(answer) == "internal server error\n");
    }
    const std::string refused = answer_to(web, get("/no"));
    CHECK(status_of(refused) == "HTTP/1.1 409 Conflict");
    CHECK(body_of(refused) == "not now\n");
}

TEST_CASE("malformed and hostile requests get their status, and the connection ends") {
    http::server web = small_site();
    const std::string host = "Host: x\r\n";
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"\x16\x03\x01\x02", "HTTP/1.1 400 "},
        {"GET /\r\n\r\n", "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "HTTP/1.1 400 "},
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", "HTTP/1.1 505 "},
        {"GET / HTTP/1.1\nHost: x\n\n", "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         "HTTP/1.1 400 "},
        {"POST /echo HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", "HTTP/1.1 400 "},
        {"POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400 "},
        {"GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n" + host + "\r\n", "HTTP/1.1 414 "},
        {"GET / HTTP/1.1\r\n" + host + "X: " + std::string(9000, 'a') + "\r\n\r\n", "HTTP/1.1 431 "},
        {"POST /echo HTTP/1.1\r\n" + host + "Content-Length: 1048577\r\n\r\n", "HTTP/1.1 413 "},
        {"POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n110000\r\n" +
             std::string(0x110000, 'x') + "\r\n0\r\n\r\n",
         "HTTP/1.1 413 "},
    };
    for (const auto& [bytes, status] : cases) {
        CAPTURE(bytes.substr(0, 80));
        const std::string answer = answer_to(web, bytes + get("/"), 1h);
        CHECK(answer.starts_with(status));
        CHECK(answer.find("connection: close\r\n") != answer.npos);
        CHECK(answer.find("HTTP/1.1", 8) == answer.npos);  // nothing behind it was answered
        CHECK_FALSE(answer.ends_with("..."));
    }
}

TEST_CASE("a slow client is given up: before a request, in its head, in its body, between requests") {
    http::server web = small_site();
    struct slow {
        std::string bytes;
        std::string begins;
        duration until;
    };
    const std::vector<slow> cases = {
        {"", "", 10s},
        {"GET / HT", "HTTP/1.1 408 ", 10s},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", "HTTP/1.1 408 ", 30s},
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", 75s},
    };
    for (const slow& each : cases) {
        CAPTURE(each.bytes);
        CHECK(answer_to(web, each.bytes, each.until - 1s).ends_with("..."));
        const std::string answer = answer_to(web, each.bytes, each.until + 2s);
        CHECK(answer.starts_with(each.begins));
        CHECK_FALSE(answer.ends_with("..."));
    }
}

TEST_CASE("a client that takes nothing is given up") {
    http::server web;
    web.get("/", [](http::request&) { return http::response::text(std::string(1'000'000, 'x')); });
    virtual_loop loop;
    loop.run([&]() -> task<> {
        auto [ours, theirs] = testing::stream_pair();
        auto other = std::unique_ptr<stream>(std::make_unique<testing::memory_stream>(std::move(theirs)));
        co_await ours.write_all("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        co_await web.serve_connection(std::move(other));
    });
    CHECK(loop.elapsed() >= 30s);
    CHECK(loop.elapsed() < 40s);
}

TEST_CASE("100-continue is sent when the body is wanted, and not when it is refused") {
    http::server web = small_site();
    const std::string expects = " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ";
    CHECK(answer_to(web, "POST /echo" + expects + "3\r\n\r\n", 1s)
              .starts_with("HTTP/1.1 100 Continue\r\n\r\n"));
    CHECK(answer_to(web, "POST /echo" + expects + "99999999\r\n\r\n", 1s).starts_with("HTTP/1.1 413 "));
    CHECK(answer_to(web, "POST /nothing" + expects + "3\r\n\r\n", 1s).starts_with("HTTP/1.1 404 "));
}

TEST_CASE("bodies are streamed in both directions") {
    http::server web;
    http::route_options pieces;
    pieces.stream_body = true;
    web.post(
        "/count",
        [](http::request& r) -> task<http::response> {
            std::size_t size = 0;
            while (auto piece = co_await r.read_some()) size += piece->size();
            co_return http::response::text(std::to_string(size));
        },
        pieces);
    web.post("/ignore", [](http::request&) { return http::response::text("ok"); }, pieces);
    const auto words = [](int n) -> async_generator<std::string> {
        for (int i = 0; i < n; ++i) {
            co_await sleep_for(1s);
            co_yield "word ";
        }
    };
    web.get("/words", [words](http::request&) { return http::response::stream(words(3), "text/plain"); });
    web.get("/broken", [](http::request&) {
        return http::response::stream([]() -> async_generator<std::string> {
            co_yield "half ";
            throw std::runtime_error("lost");
        }());
    });
    const std::string big(5'000'000, 'x');
    const std::string close = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    CHECK(body_of(answer_to(web, "POST /count" + close + "Content-Length: 5000000\r\n\r\n" + big)) ==
          "5000000");
    CHECK(body_of(answer_to(web, "POST /ignore" + close + "Content-Length: 5000000\r\n\r\n" + big)) == "ok");
    CHECK(body_of(answer_to(web, "GET /words" + close + "\r\n")) ==
          "5\r\nword \r\n5\r\nword \r\n5\r\nword \r\n0\r\n\r\n");
    CHECK(body_of(answer_to(web, "GET /words HTTP/1.0\r\n\r\n")) == "word word word ");
    CHECK(body_of(answer_to(web, "HEAD /words" + close + "\r\n")).empty());
    CHECK(body_of(answer_to(web, "GET /broken" + close + "\r\n")) == "5\r\nhalf \r\n");  // no end: it is cut
}

TEST_CASE("a handler is canceled when its client goes away, a streamed response too") {
    http::server web;
    int unwound = 0;
    struct note {
        int& count;
        ~note() { ++count; }
    };
    web.get("/wait", [&](http::request&) -> task<http::response> {
        const note leaves{unwound};
        co_await sleep_for(24h);
        co_return http::response();
    });
    web.get("/stream", [&](http::request&) {
        return http::response::stream([](int& count) -> async_generator<std::string> {
            const note leaves{count};
            co_yield "x";
            co_await sleep_for(24h);
        }(unwound));
    });
    for (const char* path : {"/wait", "/stream"}) {
        virtual_loop loop;
        loop.run([&]() -> task<> {
            auto [ours, theirs] = testing::stream_pair();
            auto other = std::unique_ptr<stream>(std::make_unique<testing::memory_stream>(std::move(theirs)));
            co_await all(web.serve_connection(std::move(other)),
                         [](testing::memory_stream mine, std::string what) -> task<> {
                             co_await mine.write_all(what);
                             co_await sleep_for(5s);
                         }(std::move(ours), get(path)));
        });
        CHECK(loop.elapsed() < 10s);
    }
    CHECK(unwound == 2);
    CHECK(web.statistics().disconnected == 2);
}

// --- listeners

TEST_CASE("a server that is canceled lets requests end, and closes what is idle") {
    run([]() -> task<> {
        http::server web;
        async_event asked;
        web.get("/slow", [&](http::request&) -> task<http::response> {
            asked.set();
            co_await sleep_for(50ms);
            co_return http::response::text("finished");
        });
        auto listener = tcp_listener::bind("127.0.0.1", 0);
        const endpoint at = listener.local_endpoint();
        auto idle = co_await tcp_stream::connect(at);
        std::string got;
        co_await all(
            [](http::server& s, tcp_listener l, async_event& until) -> task<> {
                co_await race(s.serve(std::move(l)), until.wait());
            }(web, std::move(listener), asked),
            [](endpoint to, std::string& into) -> task<> {
                auto mine = co_await tcp_stream::connect(to);
                co_await mine.write_all("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
                into = co_await read_rest(mine);
            }(at, got));
        CHECK(got.ends_with("finished"));
        CHECK(got.find("connection: close") != got.npos);
        CHECK(web.statistics().connections == 0);
        CHECK((co_await read_rest(idle)).empty());
        bool refused = false;
        try {
            co_await tcp_stream::connect(at);
        } catch (const std::system_error&) {
            refused = true;
        }
        CHECK(refused);
    });
}

TEST_CASE("requests that do not end within drain_time_max are canceled") {
    http::server_options options;
    options.drain_time_max = 20ms;
    http::server web(options);
    run([&]() -> task<> {
        async_event asked;
        web.get("/forever", [&](http::request&) -> task<http::response> {
            asked.set();
            co_await sleep_forever();
            co_return http::response();
        });
        auto listener = tcp_listener::bind("127.0.0.1", 0);
        auto mine = co_await tcp_stream::connect(listener.local_endpoint());
        co_await mine.write_all("GET /forever HTTP/1.1\r\nHost: x\r\n\r\n");
        co_await race(web.serve(std::move(listener)), asked.wait());
        CHECK(web.statistics().connections == 0);
    });
}

TEST_CASE("connections_max holds further connections back until one ends") {
    http::server_options options;
    options.connections_max = 1;
    http::server web(options);
    web.get("/", [](http::request&) { return http::response::text("x"); });
    run([&]() -> task<> {
        auto listener = tcp_listener::bind("127.0.0.1", 0);
        const endpoint at = listener.local_endpoint();
        co_await with_group([&](task_group& group) -> task<> {
            group.spawn([&](tcp_listener l) { return web.serve(std::move(l)); }, std::move(listener));
            {
                auto first = co_await tcp_stream::connect(at);
                co_await first.write_all("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
                char buffer[500];
                CHECK(co_await first.read_some(buffer) > 0);
                auto second = co_await tcp_stream::connect(at);
                co_await second.write_all(get("/"));
                const auto early = co_await move_on_after(20ms, second.read_some(buffer));
                CHECK_FALSE(early.has_value());
                co_await first.close();
                CHECK((co_await read_rest(second)).ends_with("x"));
            }
            group.cancel();
        });
    });
}

TEST_CASE("a server on a Unix socket, and a client that goes there whatever the URL says") {
    run([]() -> task<> {
        http::server web;
        web.get("/", [](http::request& r) { return http::response::text(std::string(r.header("host"))); });
        const std::string path = "@simul-http-test-" + std::to_string(::getpid());
        http::client_options options;
        options.connect.unix_socket = path;
        co_await with_group([&](task_group& group) -> task<> {
            group.spawn([&](unix_listener l) { return web.serve(std::move(l)); }, unix_listener::bind(path));
            http::client client(options);
            CHECK((co_await client.get("http://any.test/")).text() == "any.test");
            group.cancel();
        });
    });
}

TEST_CASE("a server that was moved from, no connection, and a name twice in a route are refused") {
    // Bugs: the first two crashed, the last one hid the first value.
    http::server first;
    http::server web = std::move(first);
    const auto handler = [](http::request&) { return http::response(200); };
    CHECK_THROWS_AS(first.get("/", handler), std::system_error);  // NOLINT(bugprone-use-after-move)
    CHECK(first.statistics().requests == 0);
    CHECK_THROWS_AS(web.get("/{a}/{a}", handler), http::error);
    CHECK_THROWS_AS(static_cast<void>(web.serve_connection(nullptr)), data_error);
}

TEST_CASE("a server whose listener fails ends with that error") {
    // Bug: it then canceled the scope of accepting, which was gone.
    http::server web;
    run([&]() -> task<> {
        tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
        listener.close();
        try {
            co_await web.serve(std::move(listener));
            FAIL("not refused");
        } catch (const std::system_error& e) {
            CHECK(e.code() == errc::closed);
        }
    });
}
