// A real server that speaks TLS, with certificates made for the test.

#include <simul/core/all.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/net/error.hpp>
#include <simul/redis/client.hpp>

#include "net/certificates.hpp"
#include "redis/test_server.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <string>
#include <system_error>
#include <vector>

using namespace simul;
using simul::testing::authority;
using simul::testing::certificate;
using simul::testing::redis_server;

namespace {

constexpr const char* here = "IP:127.0.0.1,DNS:localhost";

tls_client_options trusting(const authority& ours) {
    tls_client_options o;
    o.system_authorities = false;
    o.authorities_pem = ours.pem();
    return o;
}

redis::client_options to(const redis_server& server, const tls_client_options& tls) {
    redis::client_options o;
    o.host = "127.0.0.1";
    o.port = server.port();
    o.tls = tls_context::client(tls);
    return o;
}

redis_server::tls_files files(const certificate& c, const std::string& client_authorities = {}) {
    return {c.pem, c.key_pem, client_authorities};
}

struct failure {
    std::error_code code;
    std::string text;
};

failure failure_of(redis::client_options options) {
    failure f;
    loop l;
    l.run([&]() -> task<> {
        redis::client db(options);
        try {
            co_await db.command("PING");
        } catch (const std::system_error& e) {
            f.code = e.code();
            f.text = e.what();
        }
    });
    return f;
}

}  // namespace

TEST_CASE("a server is used over TLS: commands at once, large values, blocking calls, messages") {
    const authority ours;
    redis_server server = redis_server::with_tls(files(ours.sign(here)));
    loop l;
    l.run([&]() -> task<> {
        const redis::client_options options = to(server, trusting(ours));
        redis::client db(options);
        std::vector<int> numbers(300);
        std::iota(numbers.begin(), numbers.end(), 0);
        auto one = [&](int n) -> task<> {
            redis::reply r = co_await db.command("ECHO", std::to_string(n));
            CHECK(r.as_string() == std::to_string(n));
        };
        co_await all(numbers, one);
        std::string big(3'000'000, '\0');
        for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 7);
        co_await db.command("SET", "big", big);
        redis::reply back = co_await db.command("GET", "big");
        CHECK(back.as_string() == big);
        std::unique_ptr<redis::subscription> news = co_await redis::subscription::open(options, "news");
        auto pushed = [&]() -> task<> {
            co_await sleep_for(std::chrono::milliseconds(20));
            co_await db.command("RPUSH", "list", "item");
            co_await db.command("PUBLISH", "news", "one");
        };
        auto popped = [&]() -> task<> {
            redis::pipeline pop;
            pop.add("BLPOP", "list", 10);
            redis::reply r = co_await db.blocking(std::move(pop), std::chrono::seconds(10));
            CHECK(r.as_array()[1].as_string() == "item");
            redis::message m = co_await news->next();
            CHECK(m.text == "one");
        };
        co_await all(pushed(), popped());
    });
}

TEST_CASE(
    "a server whose certificate does not prove its name is refused, and the reason and the URL are named") {
    const authority ours;
    redis_server server = redis_server::with_tls(files(ours.sign("DNS:elsewhere.test")));
    redis::client_options options = to(server, trusting(ours));
    options.user = "me";
    options.password = "s3cret";
    failure f = failure_of(options);
    CHECK(f.code == net_errc::certificate_wrong_host);
    CHECK_MESSAGE(f.text.find("connect rediss://me:***@127.0.0.1:") != std::string::npos, f.text);
    CHECK_MESSAGE(
        f.text.find("the certificate is for elsewhere.test; not for 127.0.0.1") != std::string::npos, f.text);
    CHECK(f.text.find("s3cret") == std::string::npos);
    const authority strangers("strangers");
    f = failure_of(to(server, trusting(strangers)));
    CHECK(f.code == net_errc::certificate_unknown_ca);
    redis::client_options unchecked = to(server, trusting(strangers));
    unchecked.tls = unchecked.tls->insecure();
    f = failure_of(unchecked);
    CHECK_MESSAGE(!f.code, f.text);
}

TEST_CASE("a server that wants to see a certificate gets ours, and refuses a client without one") {
    const authority ours;
    redis_server server = redis_server::with_tls(files(ours.sign(here), ours.pem()));
    const certificate mine = ours.sign("DNS:client.test");
    tls_client_options with = trusting(ours);
    with.certificate_pem = mine.pem;
    with.key_pem = mine.key_pem;
    failure f = failure_of(to(server, with));
    CHECK_MESSAGE(!f.code, f.text);
    f = failure_of(to(server, trusting(ours)));
    CHECK_MESSAGE(f.code, f.text);
    CHECK_MESSAGE(f.text.find("rediss://127.0.0.1:") != std::string::npos, f.text);
}

TEST_CASE("TLS with a server that speaks none, and the other way round, is an error and no hang") {
    const authority ours;
    redis_server server = redis_server::with_tls(files(ours.sign(here)));
    redis::client_options plain = to(server, trusting(ours));
    plain.tls.reset();
    failure f = failure_of(plain);
    CHECK(f.code == condition::disconnected);
    redis_server other = redis_server::with_tls(files(ours.sign(here)));
    loop l;
    l.run([&]() -> task<> {
        redis::client admin([&] {
            redis::client_options o;
            o.socket = other.socket();
            return o;
        }());
        // The same port without TLS.
        co_await admin.command("CONFIG", "SET", "tls-port", "0");
        co_await admin.command("CONFIG", "SET", "port", std::to_string(other.port()));
    });
    // Redis waits for the end of what looks like a line of text to it.
    redis::client_options secured = to(other, trusting(ours));
    secured.connect_timeout = std::chrono::milliseconds(500);
    f = failure_of(secured);
    CHECK(f.code == redis::client_errc::cannot_connect);
    CHECK_MESSAGE(
        f.text.find("the TLS handshake was not answered (is that the port for TLS?)") != std::string::npos,
        f.text);
}

TEST_CASE("a connection over TLS that is lost is made again by the next command") {
    const authority ours;
    redis_server server = redis_server::with_tls(files(ours.sign(here)));
    loop l;
    l.run([&]() -> task<> {
        redis::client db(to(server, trusting(ours)));
        co_await db.command("PING");
        const std::int64_t before = db.connection_id();
        redis::client other(to(server, trusting(ours)));
        co_await other.command("CLIENT", "KILL", "ID", std::to_string(before));
        for (int i = 0; i < 1000 && db.connection_id() == before; ++i) {
            try {
                co_await db.command("PING");
            } catch (const std::system_error& e) {
                CHECK(e.code() == condition::disconnected);
            }
        }
        co_await db.command("PING");
        CHECK(db.connection_id() != before);
    });
}
