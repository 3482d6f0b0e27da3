#include <simul/core/race.hpp>
#include <simul/core/task_group.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/net/tcp_listener.hpp>
#include <simul/redis/client.hpp>

#include "redis/sentinel_server.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <string>
#include <system_error>
#include <vector>

using namespace simul;
using simul::testing::redis_server;
using simul::testing::watched_servers;

namespace {

redis::client_options asking(std::vector<redis::sentinel_options::address> addresses,
                             std::string primary = "mymaster") {
    redis::sentinel_options s;
    s.addresses = std::move(addresses);
    s.primary = std::move(primary);
    redis::client_options o;
    o.sentinel = s;
    return o;
}

struct failure {
    std::error_code code;
    std::string text;
};

task<failure> failure_of(redis::client& db) {
    failure f;
    try {
        co_await db.command("PING");
    } catch (const std::system_error& e) {
        f.code = e.code();
        f.text = e.what();
    }
    co_return f;
}

}  // namespace

TEST_CASE("a client that asks sentinels finds the primary, and the new one after a failover") {
    watched_servers servers;
    loop l;
    l.run([&]() -> task<> {
        // The first of them does not answer: the next one is asked.
        redis::client db(
            asking({{"127.0.0.1", redis_server::free_port()}, {"127.0.0.1", servers.sentinel_port}}));
        co_await db.command("SET", "k", "before");
        redis::reply copies = co_await db.command("WAIT", 1, 10'000);
        CHECK(copies.as_int() == 1);
        servers.primary.stop();
        bool written = false;
        for (int i = 0; i < 6000 && !written; ++i) {
            try {
                co_await db.command("APPEND", "k", " and after");
                written = true;
            } catch (const std::system_error& e) {
                const bool worth_waiting =
                    e.code() == condition::disconnected || e.code() == condition::retry_later;
                CHECK_MESSAGE(worth_waiting, e.what());
            }
            if (!written) co_await sleep_for(std::chrono::milliseconds(10));
        }
        redis::reply now = co_await db.command("GET", "k");
        CHECK(now.as_string() == "before and after");
        redis::reply role = co_await db.command("ROLE");
        CHECK(role.as_array()[0].as_string() == "master");
    });
}

TEST_CASE("sentinels that do not answer or watch something else are each named, and a pause may help") {
    redis_server plain = redis_server::on_tcp();
    loop l;
    l.run([&]() -> task<> {
        const std::uint16_t nobody = redis_server::free_port();
        redis::client unknown(asking({{"127.0.0.1", nobody}, {"127.0.0.1", plain.port()}}, "other"));
        failure f = co_await failure_of(unknown);
        CHECK(f.code == redis::client_errc::no_primary);
        CHECK(f.code == condition::retry_later);
        CHECK_MESSAGE(f.text.find(fmt::format("redis+sentinel://127.0.0.1:{},127.0.0.1:{}/other: ", nobody,
                                              plain.port())) == 0,
                      f.text);
        CHECK_MESSAGE(
            f.text.find(fmt::format("127.0.0.1:{}: Connection refused", nobody)) != std::string::npos,
            f.text);
        redis::client nothing(asking({}));
        f = co_await failure_of(nothing);
        CHECK_MESSAGE(f.text.find("there are no sentinels to ask") != std::string::npos, f.text);
    });
}

TEST_CASE("a replica that an old answer of a sentinel names is not used") {
    redis_server server = redis_server::on_tcp();
    redis_server other = redis_server::on_tcp();
    loop l;
    l.run([&]() -> task<> {
        tcp_listener sentinel = tcp_listener::bind("127.0.0.1", 0);
        const redis::client_options options = asking({{"127.0.0.1", sentinel.local_endpoint().port}});
        // Always says the same, as a sentinel that has not noticed yet.
        auto answer = [&](tcp_stream client) -> task<> {
            std::array<char, 4096> request;
            while (co_await client.read_some(request) > 0) {
                const std::string port = std::to_string(server.port());
                const std::string text =
                    fmt::format("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{}\r\n", port.size(), port);
                co_await client.write_all(text);
            }
        };
        auto serve = [&]() -> task<> {
            co_await with_group([&](task_group& clients) -> task<> {
                for (;;) clients.spawn(answer, co_await sentinel.accept());
            });
        };
        auto look = [&]() -> task<> {
            redis::client db(options);
            co_await db.command("PING");
            co_await db.command("REPLICAOF", "127.0.0.1", std::to_string(other.port()));
            redis::client late(options);
            failure f = co_await failure_of(late);
            CHECK(f.code == redis::client_errc::no_primary);
            CHECK_MESSAGE(
                f.text.find(fmt::format("127.0.0.1:{} is a slave", server.port())) != std::string::npos,
                f.text);
            // A connection of before is given up with the first write that is refused.
            std::string refused;
            try {
                co_await db.command("SET", "k", "v");
            } catch (const redis::reply_error& e) {
                refused = e.code();
            }
            CHECK(refused == "READONLY");
            CHECK(db.connection_id() == 0);
        };
        co_await race(look(), serve());
    });
}
