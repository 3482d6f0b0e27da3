#include <simul/net/tls_stream.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <string>

#include <simul/base/log.hpp>
#include <simul/core/all.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>
#include <simul/net/buffered_reader.hpp>
#include <simul/net/error.hpp>
#include <simul/net/tcp_listener.hpp>
#include <simul/testing/stream_pair.hpp>

#include "net/certificates.hpp"

namespace simul {
namespace {

using testing::stream_pair;
using testing::test_authority;

tls_client_options trusting() {
    tls_client_options options;
    options.system_authorities = false;
    options.authorities_pem = test_authority().pem();
    return options;
}

tls_server_options showing(const testing::certificate& own) {
    tls_server_options options;
    options.certificate_pem = own.pem;
    options.key_pem = own.key_pem;
    return options;
}

struct handshake_result {
    std::error_code client;
    std::error_code server;
    std::string client_text;
    std::string server_text;
    std::string protocol;
    std::string version;
    bool resumed = false;
};

template <class F, class... Args>
task<> note(std::error_code& code, std::string& text, F work, Args... args) {
    try {
        co_await work(std::move(args)...);
    } catch (const std::system_error& e) {
        code = e.code();
        text = e.what();
    }
}

task<> be_client(testing::memory_stream below, tls_context context, std::string host,
                 handshake_result& result) {
    tls_stream s = co_await tls_stream::client(std::move(below), std::move(context), std::move(host));
    result.protocol = s.protocol();
    result.version = s.version();
    result.resumed = s.resumed();
    co_await s.write_all("ping");
    char answer[4];
    const std::size_t count = co_await s.read_some(answer);
    CHECK(count == 4);
    co_await s.close();
}

task<> be_server(testing::memory_stream below, tls_context context) {
    tls_stream s = co_await tls_stream::server(std::move(below), std::move(context));
    char question[4];
    if (co_await s.read_some(question) == 0) co_return;
    co_await s.write_all("pong");
    CHECK(co_await s.read_some(question) == 0);
}

/// A handshake and one exchange, on virtual time.
handshake_result shake(const tls_context& client, const tls_context& server, std::string host = "a.test",
                       std::size_t piece = 1 << 20) {
    handshake_result result;
    virtual_loop loop;
    loop.run([&]() -> task<> {
        testing::stream_pair_options options;
        options.piece_bytes_max = piece;
        options.name = "a.test:443";
        auto ends = stream_pair(options);
        co_await all(note(result.client, result.client_text, be_client, std::move(ends.first), client, host,
                          std::ref(result)),
                     note(result.server, result.server_text, be_server, std::move(ends.second), server));
    });
    return result;
}

handshake_result shake_with(const testing::certificate& shown, std::string host = "a.test") {
    return shake(tls_context::client(trusting()), tls_context::server(showing(shown)), std::move(host));
}

const testing::certificate& good() {
    static const testing::certificate one = test_authority().sign("DNS:a.test,IP:127.0.0.1,IP:::1");
    return one;
}

}  // namespace

TEST_CASE("a TLS client and server shake hands, talk and part politely") {
    const auto result = shake_with(good());
    CHECK_MESSAGE(!result.client, result.client_text);
    CHECK_MESSAGE(!result.server, result.server_text);
    CHECK(result.version == "TLSv1.3");
    CHECK(result.protocol.empty());
}

TEST_CASE("TLS works when every byte comes alone") {
    const auto result =
        shake(tls_context::client(trusting()), tls_context::server(showing(good())), "a.test", 1);
    CHECK_MESSAGE(!result.client, result.client_text);
    CHECK_MESSAGE(!result.server, result.server_text);
}

TEST_CASE("an expired certificate is refused with its date") {
    const auto result = shake_with(test_authority().sign("DNS:a.test", -7200, -3600));
    CHECK(result.client == net_errc::certificate_expired);
    CHECK(result.client_text.find("a.test:443: the certificate of") != std::string::npos);
    CHECK(result.client_text.find("expired on 20") != std::string::npos);
    CHECK(result.server == net_errc::refused_by_peer);
    CHECK(result.server_text.find("certificate expired") != std::string::npos);
}

TEST_CASE("a certificate that is not valid yet is refused and the clock is named") {
    const auto result = shake_with(test_authority().sign("DNS:a.test", 3600, 7200));
    CHECK(result.client == net_errc::certificate_not_yet_valid);
    CHECK(result.client_text.find("clock") != std::string::npos);
}

TEST_CASE("a certificate for other hosts is refused and they are named") {
    const auto result = shake_with(test_authority().sign("DNS:b.test,DNS:*.c.test,IP:10.0.0.1"));
    CHECK(result.client == net_errc::certificate_wrong_host);
    CHECK(result.client_text.find("the certificate is for b.test, *.c.test, 10.0.0.1; not for a.test") !=
          std::string::npos);
}

TEST_CASE("an IP address is checked against the addresses of the certificate") {
    CHECK_FALSE(shake_with(good(), "127.0.0.1").client);
    CHECK_FALSE(shake_with(good(), "::1").client);
    CHECK(shake_with(good(), "127.0.0.2").client == net_errc::certificate_wrong_host);
    CHECK(shake_with(test_authority().sign("DNS:127.0.0.1"), "127.0.0.1").client ==
          net_errc::certificate_wrong_host);
}

TEST_CASE("a certificate of an unknown authority is refused and the remedy is named") {
    const testing::authority other("somebody else");
    const auto result = shake_with(other.sign("DNS:a.test"));
    CHECK(result.client == net_errc::certificate_unknown_ca);
    CHECK(result.client_text.find("somebody else") != std::string::npos);
    CHECK(result.client_text.find("authorities_file") != std::string::npos);
}

TEST_CASE("a context that is insecure says so and takes any certificate") {
    const testing::authority other("somebody else");
    const tls_context client = tls_context::client(trusting());
    std::string warning;
    set_log_hook([&](const log_record& record) { warning = record.message; });
    const tls_context insecure = client.insecure();
    set_log_hook({});
    CHECK(warning.find("does not verify") != std::string::npos);
    CHECK_FALSE(insecure.verifies());
    CHECK_FALSE(shake(insecure, tls_context::server(showing(other.sign("DNS:b.test")))).client);
    CHECK(client.verifies());
    CHECK(shake(client, tls_context::server(showing(other.sign("DNS:a.test")))).client ==
          net_errc::certificate_unknown_ca);
}

TEST_CASE("ALPN takes the server's first choice among the client's") {
    tls_client_options c = trusting();
    c.protocols = {"h2", "http/1.1"};
    tls_server_options s = showing(good());
    s.protocols = {"http/1.1"};
    CHECK(shake(tls_context::client(c), tls_context::server(s)).protocol == "http/1.1");
    s.protocols = {"http/1.1", "h2"};
    CHECK(shake(tls_context::client(c), tls_context::server(s)).protocol == "http/1.1");
    s.protocols = {"smtp"};
    const auto none = shake(tls_context::client(c), tls_context::server(s));
    CHECK(none.client == net_errc::no_common_protocol);
    CHECK(none.server == net_errc::no_common_protocol);
    CHECK(none.client == condition::unsupported);
}

TEST_CASE("a server that asks for client certificates refuses clients without") {
    tls_server_options s = showing(good());
    s.client_authorities_pem = test_authority().pem();
    const auto without = shake(tls_context::client(trusting()), tls_context::server(s));
    CHECK(without.server == net_errc::certificate_refused);
    CHECK(without.client == net_errc::refused_by_peer);
    tls_client_options c = trusting();
    const testing::certificate own = test_authority().sign("DNS:client.test");
    c.certificate_pem = own.pem;
    c.key_pem = own.key_pem;
    const auto with = shake(tls_context::client(c), tls_context::server(s));
    CHECK_MESSAGE(!with.client, with.client_text);
    CHECK_MESSAGE(!with.server, with.server_text);
}

TEST_CASE("the second handshake with a server takes up the session of the first") {
    const tls_context client = tls_context::client(trusting());
    const tls_context server = tls_context::server(showing(good()));
    CHECK_FALSE(shake(client, server).resumed);
    const auto second = shake(client, server);
    CHECK_MESSAGE(!second.client, second.client_text);
    CHECK(second.resumed);
    CHECK_FALSE(shake(client.insecure(), server).resumed);  // what was not verified is kept apart
}

TEST_CASE("plain text on a TLS port is told to both sides") {
    virtual_loop loop;
    handshake_result result;
    loop.run([&]() -> task<> {
        auto ends = stream_pair();
        co_await ends.second.write_all("HTTP/1.1 400 Bad Request\r\n\r\n");
        co_await note(result.client, result.client_text, be_client, std::move(ends.first),
                      tls_context::client(trusting()), "a.test", std::ref(result));
        auto others = stream_pair();
        co_await others.first.write_all("GET / HTTP/1.1\r\n\r\n");
        co_await note(result.server, result.server_text, be_server, std::move(others.second),
                      tls_context::server(showing(good())));
    });
    CHECK(result.client == net_errc::not_tls);
    CHECK(result.client_text.find("'HTTP/1.1'") != std::string::npos);
    CHECK(result.server == net_errc::not_tls);
    CHECK(result.server_text.find("'GET / HT'") != std::string::npos);
}

TEST_CASE("a connection that is cut is truncated, not ended") {
    virtual_loop loop;
    loop.run([]() -> task<> {
        auto ends = stream_pair();
        std::error_code code;
        std::string text;
        auto client = [&]() -> task<> {
            tls_stream s =
                co_await tls_stream::client(std::move(ends.first), tls_context::client(trusting()), "a.test");
            char c[16];
            auto read_on = [&]() -> task<> {
                while (co_await s.read_some(c) > 0) {
                }
            };
            co_await note(code, text, std::ref(read_on));
        };
        auto server = [&]() -> task<> {
            tls_stream s =
                co_await tls_stream::server(std::move(ends.second), tls_context::server(showing(good())));
            co_await s.write_all("half of what was to come");
        };  // its destructor says no goodbye
        co_await all(client(), server());
        CHECK(code == net_errc::truncated);
        CHECK(code == condition::disconnected);
    });
}

TEST_CASE("a peer that closes in the handshake, at any byte, gives a clear error") {
    const tls_context client = tls_context::client(trusting());
    const tls_context server = tls_context::server(showing(good()));
    for (std::size_t cut = 0; cut < 600; cut += 37) {
        virtual_loop loop;
        handshake_result result;
        loop.run([&]() -> task<> {
            auto ends = stream_pair();
            ends.second.end_after(cut);
            co_await all(note(result.client, result.client_text, be_client, std::move(ends.first), client,
                              "a.test", std::ref(result)),
                         note(result.server, result.server_text, be_server, std::move(ends.second), server));
        });
        CHECK(result.client == net_errc::truncated);
        CHECK(result.client_text.find("TLS handshake with memory") != std::string::npos);
        // The server learns it from its own write, or from what the client said of it.
        const bool told =
            result.server == condition::disconnected || result.server == net_errc::refused_by_peer;
        CHECK_MESSAGE(told, result.server_text);
    }
}

TEST_CASE("a handshake that never ends is given up after its time") {
    virtual_loop loop;
    handshake_result result;
    loop.run([&]() -> task<> {
        auto ends = stream_pair();
        co_await note(result.client, result.client_text, be_client, std::move(ends.first),
                      tls_context::client(trusting()), "a.test", std::ref(result));
    });
    CHECK(result.client == errc::timed_out);
    CHECK(result.client_text.find("10 s") != std::string::npos);
    CHECK(loop.elapsed() == 10s);
}

TEST_CASE("a handshake can be canceled wherever it waits") {
    const tls_context client = tls_context::client(trusting());
    const tls_context server = tls_context::server(showing(good()));
    bool ended = false;
    for (int steps = 0; steps < 200 && !ended; ++steps) {
        virtual_loop loop;
        loop.run([&]() -> task<> {
            testing::stream_pair_options options;
            options.piece_bytes_max = 100;
            options.capacity = 100;
            auto ends = stream_pair(options);
            handshake_result result;
            ended = true;
            co_await with_scope([&](cancel_scope& scope) -> task<> {
                auto canceler = [&]() -> task<> {
                    for (int i = 0; i < steps; ++i) co_await yield();
                    ended = false;
                    scope.cancel();
                };
                auto both = [&]() -> task<> {
                    co_await all(
                        note(result.client, result.client_text, be_client, std::move(ends.first), client,
                             "a.test", std::ref(result)),
                        note(result.server, result.server_text, be_server, std::move(ends.second), server));
                    scope.cancel();
                };
                co_await all(both(), canceler());
            });
            if (!result.version.empty()) ended = true;
        });
    }
    CHECK(ended);
}

TEST_CASE("TLS over TCP: connect by name of the certificate, buffered lines, goodbye") {
    loop loop;
    loop.run([]() -> task<> {
        tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
        const tls_context server = tls_context::server(showing(good()));
        const tls_context client = tls_context::client(trusting());
        auto serve = [&]() -> task<> {
            tls_stream s = co_await tls_stream::server(co_await listener.accept(), server);
            buffered_reader lines(s);
            const auto line = co_await lines.read_line();
            co_await s.write_all(*line + "!\n");
            CHECK_FALSE((co_await lines.read_line()).has_value());
            co_await s.close();
        };
        auto ask = [&]() -> task<> {
            tls_stream s = co_await tls_stream::connect("127.0.0.1", listener.local_endpoint().port, client);
            co_await s.write_all("hello\n");
            co_await s.shutdown_write();
            buffered_reader lines(s);
            CHECK(co_await lines.read_line() == "hello!");
            CHECK_FALSE((co_await lines.read_line()).has_value());
            co_await s.close();
        };
        co_await all(serve(), ask());
    });
}

TEST_CASE("a context for servers cannot be a client's, nor the other way") {
    virtual_loop loop;
    handshake_result result;
    loop.run([&]() -> task<> {
        auto ends = stream_pair();
        co_await note(result.client, result.client_text, be_client, std::move(ends.first),
                      tls_context::server(showing(good())), "a.test", std::ref(result));
        co_await note(result.server, result.server_text, be_server, std::move(ends.second),
                      tls_context::client(trusting()));
    });
    CHECK(result.client == errc::wrong_state);
    CHECK(result.server == errc::wrong_state);
}

TEST_CASE("TLS over no stream, and a host name that is none, are refused with a text one can print") {
    // Bugs: the first crashed, the second put the zero byte into the message.
    virtual_loop loop;
    loop.run([]() -> task<> {
        const tls_context client = tls_context::client(trusting());
        try {
            co_await tls_stream::client(std::unique_ptr<stream>(), client, "a.test");
            FAIL("not refused");
        } catch (const data_error& e) {
            CHECK(std::string(e.what()).find("no stream to speak TLS over") != std::string::npos);
        }
        auto ends = stream_pair();
        try {
            co_await tls_stream::client(std::move(ends.first), client, std::string("a\0b", 3));
            FAIL("not refused");
        } catch (const data_error& e) {
            CHECK(std::string(e.what()).find("'a?b' cannot be the name of a host") != std::string::npos);
        }
    });
}

}  // namespace simul
