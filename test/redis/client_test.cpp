#include <simul/core/all.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>
#include <simul/redis/client.hpp>

#include "redis/test_server.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <string>
#include <vector>

using namespace simul;
using simul::testing::redis_server;

namespace {

redis::client_options to(const redis_server& server) {
    redis::client_options o;
    o.socket = server.socket();
    return o;
}

std::error_code code_of(auto&& f) {
    try {
        f();
    } catch (const std::system_error& e) {
        return e.code();
    }
    return {};
}
std::string text_of(auto&& f) {
    try {
        f();
    } catch (const std::exception& e) {
        return e.what();
    }
    return {};
}

task<> ping(redis::client& db) { co_await db.command("PING"); }

void ping_once(redis::client_options options) {
    loop l;
    l.run([&]() -> task<> {
        redis::client db(options);
        co_await ping(db);
    });
}

}  // namespace

TEST_CASE("commands of many tasks share one connection, and each gets its own answer") {
    redis_server server;
    loop l;
    l.run([&]() -> task<> {
        redis::client db(to(server));
        std::vector<int> numbers(500);
        std::iota(numbers.begin(), numbers.end(), 0);
        auto one = [&](int n) -> task<> {
            redis::reply r = co_await db.command("ECHO", std::to_string(n));
            CHECK(r.as_string() == std::to_string(n));
        };
        co_await all(numbers, one);
        redis::reply clients = co_await db.command("CLIENT", "LIST");
        std::string list = clients.as_string();
        CHECK(std::count(list.begin(), list.end(), '\n') == 1);
        CHECK(db.connection_id() > 0);
    });
}

TEST_CASE("binary arguments and large answers arrive whole") {
    redis_server server;
    loop l;
    l.run([&]() -> task<> {
        redis::client db(to(server));
        std::string big(3'000'000, '\0');
        for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 7);
        co_await db.command("SET", "big", big);
        redis::reply r = co_await db.command("GET", "big");
        CHECK(r.as_string() == big);
        redis::pipeline several;
        several.add("INCR", "n").add("LPOP", "big").add("INCR", "n");
        std::vector<redis::reply> replies = co_await db.send(std::move(several));
        REQUIRE(replies.size() == 3);
        CHECK(replies[0].as_int() == 1);
        CHECK(replies[1].is_error());
        CHECK(replies[2].as_int() == 2);
    });
    CHECK(text_of([&] {
              loop other;
              other.run([&]() -> task<> {
                  redis::client db(to(server));
                  co_await db.command("LPOP", "big");
              });
          }).find("WRONGTYPE") == 0);
}

TEST_CASE("a canceled command does not shift the answers of the others") {
    redis_server server;
    loop l;
    l.run([&]() -> task<> {
        redis::client db(to(server));
        co_await ping(db);
        server.pause();
        auto given_up = [&]() -> task<> {
            bool in_time = co_await move_on_after(std::chrono::milliseconds(20), ping(db));
            CHECK(!in_time);
            server.go_on();
        };
        auto patient = [&]() -> task<> {
            for (int i = 0; i < 3; ++i) {
                redis::reply r = co_await db.command("ECHO", i);
                CHECK(r.as_int() == i);
            }
        };
        co_await all(given_up(), patient(), patient());
        redis::reply r = co_await db.command("ECHO", "last");
        CHECK(r.as_string() == "last");
    });
}

TEST_CASE("a server that is not there, gone or silent is a named error, and a new one is found") {
    redis_server server;
    CHECK(code_of([&] {
              redis::client_options nowhere;
              nowhere.socket = server.folder() + "/none.sock";
              ping_once(nowhere);
          }) == std::errc::no_such_file_or_directory);
    CHECK(code_of([&] {
              redis::client_options refused;
              refused.host = "127.0.0.1";
              refused.port = 1;
              ping_once(refused);
          }) == condition::retry_later);
    loop l;
    l.run([&]() -> task<> {
        redis::client_options o = to(server);
        o.command_timeout = std::chrono::milliseconds(200);
        o.connect_timeout = std::chrono::milliseconds(2'000);
        redis::client db(o);
        co_await ping(db);
        server.pause();
        std::error_code code;
        try {
            co_await ping(db);
        } catch (const std::system_error& e) {
            code = e.code();
        }
        CHECK(code == redis::client_errc::no_answer);
        CHECK(code == condition::disconnected);
        server.go_on();
        co_await ping(db);
        server.stop();
        code = {};
        try {
            co_await ping(db);
        } catch (const std::system_error& e) {
            code = e.code();
        }
        CHECK(code == redis::client_errc::connection_lost);
        server.start();
        co_await ping(db);
    });
}

TEST_CASE("passwords are used, asked for, and never shown") {
    redis_server server({"--requirepass", "s3cret word"});
    redis::client_options o = to(server);
    CHECK(code_of([&] { ping_once(o); }) == redis::client_errc::authentication);
    o.password = "wrong one";
    CHECK(code_of([&] { ping_once(o); }) == redis::client_errc::authentication);
    CHECK(text_of([&] { ping_once(o); }).find("wrong one") == std::string::npos);
    o.password = "s3cret word";
    ping_once(o);
    o.user = "default";
    ping_once(o);
    redis::client_options shown;
    shown.password = "hidden";
    CHECK(shown.shown() == "redis://:***@localhost:6379");
}

TEST_CASE("a blocking call waits on a connection of its own") {
    redis_server server;
    loop l;
    l.run([&]() -> task<> {
        redis::client db(to(server));
        auto waits = [&]() -> task<> {
            redis::pipeline one;
            one.add("BLPOP", "list", 20);
            redis::reply r = co_await db.blocking(std::move(one), std::chrono::seconds(20));
            CHECK(r.as_array()[1].as_string() == "x");
        };
        auto pushes = [&]() -> task<> {
            co_await sleep_for(std::chrono::milliseconds(20));
            co_await db.command("RPUSH", "list", "x");
        };
        co_await all(waits(), pushes());
        // Nothing comes within the time: nil, and the connection is used again.
        redis::pipeline one;
        one.add("BLPOP", "list", 0.02);
        redis::reply r = co_await db.blocking(std::move(one), std::chrono::milliseconds(20));
        CHECK(r.is_nil());
        // Canceled while it blocks: what is pushed later is not swallowed by the call nobody waits for.
        redis::pipeline canceled;
        canceled.add("BLPOP", "list", 20);
        co_await move_on_after(std::chrono::milliseconds(30),
                               db.blocking(std::move(canceled), std::chrono::seconds(20)));
        co_await sleep_for(std::chrono::milliseconds(20));
        co_await db.command("RPUSH", "list", "y");
        redis::reply left = co_await db.command("LLEN", "list");
        CHECK(left.as_int() == 1);
    });
}

TEST_CASE("a subscription in which nothing comes asks for signs of life, and notices when none come") {
    redis_server server;
    loop l;
    l.run([&]() -> task<> {
        redis::client db(to(server));
        redis::client_options options = to(server);
        options.command_timeout = std::chrono::milliseconds(100);
        std::unique_ptr<redis::subscription> s = co_await redis::subscription::open(options, "news");
        redis::message m;
        auto hears = [&]() -> task<> { m = co_await s->next(); };
        auto tells = [&]() -> task<> {
            co_await sleep_for(std::chrono::milliseconds(500));  // several signs of life
            co_await db.command("PUBLISH", "news", "one");
        };
        co_await all(hears(), tells());
        CHECK(m.text == "one");
        // A wait that is given up in between costs nothing of what comes.
        for (int i = 0; i < 20; ++i) co_await move_on_after(std::chrono::milliseconds(20), s->next());
        co_await db.command("PUBLISH", "news", "two");
        m = co_await s->next();
        CHECK(m.text == "two");
        server.pause();
        std::error_code silent;
        try {
            co_await s->next();
        } catch (const std::system_error& e) {
            silent = e.code();
        }
        server.go_on();
        CHECK(silent == redis::client_errc::no_answer);
    });
}

TEST_CASE("a subscription hears what is published") {
    redis_server server;
    loop l;
    l.run([&]() -> task<> {
        redis::client db(to(server));
        std::unique_ptr<redis::subscription> s = co_await redis::subscription::open(to(server), "news");
        co_await move_on_after(std::chrono::milliseconds(10), s->next());
        co_await db.command("PUBLISH", "news", "one");
        co_await db.command("PUBLISH", "news", "two");
        redis::message m = co_await s->next();
        CHECK(m.text == "one");
        m = co_await s->next();
        CHECK(m.channel == "news");
        CHECK(m.text == "two");
    });
}
