#include <doctest/doctest.h>

#include <ostream>  // doctest shows error codes
#include <simul/http/wire/error.hpp>
#include <simul/http/wire/headers.hpp>
#include <simul/http/wire/method.hpp>
#include <simul/http/wire/status.hpp>
#include <string>
#include <string_view>

using namespace simul::http;
using namespace std::string_view_literals;

namespace {

std::string text_of(const headers& all) {
    std::string out;
    for (const auto [name, value] : all) out.append(name).append("=").append(value).append(";");
    return out;
}

wire_errc reason_of_add(std::string_view name, std::string_view value) {
    headers h{{"a", "1"}};
    wire_errc reason{};
    try {
        h.add(name, value);
    } catch (const wire_error& e) {
        reason = e.reason();
    }
    const std::string after_add = text_of(h);
    wire_errc reason_of_set{};
    try {
        h.set(name, value);
    } catch (const wire_error& e) {
        reason_of_set = e.reason();
    }
    CHECK(reason_of_set == reason);
    if (reason != wire_errc{}) CHECK(text_of(h) == "a=1;");
    return reason;
}

}  // namespace

TEST_CASE("headers keep order and duplicates, and names have no case") {
    headers h;
    h.add("Set-Cookie", "a").add("Date", "now").add("set-cookie", "b");
    CHECK(text_of(h) == "Set-Cookie=a;Date=now;set-cookie=b;");
    CHECK(h.get("SET-COOKIE") == "a");
    CHECK(h.get_all("set-Cookie") == std::vector<std::string_view>{"a", "b"});
    CHECK(h.get("cookie") == std::nullopt);
    CHECK(h.size() == 3);
    CHECK(h.at(1).name == "Date");
}

TEST_CASE("set leaves one value at the first place") {
    headers h{{"A", "1"}, {"b", "2"}, {"a", "3"}, {"c", "4"}, {"A", "5"}};
    h.set("a", "6");
    CHECK(text_of(h) == "a=6;b=2;c=4;");
    h.set("d", "7");
    CHECK(text_of(h) == "a=6;b=2;c=4;d=7;");
}

TEST_CASE("remove takes all of a name and says how many") {
    headers h{{"A", "1"}, {"b", "2"}, {"a", "3"}};
    CHECK(h.remove("a") == 2);
    CHECK(h.remove("a") == 0);
    CHECK(text_of(h) == "b=2;");
}

TEST_CASE("space around a value is not part of it") {
    CHECK(headers{{"a", " \t x y\t "}}.get("a") == "x y");
    CHECK(headers{{"a", "  "}}.get("a") == "");
}

TEST_CASE("nothing that ends a line or a field can be put into headers") {
    CHECK(reason_of_add("b", "x\r\nInjected: y") == wire_errc::invalid_header_value);
    CHECK(reason_of_add("b", "x\n") == wire_errc::invalid_header_value);
    CHECK(reason_of_add("b", "x\ry") == wire_errc::invalid_header_value);
    CHECK(reason_of_add("b\r\nInjected", "y") == wire_errc::invalid_header_name);
    CHECK(reason_of_add("", "y") == wire_errc::invalid_header_name);
    CHECK(reason_of_add("b:", "y") == wire_errc::invalid_header_name);
    CHECK(reason_of_add("b c", "y") == wire_errc::invalid_header_name);
    CHECK(reason_of_add("b\x80", "y") == wire_errc::invalid_header_name);
    CHECK(reason_of_add("b", "\x80\xff and\ttab") == wire_errc{});
    for (int c = 0; c < 256; ++c) {  // every byte, inside a value
        const std::string value{'x', static_cast<char>(c), 'y'};
        const bool control = (c < 0x20 && c != '\t') || c == 0x7f;
        CAPTURE(c);
        CHECK(reason_of_add("b", value) == (control ? wire_errc::invalid_header_value : wire_errc{}));
    }
}

TEST_CASE("the message of a refused header names it and never shows its value") {
    headers h;
    try {
        h.add("Authorization", "secret\n");
        FAIL("accepted");
    } catch (const wire_error& e) {
        const std::string_view what = e.what();
        CHECK(what.find("Authorization has byte 0x0a at 6") != what.npos);
        CHECK(what.find("secret") == what.npos);
    }
}

// A view of a value points into the headers themselves, and adding may move their text.
TEST_CASE("a value may be copied from the same headers") {
    headers h{{"a", "first value"}};
    for (int i = 0; i < 200; ++i) h.add("copy", *h.get("a"));
    h.set(h.at(0).name, *h.get("copy"));
    CHECK(h.size() == 201);
    for (const auto [name, value] : h) CHECK(value == "first value");
}

TEST_CASE("setting a header again and again keeps the others and the memory") {
    headers h{{"keep", "this"}};
    const std::string long_value(300, 'x');
    for (int i = 0; i < 5000; ++i) {
        h.set("date", long_value + std::to_string(i));
        const std::string_view kept = *h.get("keep");
        const std::string_view last = *h.get("date");
        CHECK(last.ends_with(std::to_string(i)));
        // Both lie in one text; their distance is what the replaced values take.
        CHECK(last.data() - kept.data() < 8 * 1024);
    }
    CHECK(h.get("keep") == "this");
    CHECK(h.size() == 2);
}

TEST_CASE("a token is found in comma-separated lists of all fields of a name") {
    const headers h{{"Connection", "close , ,Upgrade"}, {"connection", "keep-alive"}, {"other", "x"}};
    CHECK(h.has_token("connection", "CLOSE"));
    CHECK(h.has_token("connection", "upgrade"));
    CHECK(h.has_token("connection", "keep-alive"));
    CHECK_FALSE(h.has_token("connection", "keep"));
    CHECK_FALSE(h.has_token("other", "close"));
}

TEST_CASE("headers compare by order, names without case, values by byte") {
    CHECK(headers{{"A", "x"}} == headers{{"a", "x"}});
    CHECK_FALSE(headers{{"A", "x"}} == headers{{"a", "X"}});
    CHECK_FALSE(headers{{"a", "1"}, {"b", "2"}} == headers{{"b", "2"}, {"a", "1"}});
    headers changed{{"a", "0"}};
    changed.set("a", "1");
    CHECK(changed == headers{{"a", "1"}});
}

TEST_CASE("cleared headers are empty and usable") {
    headers h{{"a", "1"}};
    h.clear();
    CHECK(h.empty());
    CHECK(h.begin() == h.end());
    h.add("b", "2");
    CHECK(text_of(h) == "b=2;");
}

TEST_CASE("a content length is one to eighteen digits") {
    CHECK(parse_content_length("0") == 0);
    CHECK(parse_content_length("0042") == 42);
    CHECK(parse_content_length("999999999999999999") == 999999999999999999ULL);
    for (const std::string_view bad :
         {"", "1000000000000000000", "+1", "-1", " 1", "1 ", "0x1", "1e3", "1,1"}) {
        CAPTURE(bad);
        CHECK(parse_content_length(bad) == std::nullopt);
    }
}

TEST_CASE("methods are nine names and any other token") {
    CHECK(method("GET") == method::get);
    CHECK(method("DELETE").id() == method::delete_);
    CHECK(method("get").id() == method::extension);
    CHECK(method("QUERY").name() == "QUERY");
    CHECK_FALSE(method("QUERY") == method("QUERIES"));
    CHECK(method(method::patch).name() == "PATCH");
    for (const std::string_view bad :
         {""sv, "A B"sv, "A\r\n"sv, "A\0"sv, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG"sv}) {
        CHECK_THROWS_AS(method{bad}, wire_error);
    }
}

TEST_CASE("methods know whether they may be repeated") {
    CHECK(method(method::get).is_safe());
    CHECK_FALSE(method(method::put).is_safe());
    CHECK(method(method::put).is_idempotent());
    CHECK(method(method::delete_).is_idempotent());
    CHECK_FALSE(method(method::post).is_idempotent());
    CHECK_FALSE(method(method::patch).is_idempotent());
    CHECK_FALSE(method("QUERY").is_idempotent());
}

TEST_CASE("statuses have the reason phrases of RFC 9110") {
    CHECK(reason_phrase(status::ok) == "OK");
    CHECK(reason_phrase(status::content_too_large) == "Content Too Large");
    CHECK(reason_phrase(299) == "");
}
