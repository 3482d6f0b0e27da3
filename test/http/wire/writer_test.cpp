#include <doctest/doctest.h>

#include <functional>
#include <ostream>  // doctest shows error codes
#include <simul/http/wire/error.hpp>
#include <simul/http/wire/parser.hpp>
#include <simul/http/wire/writer.hpp>
#include <string>
#include <string_view>

#include "http/wire/trace.hpp"

using namespace simul::http;
using namespace std::string_view_literals;

namespace {

wire_errc reason_of(const std::function<void(std::string&)>& write) {
    std::string out = "before";
    try {
        write(out);
    } catch (const wire_error& e) {
        CHECK(out == "before");
        return e.reason();
    }
    return wire_errc{};
}

wire_errc request_reason(std::string_view target, const headers& fields) {
    return reason_of([&](std::string& out) { write_request_head(out, method::get, target, fields); });
}

wire_errc response_reason(int status, std::string_view reason, const headers& fields) {
    return reason_of([&](std::string& out) { write_response_head(out, status, reason, fields); });
}

}  // namespace

TEST_CASE("a request head is written as RFC 9112 has it") {
    std::string out;
    write_request_head(out, method::post, "/a?b", {{"Host", "x"}, {"Content-Length", "0"}});
    CHECK(out == "POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
}

TEST_CASE("a response head is written with its usual reason or a given one") {
    std::string out;
    write_response_head(out, 404, "", {{"A", "b"}});
    write_response_head(out, 299, "", {});
    write_response_head(out, 200, "Fine", {});
    CHECK(out == "HTTP/1.1 404 Not Found\r\nA: b\r\n\r\nHTTP/1.1 299 \r\n\r\nHTTP/1.1 200 Fine\r\n\r\n");
}

TEST_CASE("no request is written that could be read in two ways") {
    CHECK(request_reason("/", {{"Host", "a"}}) == wire_errc{});
    CHECK(request_reason("", {{"Host", "a"}}) == wire_errc::invalid_target);
    CHECK(request_reason("/ HTTP/1.1\r\nInjected: x", {{"Host", "a"}}) == wire_errc::invalid_target);
    CHECK(request_reason("/a b", {{"Host", "a"}}) == wire_errc::invalid_target);
    CHECK(request_reason("/\xc3\xbc", {{"Host", "a"}}) == wire_errc::invalid_target);
    CHECK(request_reason("/a\0"sv, {{"Host", "a"}}) == wire_errc::invalid_target);
    CHECK(request_reason("/", {}) == wire_errc::missing_host);
    CHECK(request_reason("/", {{"Host", "a"}, {"host", "a"}}) == wire_errc::duplicate_host);
    CHECK(request_reason("/", {{"Host", "a"}, {"Content-Length", "1"}, {"Transfer-Encoding", "chunked"}}) ==
          wire_errc::conflicting_framing);
    CHECK(request_reason("/", {{"Host", "a"}, {"Content-Length", "1x"}}) ==
          wire_errc::invalid_content_length);
    CHECK(request_reason("/", {{"Host", "a"}, {"Content-Length", "1"}, {"content-length", "1"}}) ==
          wire_errc::invalid_content_length);
    CHECK(request_reason("/", {{"Host", "a"}, {"Transfer-Encoding", "gzip"}}) ==
          wire_errc::invalid_transfer_encoding);
}

TEST_CASE("no response is written that could be read in two ways") {
    CHECK(response_reason(99, "", {}) == wire_errc::invalid_status);
    CHECK(response_reason(1000, "", {}) == wire_errc::invalid_status);
    CHECK(response_reason(200, "O\r\nSet-Cookie: x", {}) == wire_errc::invalid_reason);
    CHECK(response_reason(204, "", {{"Content-Length", "0"}}) == wire_errc::conflicting_framing);
    CHECK(response_reason(100, "", {{"Transfer-Encoding", "chunked"}}) == wire_errc::conflicting_framing);
    CHECK(response_reason(304, "", {{"Content-Length", "7"}}) == wire_errc{});
    CHECK(response_reason(200, "", {{"Content-Length", "1"}, {"Transfer-Encoding", "chunked"}}) ==
          wire_errc::conflicting_framing);
}

TEST_CASE("trailers cannot change what came before") {
    CHECK(reason_of([](std::string& out) { write_last_chunk(out, {{"Content-Length", "5"}}); }) ==
          wire_errc::invalid_trailer);
    CHECK(reason_of([](std::string& out) { write_last_chunk(out, {{"HOST", "x"}}); }) ==
          wire_errc::invalid_trailer);
}

TEST_CASE("what is written is read back") {
    std::string out;
    write_request_head(out, method("QUERY"), "/q", {{"Host", "x"}, {"Transfer-Encoding", "chunked"}});
    write_chunk(out, "hello");
    write_chunk(out, "");
    const std::string big(300, 'b');
    write_chunk_start(out, big.size());
    out.append(big).append(chunk_end);
    write_last_chunk(out, {{"X-Sum", "1"}});
    request_parser parser;
    CHECK(test::trace(parser, {out}, true) ==
          "head QUERY /q 1.1 Host=x Transfer-Encoding=chunked\nbody hello" + big +
              "\nend keep X-Sum=1\nclosed\n");

    out.clear();
    write_response_head(out, 201, "", {{"Content-Length", "2"}});
    out += "ok";
    response_parser responses;
    CHECK(test::trace(responses, {out}, true) ==
          "head 201 Created 1.1 Content-Length=2\nbody ok\nend keep\nclosed\n");
}
