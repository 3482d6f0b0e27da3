#include <doctest/doctest.h>

#include <string>

#include <simul/core/all.hpp>
#include <simul/core/task_group.hpp>
#include <simul/http/client.hpp>
#include <simul/http/server.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/testing/http_network.hpp>

using namespace simul;

TEST_CASE("a client gets what a server gives, over real sockets") {
    run([]() -> task<> {
        http::server web;
        web.get("/hello/{name}", [](http::request& r) -> task<http::response> {
            co_return http::response::text("hello " + r.param("name") + " " +
                                           r.query_value("q").value_or("-"));
        });
        co_await with_group([&](task_group& group) -> task<> {
            auto listener = tcp_listener::bind("127.0.0.1", 0);
            const url base("http://" + listener.local_endpoint().to_string());
            group.spawn([&](tcp_listener l) { return web.serve(std::move(l)); }, std::move(listener));
            http::client client;
            for (int i = 0; i < 3; ++i) {
                auto response = co_await client.get(base / "hello" / "a/b").query("q", "x&y");
                CHECK(response.status() == 200);
                CHECK(response.text() == "hello a/b x&y");
            }
            CHECK(client.statistics().connections_opened == 1);
            group.cancel();
        });
    });
}
