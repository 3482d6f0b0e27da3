// Bug: what had been used on a loop and was destroyed after it asked the loop that was gone to forget its
// descriptor.

#include <doctest/doctest.h>

#include <optional>
#include <string>

#include <simul/core/all.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/run.hpp>
#include <simul/net/error.hpp>
#include <simul/net/resolver.hpp>
#include <simul/net/tcp_listener.hpp>
#include <simul/net/tcp_stream.hpp>
#include <simul/net/tls_stream.hpp>
#include <simul/net/unix_listener.hpp>
#include <simul/net/unix_stream.hpp>
#include <simul/testing/stream_pair.hpp>

#include "contract/stream_contract.hpp"
#include "net/certificates.hpp"
#include "net/temporary_folder.hpp"

namespace simul {
namespace {
using contract::read_count;

/// Both ends of a connection.
template <class Stream>
struct ends {
    std::optional<Stream> ours;
    std::optional<Stream> theirs;
};

template <class Stream>
task<> say(ends<Stream>& on, std::string_view what) {
    co_await on.ours->write_all(what);
    CHECK(co_await read_count(*on.theirs, what.size()) == what);
    co_await on.theirs->write_all(what);
    CHECK(co_await read_count(*on.ours, what.size()) == what);
}

template <class Listener, class Connect>
auto connect(Listener& listener, Connect connecting) {
    using stream_type = await_result_t<decltype(connecting())>;
    return [&listener, connecting](ends<stream_type>& into) -> task<> {
        into.ours.emplace(co_await connecting());
        into.theirs.emplace(co_await listener.accept());
    };
}

task<> encrypt(ends<tcp_stream>& below, ends<tls_stream>& into) {
    tls_client_options trust;
    trust.system_authorities = false;
    trust.authorities_pem = testing::test_authority().pem();
    const testing::certificate own = testing::test_authority().sign("DNS:a.test");
    tls_server_options shown;
    shown.certificate_pem = own.pem;
    shown.key_pem = own.key_pem;
    const tls_context client = tls_context::client(trust);
    const tls_context server = tls_context::server(shown);
    co_await all(
        [&]() -> task<> {
            into.ours.emplace(co_await tls_stream::client(std::move(*below.ours), client, "a.test"));
        }(),
        [&]() -> task<> {
            into.theirs.emplace(co_await tls_stream::server(std::move(*below.theirs), server));
        }());
}
}  // namespace

TEST_CASE("streams and listeners may outlive their loop, and be used on the next one") {
    const testing::temporary_folder folder;
    tcp_listener tcp = tcp_listener::bind("127.0.0.1", 0);
    unix_listener local = unix_listener::bind(folder / "socket");
    ends<tcp_stream> plain;
    ends<tcp_stream> below;
    ends<unix_stream> unix;
    ends<tls_stream> secret;
    const auto connect_tcp = [&] { return tcp_stream::connect(tcp.local_endpoint()); };
    const auto connect_unix = [&] { return unix_stream::connect(folder / "socket"); };
    run([&]() -> task<> {
        co_await connect(tcp, connect_tcp)(plain);
        co_await connect(tcp, connect_tcp)(below);
        co_await connect(local, connect_unix)(unix);
        co_await encrypt(below, secret);
        co_await say(plain, "one");
        co_await say(unix, "one");
        co_await say(secret, "one");
    });
    // Other descriptors get the numbers that were closed, other loops may get the addresses of the old ones.
    for (int again = 0; again < 3; ++again) {
        run([&]() -> task<> {
            co_await say(plain, "more");
            co_await say(unix, "more");
            co_await say(secret, "more");
            co_await connect(tcp, connect_tcp)(plain);
            co_await connect(local, connect_unix)(unix);
            co_await say(plain, "new");
            co_await say(unix, "new");
        });
    }
    run([&]() -> task<> {
        co_await secret.ours->close();
        char end[1];
        CHECK(co_await secret.theirs->read_some(end) == 0);
    });
}

TEST_CASE("a stream that was closed between two runs of one loop leaves its number to the next") {
    loop on;
    tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
    ends<tcp_stream> pair;
    const auto connecting = [&] { return tcp_stream::connect(listener.local_endpoint()); };
    for (int i = 0; i < 3; ++i) {
        on.run([&]() -> task<> {
            co_await connect(listener, connecting)(pair);
            co_await say(pair, "x");
        });
        pair.ours.reset();
        pair.theirs.reset();
    }
}

TEST_CASE("a stream of a loop that still exists is refused on another one") {
    loop first;
    tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
    ends<tcp_stream> pair;
    first.run([&]() -> task<> {
        co_await connect(listener, [&] { return tcp_stream::connect(listener.local_endpoint()); })(pair);
        co_await say(pair, "x");
    });
    tcp_stream moved = std::move(*pair.ours);  // moving does not hide it
    run([&]() -> task<> {
        for (stream* each : {static_cast<stream*>(&moved), static_cast<stream*>(&*pair.theirs)}) {
            try {
                co_await each->write_all("x");
                FAIL("not refused");
            } catch (const std::system_error& e) {
                CHECK(e.code() == errc::wrong_loop);
            }
        }
        try {
            co_await listener.accept();
            FAIL("not refused");
        } catch (const std::system_error& e) {
            CHECK(e.code() == errc::wrong_loop);
            CHECK(std::string(e.what()).find("reuse_port") != std::string::npos);
        }
    });
}

TEST_CASE("an accepted connection that nobody took survives its loop with the listener") {
    tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
    std::optional<tcp_stream> ours;
    run([&]() -> task<> { ours.emplace(co_await tcp_stream::connect(listener.local_endpoint())); });
    run([&]() -> task<> {
        tcp_stream theirs = co_await listener.accept();
        co_await theirs.write_all("late");
        CHECK(co_await read_count(*ours, 4) == "late");
    });
}

TEST_CASE("streams in memory and resolvers may be used on one loop after the other") {
    auto [a, b] = testing::stream_pair();
    const resolver names;
    for (int i = 0; i < 2; ++i) {
        virtual_loop on;
        on.run([&]() -> task<> {
            co_await a.write_all("x");
            CHECK(co_await read_count(b, 1) == "x");
        });
        run([&]() -> task<> { CHECK_FALSE((co_await names.resolve("localhost")).empty()); });
    }
}

}  // namespace simul
