#include <doctest/doctest.h>

#include <cmath>
#include <optional>
#include <random>
#include <simul/codec/json.hpp>
#include <string>

#include "samples.hpp"

using namespace simul;

namespace {

// Every text is also read as an item of a list that is large enough for the other reader.
value parse_large(std::string_view text) {
    const std::string padding(2000, 'p');
    return json::parse("[\"" + padding + "\", " + std::string(text) + "]")[1];
}

std::string error_of(std::string_view text, const json::parse_limits& limits = {}) {
    try {
        return "accepted as " + json::dump(json::parse(text, limits), json::style::python);
    } catch (const json::parse_error& e) {
        return e.what();
    }
}

std::string dump_error(const value& v, json::style s = json::style::compact) {
    try {
        return "written as " + json::dump(v, s);
    } catch (const codec_error& e) {
        return e.what();
    }
}

}  // namespace

TEST_CASE("plain JSON is read, small and large") {
    const std::pair<const char*, value> samples[] = {
        {"null", value()},
        {" true ", value(true)},
        {"false", value(false)},
        {"0", value(0)},
        {"-12", value(-12)},
        {"9223372036854775807", value(std::numeric_limits<std::int64_t>::max())},
        {"18446744073709551615", value(std::numeric_limits<std::uint64_t>::max())},
        {"18446744073709551616", value(big_integer::from_decimal("18446744073709551616"))},
        {"-9223372036854775809", value(big_integer::from_decimal("-9223372036854775809"))},
        {"1.5", value(1.5)},
        {"-0.0", value(-0.0)},
        {"1e3", value(1000.0)},
        {"1E-2", value(0.01)},
        {"5e-324", value(5e-324)},
        {"1e-400", value(0.0)},
        {"1.7976931348623157e308", value(1.7976931348623157e308)},
        {"\"\"", value("")},
        {"\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\"", value("a\"\\/\b\f\n\r\t")},
        {"\"\\u00fc\\u20AC\\ud83d\\ude00\"", value("\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80")},
        {"\"\\u0000\"", value(std::string(1, '\0'))},
        {"\"\xc3\xbc\"", value("\xc3\xbc")},
        {"[]", value::list()},
        {"[ 1 , [ ] , {} ]", value::list({1, value::list(), value::dict()})},
        {"{}", value::dict()},
        {"{ \"a\" : 1 , \"b\" : [ null ] }", value::dict({{"a", 1}, {"b", value::list({value()})}})},
        {"{\"a\":1,\"a\":2}", value::dict({{"a", 2}})},
    };
    for (const auto& [text, expected] : samples) {
        CHECK(json::parse(text) == expected);
        CHECK(parse_large(text) == expected);
    }
}

TEST_CASE("what Python writes beyond JSON is read, small and large") {
    for (const auto parse : {+[](std::string_view t) { return json::parse(t); }, +parse_large}) {
        CHECK(std::isnan(parse("NaN").as_double()));
        CHECK(parse("Infinity").as_double() == INFINITY);
        CHECK(parse("[-Infinity]")[0].as_double() == -INFINITY);
        CHECK(parse("123456789012345678901234567890").as_decimal() == "123456789012345678901234567890");
        CHECK(parse("\"\\ud800\"").as_string() == "\xed\xa0\x80");
        CHECK(parse("\"\\udc00x\"").as_string() == "\xed\xb0\x80x");
        CHECK(parse("\"\\ud800\\u0041\"").as_string() ==
              "\xed\xa0\x80"
              "A");
        CHECK(parse("\"\\ud800\\ud83d\\ude00\"").as_string() == "\xed\xa0\x80\xf0\x9f\x98\x80");
    }
}

TEST_CASE("errors name line, column and reason") {
    CHECK(error_of("") == "json: line 1, column 1: the text is empty");
    CHECK(error_of("[1,\n 2 3]") == "json: line 2, column 4: expected ',' or ']'");
    CHECK(error_of("[\"\xc3\xbc\xc3\xbc\" x") == "json: line 1, column 7: expected ',' or ']'");
    CHECK(error_of("{\"a\" 1}") == "json: line 1, column 6: expected ':' after the key");
    CHECK(error_of("{a:1}") == "json: line 1, column 2: expected a key in double quotes");
    CHECK(error_of("{\"a\":1,}") == "json: line 1, column 8: expected a key in double quotes");
    CHECK(error_of("[1,]") == "json: line 1, column 4: expected a value");
    CHECK(error_of("[1") == "json: line 1, column 3: expected ',' or ']'");
    CHECK(error_of("[1,") == "json: line 1, column 4: the text ends where a value should follow");
    CHECK(error_of("1 2") == "json: line 1, column 3: text after the end of the value");
    CHECK(error_of("01") == "json: line 1, column 1: a number does not begin with 0");
    CHECK(error_of("-") == "json: line 1, column 2: expected a digit after '-'");
    CHECK(error_of("1.") == "json: line 1, column 3: expected a digit after '.'");
    CHECK(error_of("1e") == "json: line 1, column 3: expected a digit in the exponent");
    CHECK(error_of("1e400") == "json: line 1, column 1: the number does not fit a double");
    CHECK(error_of("'a'") == "json: line 1, column 1: expected a value");
    CHECK(error_of("nul") == "json: line 1, column 1: expected a value");
    CHECK(error_of("\"a") == "json: line 1, column 1: the text ends inside of a string");
    CHECK(error_of("\"\n\"") ==
          "json: line 1, column 2: a control character in a string; write it as \\u00XX");
    CHECK(error_of("\"\\x\"").find("unknown escape") != std::string::npos);
    CHECK(error_of("\"\\u12g4\"") == "json: line 1, column 6: expected four hex digits after \\u");
    CHECK(error_of("\"\xff\"") == "json: line 1, column 2: the text is not UTF-8");
    CHECK(error_of("\"\xed\xa0\x80\"") == "json: line 1, column 2: the text is not UTF-8");
    CHECK(error_of("\"\xc0\x80\"") == "json: line 1, column 2: the text is not UTF-8");
    CHECK(error_of("\xef\xbb\xbf{}") ==
          "json: line 1, column 1: the text begins with a byte order mark; JSON has none");
    CHECK(error_of(std::string_view("1\0", 2)) == "json: line 1, column 2: text after the end of the value");
    try {
        json::parse("[1,\n 2 3]");
        FAIL("accepted");
    } catch (const json::parse_error& e) {
        CHECK(e.offset() == 7);
        CHECK(e.line() == 2);
        CHECK(e.column() == 4);
    }
}

TEST_CASE("large texts are refused as small ones are") {
    for (const char* text :
         {"[1,]", "{\"a\" 1}", "01", "1e400", "\"\xff\"", "\"\n\"", "tru", "1 2", "[", "\"\\x\"", "-", "1."})
        CHECK_THROWS_AS(parse_large(text), json::parse_error);
    CHECK(error_of("\xef\xbb\xbf[" + std::string(3000, ' ') + "]").find("byte order mark") !=
          std::string::npos);
    CHECK(error_of(std::string(3000, ' ')) ==
          "json: line 1, column 3001: the text ends where a value should follow");
}

TEST_CASE("nesting is limited, for small and large texts") {
    const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    CHECK(error_of(nested(500)) == "accepted as " + nested(500));
    CHECK(error_of(nested(501)) == "json: line 1, column 501: more than 500 levels of nesting (depth_max)");
    CHECK(error_of(nested(100000)) ==
          "json: line 1, column 501: more than 500 levels of nesting (depth_max)");
    CHECK(error_of(nested(3), {.depth_max = 2}) ==
          "json: line 1, column 3: more than 2 levels of nesting (depth_max)");
    CHECK(error_of("[" + std::string(2000, ' ') + nested(2) + "]", {.depth_max = 2}).find("depth_max") !=
          std::string::npos);
    CHECK_NOTHROW(json::parse("[" + std::string(2000, ' ') + "[]]", {.depth_max = 2}));
}

TEST_CASE("both readers agree on random values and their damaged texts") {
    std::mt19937_64 random(20240607);
    for (int i = 0; i < 400; ++i) {
        const value v = testing::random_value(random, 4, true);
        for (const json::style s : {json::style::compact, json::style::python}) {
            const std::string text = json::dump(v, s);
            CHECK(json::parse(text) == v);
            CHECK(parse_large(text) == v);
        }
        const std::string damaged = testing::mutated(json::dump(v), random);
        std::optional<value> small;
        std::optional<value> large;
        try {
            small = json::parse("[\"p\", " + damaged + "]");
        } catch (const json::parse_error&) {
        }
        try {
            large = json::parse("[\"p\", " + damaged + std::string(2000, ' ') + "]");
        } catch (const json::parse_error&) {
        }
        const bool same = small == large;
        CHECK_MESSAGE(same, damaged);
    }
}

TEST_CASE("every prefix of a JSON text is refused") {
    const std::string text = R"({"a": [1, -2.5e3, "x\u00fc\n", true, null], "b": {"c": "d"}})";
    CHECK_NOTHROW(json::parse(text));
    for (std::size_t size = 0; size < text.size(); ++size)
        CHECK_THROWS_AS(json::parse(text.substr(0, size)), json::parse_error);
}

TEST_CASE("compact style is short and UTF-8") {
    CHECK(json::dump(value::dict({{"a", value::list({1, 2.0, "\xc3\xbc\n\x7f"})}, {"b", value()}})) ==
          "{\"a\":[1,2.0,\"\xc3\xbc\\n\x7f\"],\"b\":null}");
    CHECK(json::dump(value("\xed\xa0\x80 \x01\"\\/")) == "\"\\ud800 \\u0001\\\"\\\\/\"");
    CHECK(json::dump(value::set({1, 2})) == "[1,2]");
    CHECK(json::dump(value::tuple()) == "[]");
    CHECK(json::dump(value(big_integer::from_decimal("123456789012345678901"))) == "123456789012345678901");
}

TEST_CASE("python style writes what json.dumps writes") {
    const auto python = [](const value& v) { return json::dump(v, json::style::python); };
    CHECK(python(value::list({"tasks.add", value(), value::list({2, 3}), value::dict()})) ==
          R"(["tasks.add", null, [2, 3], {}])");
    CHECK(python(value("\xc3\xbc\x7f\xf0\x9f\x98\x80")) == "\"\\u00fc\\u007f\\ud83d\\ude00\"");
    CHECK(python(value::list({std::nan(""), INFINITY, -INFINITY})) == "[NaN, Infinity, -Infinity]");
    CHECK(python(value::dict({{1, 2}, {true, 3}, {value(), 4}, {1.5, 5}})) ==
          R"({"1": 2, "true": 3, "null": 4, "1.5": 5})");
    CHECK(python(value::list({1e22, 1e16, 1e15, 0.0001, 0.00001, -0.0})) ==
          "[1e+22, 1e+16, 1000000000000000.0, 0.0001, 1e-05, -0.0]");
}

TEST_CASE("what JSON cannot say is an error that names the place") {
    CHECK(dump_error(value::dict({{"a", value::list({1, bytes{"x"}})}})) ==
          "[\"a\"][1]: JSON has no form for bytes; pass text (base64, for example) or use pickle");
    CHECK(dump_error(value(std::nan(""))) == "JSON has no form for nan");
    CHECK(dump_error(value::list({"a\xff"})) ==
          "[0]: text that is not UTF-8 (at byte 1); use simul::bytes for binary data");
    CHECK(dump_error(value::dict({{value::tuple({1}), 1}})) ==
          "expected a key that JSON has (text, number, bool, null), found tuple (1,)");
    CHECK(dump_error(testing::nested_list(1100)).ends_with("more than 1000 levels of nesting"));
}

TEST_CASE("append leaves the text alone when it fails") {
    std::string out = "x=";
    json::append(out, value::list({1}));
    CHECK(out == "x=[1]");
    CHECK_THROWS_AS(json::append(out, value::list({1, bytes{}})), codec_error);
    CHECK(out == "x=[1]");
}
