#include <doctest/doctest.h>

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
        return ok(testing::compress(std::string(20'000'000, '\0')), "content-encoding: gzip\r\n");
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
        return ok(testing::compress(std::string(40'000'000, '\0')), "content-encoding: gzip\r\n");
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
