#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <simul/base/error.hpp>
#include <simul/http/wire/parser.hpp>

#include "http/wire/corpus.hpp"
#include "http/wire/trace.hpp"

using namespace simul::http;
using namespace simul::http::test;

namespace {

template <class Parser>
std::string read_all(const std::vector<std::string_view>& pieces, const parser_limits& limits = {}) {
    Parser parser(limits);
    return trace(parser, pieces, true);
}

std::string error_line(wire_errc reason) { return "error " + make_error_code(reason).message() + "\n"; }

template <class Parser>
void check_refused(const std::vector<refused>& all) {
    std::mt19937 random(4711);
    for (const refused& message : all) {
        CAPTURE(message.what);
        const std::string events = read_all<Parser>(whole(message.bytes));
        CHECK_MESSAGE(events.ends_with(error_line(message.reason)), events);
        CHECK(read_all<Parser>(byte_by_byte(message.bytes)) == events);
        for (int i = 0; i < 8; ++i) CHECK(read_all<Parser>(at_random(message.bytes, random)) == events);
    }
}

template <class Parser>
void check_accepted(const std::vector<accepted>& all) {
    std::mt19937 random(4712);
    for (const accepted& message : all) {
        CAPTURE(message.what);
        CHECK(read_all<Parser>(whole(message.bytes)) == message.events);
        CHECK(read_all<Parser>(byte_by_byte(message.bytes)) == message.events);
        for (int i = 0; i < 8; ++i)
            CHECK(read_all<Parser>(at_random(message.bytes, random)) == message.events);
    }
}

wire_errc reason_of(const std::function<void()>& f) {
    try {
        f();
    } catch (const wire_error& e) {
        return e.reason();
    }
    return wire_errc{};
}

std::string request_with(std::string_view fields, std::string_view body = {}) {
    return fmt::format("POST / HTTP/1.1\r\nHost: a\r\n{}\r\n{}", fields, body);
}

// The reason why `bytes` are refused under `limits`, the same whole and byte by byte; wire_errc{} if they are
// not.
template <class Parser = request_parser>
wire_errc refused_under(const parser_limits& limits, std::string_view bytes) {
    const auto feed = [&](const std::vector<std::string_view>& pieces) {
        return reason_of([&] {
            Parser parser(limits);
            for (std::string_view piece : pieces) {
                for (std::string_view input = piece;;) {
                    const wire_event event = parser.next(input);
                    if (event == wire_event::need_input || event == wire_event::upgrade) break;
                }
            }
        });
    };
    const wire_errc reason = feed(whole(bytes));
    CHECK(feed(byte_by_byte(bytes)) == reason);
    return reason;
}

}  // namespace

TEST_CASE("requests that can be read in two ways are refused, however they arrive") {
    check_refused<request_parser>(refused_requests());
}

TEST_CASE("requests give the same events, however they arrive") {
    check_accepted<request_parser>(accepted_requests());
}

TEST_CASE("responses that can be read in two ways are refused, however they arrive") {
    check_refused<response_parser>(refused_responses());
}

TEST_CASE("responses give the same events, however they arrive") {
    check_accepted<response_parser>(accepted_responses());
}

TEST_CASE("the answer to HEAD has no body whatever it says") {
    for (const std::string_view fields : {"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", ""}) {
        response_parser parser;
        parser.expect(method::head);
        const std::string bytes = fmt::format("HTTP/1.1 200 OK\r\n{}\r\n", fields);
        std::string_view input = bytes;
        CHECK(parser.next(input) == wire_event::head);
        CHECK(parser.head().content_length == std::nullopt);
        CHECK(parser.next(input) == wire_event::end);
        CHECK(parser.keep_alive());
    }
}

TEST_CASE("a tunnel opens only where CONNECT was asked and granted") {
    const std::string_view granted = "HTTP/1.1 200 OK\r\n\r\nraw";
    response_parser asked;
    asked.expect(method::connect);
    std::string_view input = granted;
    CHECK(asked.next(input) == wire_event::head);
    CHECK(asked.next(input) == wire_event::upgrade);
    CHECK(input == "raw");

    response_parser refused;
    refused.expect(method::connect);
    input = "HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno";
    CHECK(refused.next(input) == wire_event::head);
    CHECK(refused.next(input) == wire_event::body);
    CHECK(refused.next(input) == wire_event::end);
}

TEST_CASE("bytes behind a message stay in the input") {
    response_parser parser;
    std::string_view input = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 ";
    CHECK(parser.next(input) == wire_event::head);
    CHECK(parser.next(input) == wire_event::body);
    CHECK(parser.body() == "ok");
    CHECK(parser.next(input) == wire_event::end);
    CHECK(input == "HTTP/1.1 ");
    CHECK(parser.idle());
}

TEST_CASE("a body is given as views into the input, without copies") {
    const std::string bytes = request_with("Content-Length: 4\r\n", "abcd");
    request_parser parser;
    std::string_view input = bytes;
    CHECK(parser.next(input) == wire_event::head);
    CHECK(parser.next(input) == wire_event::body);
    CHECK(parser.body().data() == bytes.data() + bytes.size() - 4);
}

TEST_CASE("an error stays, says where it was, and belongs to a condition") {
    request_parser parser;
    std::string_view input = "GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n";
    try {
        parser.next(input);
        FAIL("accepted");
    } catch (const wire_error& e) {
        CHECK(e.code() == wire_errc::invalid_header_name);
        CHECK(e.code() == simul::condition::invalid);
        CHECK(e.position() == 28);
        CHECK(std::string_view(e.what()) ==
              "header line \"Bad Name\" at byte 25 does not start with a name and a colon: invalid header "
              "name");
    }
    std::string_view good = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    CHECK(reason_of([&] { parser.next(good); }) == wire_errc::invalid_header_name);
    CHECK(reason_of([&] { parser.finish(); }) == wire_errc::invalid_header_name);
    CHECK(make_error_code(wire_errc::truncated) == simul::condition::disconnected);
    CHECK(make_error_code(wire_errc::unsupported_version) == simul::condition::unsupported);
    CHECK(status_for(wire_errc::headers_too_long) == 431);
    CHECK(status_for(wire_errc::body_too_long) == 413);
    CHECK(status_for(wire_errc::start_line_too_long) == 414);
    CHECK(status_for(wire_errc::unsupported_version) == 505);
    CHECK(status_for(wire_errc::missing_host) == 400);
}

// aiohttp measured each packet's part of a line by itself (CVE-2026-54277).
TEST_CASE("line limits hold on the accumulated line, to the byte") {
    parser_limits limits;
    limits.start_line_bytes_max = 30;
    limits.header_bytes_max = 40;
    const auto line = [](std::size_t size) {  // "GET /xx HTTP/1.1"
        return "GET /" + std::string(size - 14, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n";
    };
    CHECK(refused_under(limits, line(30)) == wire_errc{});
    CHECK(refused_under(limits, line(31)) == wire_errc::start_line_too_long);
    CHECK(refused_under(limits, std::string(40, 'x')) == wire_errc::start_line_too_long);

    const auto header = [](std::size_t size) {
        return request_with("X: " + std::string(size - 3, 'y') + "\r\n");
    };
    CHECK(refused_under(limits, header(40)) == wire_errc{});
    CHECK(refused_under(limits, header(41)) == wire_errc::header_too_long);
    // Space is part of the line although it is not part of the value.
    CHECK(refused_under(limits, request_with("X:" + std::string(50, ' ') + "y\r\n")) ==
          wire_errc::header_too_long);
}

TEST_CASE("all headers together have a limit") {
    parser_limits limits;
    limits.headers_bytes_max = 200;
    const std::string header = "X: " + std::string(33, 'y') + "\r\n";  // 38 bytes; Host and the end are 11
    CHECK(refused_under(limits, request_with(header + header + header + header)) == wire_errc{});
    CHECK(refused_under(limits, request_with(header + header + header + header + header)) ==
          wire_errc::headers_too_long);
}

TEST_CASE("trailers count among the headers") {  // aiohttp let them grow without end (CVE-2026-22815)
    parser_limits limits;
    limits.headers_max = 4;
    const std::string body = "0\r\nA: 1\r\nB: 2\r\n";
    CHECK(refused_under(limits, request_with("Transfer-Encoding: chunked\r\n", body + "\r\n")) ==
          wire_errc{});
    CHECK(refused_under(limits, request_with("Transfer-Encoding: chunked\r\n", body + "C: 3\r\n\r\n")) ==
          wire_errc::too_many_headers);
    CHECK(refused_under(limits, request_with("A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n")) ==
          wire_errc::too_many_headers);
    // The next message starts from zero again.
    const std::string twice = request_with("Transfer-Encoding: chunked\r\n", body + "\r\n");
    CHECK(refused_under(limits, twice + twice) == wire_errc{});

    limits = {};
    limits.headers_bytes_max = 100;
    CHECK(refused_under(limits, request_with("Transfer-Encoding: chunked\r\n",
                                             "0\r\nA: " + std::string(99, 'x') + "\r\n\r\n")) ==
          wire_errc::headers_too_long);
}

TEST_CASE("chunk lines and chunk extensions have limits") {
    parser_limits limits;
    limits.chunk_line_bytes_max = 20;
    limits.chunk_extension_bytes_max = 30;
    const auto chunk = [](std::size_t extension) {
        return "1;" + std::string(extension - 1, 'e') + "\r\nZ\r\n";
    };
    const auto body = [](const std::string& chunks) {
        return request_with("Transfer-Encoding: chunked\r\n", chunks + "0\r\n\r\n");
    };
    CHECK(refused_under(limits, body(chunk(19))) == wire_errc{});
    CHECK(refused_under(limits, body(chunk(20))) == wire_errc::chunk_line_too_long);
    CHECK(refused_under(limits, body(chunk(15) + chunk(15))) == wire_errc{});
    CHECK(refused_under(limits, body(chunk(15) + chunk(16))) == wire_errc::chunk_extensions_too_long);
    CHECK(refused_under(limits, body(std::string(21, '0') + "\r\n")) == wire_errc::chunk_line_too_long);
}

TEST_CASE("a body has a limit, which a route may change after the head") {
    parser_limits limits;
    limits.body_bytes_max = 5;
    CHECK(refused_under(limits, request_with("Content-Length: 5\r\n", "abcde")) == wire_errc{});
    CHECK(refused_under(limits, request_with("Content-Length: 6\r\n")) == wire_errc::body_too_long);
    CHECK(refused_under(limits, request_with("Transfer-Encoding: chunked\r\n",
                                             "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")) == wire_errc{});
    CHECK(refused_under(limits, request_with("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n3\r\n")) ==
          wire_errc::body_too_long);
    CHECK(refused_under<response_parser>(limits, "HTTP/1.1 200 OK\r\n\r\nabcdef") ==
          wire_errc::body_too_long);

    request_parser parser(limits);
    const std::string bytes = request_with("Content-Length: 6\r\n", "abcdef");
    std::string_view input = bytes;
    CHECK(parser.next(input) == wire_event::head);
    parser.set_body_limit(6);
    CHECK(parser.next(input) == wire_event::body);
    CHECK(parser.next(input) == wire_event::end);
}

TEST_CASE("the head can be moved out, and the next message is read as well") {
    request_parser parser;
    const std::string bytes = request_with("A: 1\r\n") + request_with("B: 2\r\n");
    std::string_view input = bytes;
    CHECK(parser.next(input) == wire_event::head);
    const headers first = std::move(parser.head().headers);
    CHECK(parser.next(input) == wire_event::end);
    CHECK(parser.next(input) == wire_event::head);
    CHECK(first.get("a") == "1");
    CHECK(parser.head().headers.get("b") == "2");
    CHECK_FALSE(parser.head().headers.contains("a"));
}

TEST_CASE("mutated messages give the same events whole and in pieces") {
    std::mt19937 random(20240607);
    std::vector<std::string> seeds;
    for (const auto& message : accepted_requests()) seeds.emplace_back(message.bytes);
    for (const auto& message : refused_requests()) seeds.emplace_back(message.bytes);
    for (const auto& message : accepted_responses()) seeds.emplace_back(message.bytes);
    const std::string_view interesting = "\r\n\t :;,\"\\0159afAF\0\x7f\x80\xff=HTPchunked"sv;
    parser_limits limits;
    limits.header_bytes_max = 60;
    limits.headers_max = 5;
    limits.chunk_line_bytes_max = 12;
    for (int round = 0; round < 4000; ++round) {
        std::string bytes = seeds[random() % seeds.size()];
        for (std::size_t changes = 1 + random() % 3; changes > 0 && !bytes.empty(); --changes) {
            const std::size_t at = random() % bytes.size();
            switch (random() % 5) {
                case 0:
                    bytes[at] = interesting[random() % interesting.size()];
                    break;
                case 1:
                    bytes.insert(at, 1, interesting[random() % interesting.size()]);
                    break;
                case 2:
                    bytes.erase(at, 1 + random() % 3);
                    break;
                case 3:
                    bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 40));
                    break;
                default:
                    bytes += seeds[random() % seeds.size()];
                    break;
            }
        }
        const std::string requests = read_all<request_parser>(whole(bytes), limits);
        REQUIRE(read_all<request_parser>(byte_by_byte(bytes), limits) == requests);
        REQUIRE(read_all<request_parser>(at_random(bytes, random), limits) == requests);
        const std::string responses = read_all<response_parser>(whole(bytes), limits);
        REQUIRE(read_all<response_parser>(byte_by_byte(bytes), limits) == responses);
    }
}
