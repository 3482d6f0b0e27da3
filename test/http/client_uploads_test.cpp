#include <doctest/doctest.h>

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

const url site("http://a.test/");

}  // namespace

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
