// What a client says when the other side is not there, not who it should be, or not well. Each text is
// compared as a whole: it names the request, what was wrong, and what can be done.

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netdb.h>

#include <functional>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/task_group.hpp>
#include <simul/http/client.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/net/error.hpp>
#include <simul/net/resolver.hpp>
#include <simul/net/tcp_listener.hpp>
#include <simul/net/tls_stream.hpp>
#include <simul/testing/http_network.hpp>

#include "http/compress.hpp"
#include "http/raw_server.hpp"
#include "net/certificates.hpp"

using namespace simul;
using namespace simul::literals;
using http::phase;
using testing::error_of;
using testing::ok;
using testing::script;
using testing::with_script;

namespace {

/// Every host name is this machine.
resolver_options at_home() {
    resolver_options names;
    names.look_up = [](const std::string&) {
        return std::vector<ip_address>{ip_address::try_parse("127.0.0.1").value()};
    };
    return names;
}

http::client_options trusting_the_test_authority() {
    tls_client_options trust;
    trust.system_authorities = false;
    trust.authorities_pem = testing::test_authority().pem();
    http::client_options options;
    options.connect.names = at_home();
    options.connect.tls = tls_context::client(trust);
    return options;
}

tls_context showing(const testing::certificate& own, tls_version version_min = tls_version::tls_1_2) {
    tls_server_options options;
    options.certificate_pem = own.pem;
    options.key_pem = own.key_pem;
    options.version_min = version_min;
    return tls_context::server(options);
}

/// What `ask` throws at a server on a real port that does `serve` with each connection; the port reads
/// "PORT", a date "DATE".
http::error failure_at(http::client_options options, std::function<task<>(tcp_stream)> serve,
                       std::string_view scheme, std::string_view host, std::string& text) {
    std::optional<http::error> caught;
    run([&]() -> task<> {
        tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
        const auto port = listener.local_endpoint().port;
        co_await with_group([&](task_group& group) -> task<> {
            group.spawn([&]() -> task<> {
                for (;;) {
                    tcp_stream one = co_await listener.accept();
                    try {
                        co_await serve(std::move(one));
                    } catch (const std::system_error&) {  // the client says what we compare
                    }
                }
            });
            http::client web(options);
            const url where(fmt::format("{}://{}:{}/x", scheme, host, port));
            caught = co_await error_of([&]() -> task<> { co_await web.get(where); });
            CHECK(caught->url() == where.safe_string());
            CHECK(web.statistics().connections == 0);
            group.cancel();
        });
        text =
            std::regex_replace(std::string(caught->what()), std::regex(fmt::format(":{}\\b", port)), ":PORT");
    });
    text = std::regex_replace(text, std::regex("[0-9]{4}-[0-9]{2}-[0-9]{2}"), "DATE");
    return *caught;
}

const url site("http://a.test/");

}  // namespace

TEST_CASE("a server whose certificate is not good is refused, and the error says why and what to do") {
    struct bad {
        testing::certificate shown;
        std::string host;
        net_errc cause;
        std::string text;
    };
    const testing::authority stranger("stranger", "DNS:a.test");
    const auto& ours = testing::test_authority();
    const std::vector<bad> cases = {
        {ours.sign("DNS:a.test", -7200, -3600), "a.test", net_errc::certificate_expired,
         "GET https://a.test:PORT/x: TLS handshake with 127.0.0.1:PORT: the certificate of CN = simul test "
         "expired on DATE; the server needs a new one"},
        {ours.sign("DNS:a.test", 3600, 7200), "a.test", net_errc::certificate_not_yet_valid,
         "GET https://a.test:PORT/x: TLS handshake with 127.0.0.1:PORT: the certificate of CN = simul test "
         "is valid from DATE on (is the clock of this machine right?)"},
        {ours.sign("DNS:b.test,DNS:*.c.test"), "a.test", net_errc::certificate_wrong_host,
         "GET https://a.test:PORT/x: TLS handshake with 127.0.0.1:PORT: the certificate is for b.test, "
         "*.c.test; not for a.test"},
        {ours.sign("DNS:a.test"), "127.0.0.1", net_errc::certificate_wrong_host,
         "GET https://127.0.0.1:PORT/x: TLS handshake with 127.0.0.1:PORT: the certificate is for a.test; "
         "not for 127.0.0.1"},
        {ours.sign(std::string()), "a.test", net_errc::certificate_wrong_host,
         "GET https://a.test:PORT/x: TLS handshake with 127.0.0.1:PORT: the certificate is for no host; not "
         "for a.test"},
        {stranger.sign("DNS:a.test"), "a.test", net_errc::certificate_unknown_ca,
         "GET https://a.test:PORT/x: TLS handshake with 127.0.0.1:PORT: no authority that is trusted here "
         "has signed the certificate of CN = simul test (issuer: CN = stranger); if it is one of yours, name "
         "it in tls_client_options::authorities_file"},
        {stranger.self_signed(), "a.test", net_errc::certificate_unknown_ca,
         "GET https://a.test:PORT/x: TLS handshake with 127.0.0.1:PORT: no authority that is trusted here "
         "has signed the certificate of CN = stranger (issuer: CN = stranger); if it is one of yours, name "
         "it in tls_client_options::authorities_file"},
    };
    for (const bad& each : cases) {
        const tls_context server = showing(each.shown);
        std::string text;
        const http::error e = failure_at(
            trusting_the_test_authority(),
            [&](tcp_stream one) -> task<> { co_await tls_stream::server(std::move(one), server); }, "https",
            each.host, text);
        CHECK(e.code() == http::errc::certificate_refused);
        CHECK(e.cause() == each.cause);
        CHECK(e.when() == phase::tls);
        CHECK(text == each.text);
    }
}

TEST_CASE("a handshake that comes to nothing says what the server sent, or that it was silent") {
    struct bad {
        std::function<task<>(tcp_stream)> serve;
        http::errc code;
        std::string text;
    };
    const auto says = [](std::string_view what) {
        return [what](tcp_stream one) -> task<> {
            std::vector<char> hello(64 * 1024);
            co_await one.read_some(hello);  // all of it, or closing would be a reset
            co_await one.write_all(what);
        };
    };
    const std::vector<bad> cases = {
        {says("HTTP/1.1 400 Bad Request\r\n\r\n"), http::errc::tls_failed,
         "GET https://a.test:PORT/x: TLS handshake with 127.0.0.1:PORT: it sent 'HTTP/1.1' instead of TLS; "
         "is this the right port, or is it one without TLS?"},
        {says(std::string_view()), http::errc::tls_failed,
         "GET https://a.test:PORT/x: TLS handshake with 127.0.0.1:PORT: the peer closed it in the middle"},
        {[](tcp_stream one) -> task<> {
             char byte[1];
             co_await one.read_some(byte);  // and closes: that is a reset
         },
         http::errc::tls_failed,
         "GET https://a.test:PORT/x: TLS handshake with 127.0.0.1:PORT: Connection reset by peer"},
        {says(std::string_view("\x15\x03\x03\0\x02\x02\x28", 7)), http::errc::tls_failed,
         "GET https://a.test:PORT/x: TLS handshake with 127.0.0.1:PORT: the peer sent the alert 'handshake "
         "failure'"},
        {[](tcp_stream) -> task<> { co_await sleep_forever(); }, http::errc::timed_out,
         "GET https://a.test:PORT/x: the TLS handshake with a.test:PORT took longer than 50 ms "
         "(timeouts::tls)"},
    };
    for (const bad& each : cases) {
        std::string text;
        auto options = trusting_the_test_authority();
        options.timeouts.tls = 50ms;
        const http::error e = failure_at(options, each.serve, "https", "a.test", text);
        CHECK(e.code() == each.code);
        CHECK(e.when() == phase::tls);
        CHECK(text == each.text);
    }
    // The other way round: plain text to a port that speaks TLS, and says so with an alert.
    std::string text;
    const http::error e =
        failure_at(trusting_the_test_authority(), says(std::string_view("\x15\x03\x01\0\x02\x02\x28", 7)),
                   "http", "a.test", text);
    CHECK(e.code() == http::errc::malformed_response);
    CHECK(text ==
          "GET http://a.test:PORT/x: the response is malformed: a response must start with \"HTTP/\", this "
          "starts with "
          "\"\\x15\\x03\\x01\\x00\\x02\\x02(\" (that is TLS: does the URL want https?)");
}

TEST_CASE("an unknown host and one that cannot be looked up for now are told apart") {
    for (const bool for_now : {false, true}) {
        http::client_options options;
        options.connect.names.look_up = [for_now](const std::string& host) -> std::vector<ip_address> {
            throw std::system_error(for_now ? EAI_AGAIN : EAI_NONAME, resolver_category(), "look up " + host);
        };
        run([&]() -> task<> {
            http::client web(options);
            const auto e = co_await error_of([&]() -> task<> { co_await web.get("http://nosuch.test/x"); });
            CHECK(e.code() == (for_now ? http::errc::host_lookup_failed : http::errc::unknown_host));
            CHECK((e.code() == condition::retry_later) == for_now);
            CHECK(e.when() == phase::dns);
            CHECK(std::string(e.what()) ==
                  (for_now ? "GET http://nosuch.test/x: look up nosuch.test: the name servers do not answer; "
                             "try again "
                             "later"
                           : "GET http://nosuch.test/x: look up nosuch.test: no such host"));
        });
    }
    // The system's own.
    run([]() -> task<> {
        http::client web;
        const auto e = co_await error_of([&]() -> task<> { co_await web.get("http://nosuch.invalid/"); });
        CHECK((e.code() == http::errc::unknown_host || e.code() == http::errc::host_lookup_failed));
        CHECK(e.when() == phase::dns);
        CHECK(std::string(e.what()).starts_with("GET http://nosuch.invalid/: look up nosuch.invalid: "));
    });
}

TEST_CASE("a connection that no address takes names them all") {
    std::uint16_t port = 0;
    {
        auto free = tcp_listener::bind("127.0.0.1", 0);
        port = free.local_endpoint().port;
    }
    http::client_options options;
    options.connect.names.look_up = [](const std::string&) {
        return std::vector<ip_address>{ip_address::try_parse("127.0.0.1").value(),
                                       ip_address::try_parse("127.0.0.2").value()};
    };
    run([&]() -> task<> {
        http::client web(options);
        const auto e =
            co_await error_of([&]() -> task<> { co_await web.get(url("http://a.test").with_port(port)); });
        CHECK(e.code() == http::errc::connect_failed);
        CHECK(e.code() == condition::retry_later);
        CHECK(e.cause() == std::errc::connection_refused);
        CHECK(e.when() == phase::connect);
        CHECK(std::string(e.what()) ==
              fmt::format(
                  "GET http://a.test:{0}/: no connection to a.test:{0} (127.0.0.1:{0}: Connection refused; "
                  "127.0.0.2:{0}: Connection refused); does the server run there?",
                  port));
        options.connect.unix_socket = "/nowhere/socket";
        http::client local(options);
        const auto missing = co_await error_of([&]() -> task<> { co_await local.get("http://a.test/"); });
        CHECK(missing.code() == http::errc::connect_failed);
        CHECK(std::string(missing.what()) ==
              "GET http://a.test/: no connection to the Unix socket /nowhere/socket (No such file or "
              "directory); does "
              "the server run there?");
    });
}

TEST_CASE("what a server says wrongly, too late or too much is told in one sentence") {
    struct bad {
        std::string answer;
        http::errc code;
        std::string text;
    };
    const std::string bomb = testing::compress(std::string(20'000'000, '\0'));
    const std::vector<bad> cases = {
        {"SSH-2.0-OpenSSH_9.2\r\n", http::errc::malformed_response,
         "GET http://a.test/: the response is malformed: a response must start with \"HTTP/\", this starts "
         "with \"SSH-2.0-OpenSSH_\""},
        {"HTTP/2 200 OK\r\n\r\n", http::errc::malformed_response,
         "GET http://a.test/: the response is malformed: \"HTTP/2\" is not a version such as HTTP/1.1"},
        {"HTTP/1.1 200 OK\nx: y\n\n", http::errc::malformed_response,
         "GET http://a.test/: the response is malformed: LF without CR at byte 15"},
        {"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
         http::errc::malformed_response,
         "GET http://a.test/: the response is malformed: the message has Content-Length and "
         "Transfer-Encoding"},
        {"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", http::errc::connection_lost,
         "GET http://a.test/: the connection ended inside the response (the connection ended after 5 of 10 "
         "body bytes)"},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel", http::errc::connection_lost,
         "GET http://a.test/: the connection ended inside the response (the connection ended after 3 bytes "
         "of a chunked body)"},
        {"HTTP/1.1 200 OK\r\nx: ", http::errc::connection_lost,
         "GET http://a.test/: the connection ended inside the response (the connection ended after 20 bytes "
         "of a head)"},
        {std::string(), http::errc::connection_lost,
         "GET http://a.test/: the server closed the connection instead of answering"},
        {"HTTP/1.1 200 OK\r\nx: " + std::string(9000, 'x') + "\r\n\r\n", http::errc::response_too_large,
         "GET http://a.test/: the response is too large: a line of more than 8192 bytes at byte 17 "
         "(header_bytes_max)"},
        {"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\nabc", http::errc::response_too_large,
         "GET http://a.test/: the body is larger than 50000 bytes (option response_bytes_max); read it in "
         "pieces with stream(), or raise the limit"},
        {ok(bomb, "content-encoding: gzip\r\n"), http::errc::decompression_bomb,
         "GET http://a.test/: the body is larger than 50000 bytes when it is decompressed (option "
         "response_bytes_max); read it in pieces with stream(), or raise the limit"},
        {ok("hello", "content-encoding: gzip\r\n"), http::errc::corrupt_content,
         "GET http://a.test/: the body cannot be decoded: gzip data at byte 2: incorrect header check"},
        {ok("hello", "content-encoding: br\r\n"), http::errc::corrupt_content,
         "GET http://a.test/: the body cannot be decoded: the content coding \"br\" is not known here; gzip "
         "and deflate are"},
    };
    http::client_options options;
    options.response_bytes_max = 50'000;
    for (const bad& each : cases) {
        CAPTURE(each.answer);
        script server{[&](std::size_t, const std::string&) { return each.answer; }, true};
        with_script(server, options, [&](http::client& web) -> task<> {
            const auto e = co_await error_of([&]() -> task<> { co_await web.get(site); });
            CHECK(e.code() == each.code);
            CHECK(std::string(e.what()) == each.text);
        });
    }
    script silent{[](std::size_t n, const std::string&) {
        return n == 0   ? ""
               : n == 1 ? std::string("HTTP/1.1 200 OK\r\nx: ")
                        : "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";
    }};
    with_script(silent, options, [&](http::client& web) -> task<> {
        for (const char* text :
             {"GET http://a.test/: waiting for the response took longer than 1 min (timeouts::first_byte)",
              "GET http://a.test/: waiting for the rest of the response took longer than 30 s "
              "(timeouts::read_idle)",
              "GET http://a.test/: waiting for more of the body, after 3 bytes, took longer than 30 s "
              "(timeouts::read_idle)"}) {
            const auto e = co_await error_of([&]() -> task<> { co_await web.get(site); });
            CHECK(e.code() == http::errc::timed_out);
            CHECK(std::string(e.what()) == text);
        }
    });
}

TEST_CASE("a URL that could lead somewhere else is refused before anything is sent") {
    struct bad {
        std::string text;
        std::string message;
    };
    const std::vector<bad> cases = {
        {"http://a.test/x\r\nhost: b.test",
         "url \"http://a.test/x?\?host: b.test\": contains the control byte 0x0d (at byte 15)"},
        {std::string("http://a.test/\0x", 16),
         "url \"http://a.test/?x\": contains the control byte 0x00 (at byte 14)"},
        {"http://user@a.test@b.test/",
         "url \"http://***@b.test/\": a second '@'; an '@' in a user name or password is written %40 (at "
         "byte 18)"},
        {"http://a.test\\@b.test/",
         "url \"http://***@b.test/\": contains a backslash; write '/', or %5C if it is data (at byte 13)"},
        {"http://a.test:99999/", "url \"http://a.test:99999/\": the port is larger than 65535 (at byte 14)"},
        {"http://0x7f.1/",
         "url \"http://0x7f.1/\": an IPv4 address is written as four decimal numbers (\"127.0.0.1\") (at "
         "byte 7)"},
        {"a.test/x",
         "url \"a.test/x\": the scheme is missing; begin with \"https://\" or the like (at byte 0)"},
        {"http:///x", "url \"http:///x\": the host is missing (at byte 7)"},
    };
    http::client web;
    for (const bad& each : cases) {
        CAPTURE(each.text);
        std::string message = "not refused";
        try {
            const auto unsent = web.get(each.text);
        } catch (const url_error& e) {
            message = e.what();
        }
        CHECK(message == each.message);
    }
    run([&]() -> task<> {
        const auto scheme = co_await error_of([&]() -> task<> { co_await web.get("ftp://a.test/x"); });
        CHECK(scheme.code() == http::errc::invalid_request);
        CHECK(std::string(scheme.what()) ==
              "GET ftp://a.test/x: the scheme is ftp; http and https are known here");
    });
}

TEST_CASE("a client, request or transport that cannot work says so instead of crashing") {
    // Bugs: what was moved from crashed, no connection allowed and no connection made were time limits.
    const auto refused = [](http::client_options options) {
        try {
            const http::client none(options);
        } catch (const data_error& e) {
            return std::string(e.what());
        }
        return std::string();
    };
    http::client_options options;
    options.connections_max = 0;
    CHECK(refused(options) == "http::client: connections_max is 0; a client needs one connection at least");
    options = {};
    options.connections_per_origin_max = 0;
    CHECK(refused(options) ==
          "http::client: connections_per_origin_max is 0; a client needs one connection at least");

    http::client first;
    http::client web = std::move(first);
    CHECK_THROWS_AS(static_cast<void>(first.get(site)), http::error);  // NOLINT(bugprone-use-after-move)
    CHECK(first.statistics().connections == 0);
    CHECK(first.settings().connections_max == 100);
    first.close_idle();
    auto one = web.get(site);
    auto other = std::move(one);
    CHECK_THROWS_AS(one.header("a", "b"), http::error);  // NOLINT(bugprone-use-after-move)

    struct useless final : http::transport {
        task<std::unique_ptr<stream>> connect(const http::connect_request&) override {
            if (throws) throw 42;
            co_return nullptr;
        }
        bool throws = false;
    };
    const auto nothing = std::make_shared<useless>();
    options = {};
    options.transport = nothing;
    virtual_loop loop;
    loop.run([&]() -> task<> {
        http::client odd(options);
        for (const char* text : {"GET http://a.test/: the transport gave no connection",
                                 "GET http://a.test/: the transport threw what is no std::exception"}) {
            const auto e = co_await error_of([&]() -> task<> { co_await odd.get(site); });
            CHECK(e.code() == http::errc::connect_failed);
            CHECK(std::string(e.what()) == text);
            nothing->throws = true;
        }
        auto sent = odd.get(site);
        co_await error_of([&]() -> task<> { co_await std::move(sent); });
        const auto again = co_await error_of([&]() -> task<> { co_await std::move(sent); });
        CHECK(again.code() == http::errc::invalid_request);
    });
}
