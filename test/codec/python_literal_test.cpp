#include <doctest/doctest.h>

#include <simul/codec/python_literal.hpp>
#include <simul/codec/python_text.hpp>
#include <string>
#include <utility>
#include <vector>

#include "samples.hpp"

using namespace simul;

namespace {

std::string read(std::string_view text) { return python_repr(parse_python_literal(text)); }

std::string refusal(std::string_view text, const python_literal_limits& limits = {}) {
    try {
        return "read as " + python_repr(parse_python_literal(text, limits));
    } catch (const python_literal_error& e) {
        return e.what();
    }
}

}  // namespace

TEST_CASE("Python literals are read as ast.literal_eval reads them") {
    // The right column is what Python 3.11 prints for repr(ast.literal_eval(left)).
    const std::vector<std::pair<std::string, std::string>> literals{
        {"None", "None"},
        {"True", "True"},
        {" False ", "False"},
        {"0", "0"},
        {"00", "0"},
        {"-5", "-5"},
        {"- 5", "-5"},
        {"+5", "5"},
        {"1_000", "1000"},
        {"0xff", "255"},
        {"0XFF_FF", "65535"},
        {"0x_f", "15"},
        {"0o17", "15"},
        {"0b101", "5"},
        {"-0x8000000000000000", "-9223372036854775808"},
        {"0xffffffffffffffff", "18446744073709551615"},
        {"-0b1", "-1"},
        {"123456789012345678901234567890", "123456789012345678901234567890"},
        {"1.5", "1.5"},
        {"1.", "1.0"},
        {".5", "0.5"},
        {"-1e3", "-1000.0"},
        {"1_0.0_1e1_0", "100100000000.0"},
        {"1e400", "inf"},
        {"-0.0", "-0.0"},
        {"''", "''"},
        {R"('it\'s')", R"("it's")"},
        {R"("a\tb\x41\u00fc\U0001f600\101\q")", R"('a\tbAü😀A\\q')"},
        {R"(r'\n\'')", R"("\\n\\'")"},
        {R"('a' "b" 'c')", "'abc'"},
        {"'''a\nb'''", R"('a\nb')"},
        {"'''a\r\nb\rc'''", R"('a\nb\nc')"},
        {R"("""it's "so" """)", R"('it\'s "so" ')"},
        {R"(b'\x00\xff\101')", R"(b'\x00\xffA')"},
        {R"(rb'\x')", R"(b'\\x')"},
        {"Rb'a' b'b'", "b'ab'"},
        {"u'x'", "'x'"},
        {"'grüß'", "'grüß'"},
        {"'a\\\nb'", "'ab'"},
        {R"('\ud800')", R"('\ud800')"},
        {"[]", "[]"},
        {"[1, 'x', None,]", "[1, 'x', None]"},
        {"()", "()"},
        {"(1)", "1"},
        {"(1,)", "(1,)"},
        {"1,", "(1,)"},
        {"1, 2", "(1, 2)"},
        {"(1, (2, [3]))", "(1, (2, [3]))"},
        {"{}", "{}"},
        {"{1, 2, 2}", "{1, 2}"},
        {"set()", "set()"},
        {"[set(), {(1, b'x')}]", "[set(), {(1, b'x')}]"},
        {"{'k': [1, {'x': ()}], 2: None}", "{'k': [1, {'x': ()}], 2: None}"},
        {"{'a': 1, 'a': 2}", "{'a': 2}"},
        {"[ # one\n 1,\n 2 ]", "[1, 2]"},
        {"{\n'a':1\n,}", "{'a': 1}"},
        {"('a'\n 'b')", "'ab'"},
        {"5 # five", "5"},
        {"\n5\n", "5"},
        {"[1,2] \n", "[1, 2]"},
    };
    for (const auto& [literal, repr] : literals) {
        CAPTURE(literal);
        CHECK(read(literal) == repr);
    }
}

TEST_CASE("a Python literal that cannot be read is refused with the place and the reason") {
    const std::vector<std::pair<std::string, std::string>> wrong{
        {"", "line 1, column 1: the text is empty"},
        {"  ", "line 1, column 3: the text ends where a value should follow"},
        {"x", "line 1, column 1: the name 'x': a literal has no names; text stands in quotes"},
        {"grüß", "line 1, column 1: the name 'grüß': a literal has no names; text stands in quotes"},
        {"true", "line 1, column 1: 'true' is JSON; Python writes True"},
        {"[null]", "line 1, column 2: 'null' is JSON; Python writes None"},
        {"[1,\n [2", "line 2, column 2: '[' was never closed"},
        {"[1 2]", "line 1, column 4: expected ',' or ']'"},
        {"(1]", "line 1, column 3: expected ',' or ')'"},
        {"(1,,2)", "line 1, column 4: expected a value"},
        {"[,]", "line 1, column 2: expected a value"},
        {"{1: }", "line 1, column 5: expected a value"},
        {"{1: 2, 3}", "line 1, column 9: expected ':' behind the key"},
        {"{1, 2: 3}", "line 1, column 6: expected ',' or '}'"},
        {"{[1]: 2}", "line 1, column 2: a list can be no key of a dict and no item of a set (unhashable)"},
        {"{1, (2, {})}",
         "line 1, column 5: a tuple can be no key of a dict and no item of a set (unhashable)"},
        {"f'{x}'", "line 1, column 1: an f-string is a calculation, no literal"},
        {"x'1'", "line 1, column 1: 'x' is no prefix of a string"},
        {"'abc", "line 1, column 1: the string that begins here does not end"},
        {"['abc\\", "line 1, column 2: the string that begins here does not end"},
        {"'a\nb'", "line 1, column 1: the line ends inside of the string; write \\n, or three quotes"},
        {std::string("'\0'", 3), "line 1, column 2: a zero byte; write \\x00"},
        {"'\xff'", "line 1, column 2: the text is not UTF-8"},
        {"b'ü'", "line 1, column 3: bytes are written in ASCII; write \\xhh for others"},
        {R"(['ü\x4'])", "line 1, column 4: \\x needs 2 hex digits behind it"},
        {R"('\u12')", "line 1, column 2: \\u needs 4 hex digits behind it"},
        {R"('\U00110000')", "line 1, column 2: there is no character of that number"},
        {R"('\N{BULLET}')", "line 1, column 2: names of characters are not known; write \\u and its number"},
        {"b'a' 'b'", "line 1, column 1: bytes and text in a row"},
        {"1+2j",
         "line 1, column 2: an operator: a literal is no calculation, and complex numbers cannot be kept"},
        {"3j", "line 1, column 1: complex numbers cannot be kept in a job"},
        {"[1 + 2]",
         "line 1, column 4: an operator: a literal is no calculation, and complex numbers cannot be kept"},
        {"2 * 3", "line 1, column 3: an operator: a literal is no calculation"},
        {"set([1])", "line 1, column 1: of calls only set(), the empty set, is a literal"},
        {"dict()", "line 1, column 1: the name 'dict': a literal has no names; text stands in quotes"},
        {"...", "line 1, column 1: '...' cannot be kept in a job"},
        {"--5", "line 1, column 1: one sign may stand before a number"},
        {"-True", "line 1, column 1: one sign may stand before a number"},
        {"012", "line 1, column 1: a whole number begins with no 0; write 0o for octal"},
        {"0x", "line 1, column 1: '0x' needs digits behind it"},
        {"0xg", "line 1, column 1: '0x' needs digits behind it"},
        {"0b2", "line 1, column 1: '0b' needs digits behind it"},
        {"1__0", "line 1, column 2: an underscore stands between two digits"},
        {"1_", "line 1, column 2: an underscore stands between two digits"},
        {"1e", "line 1, column 2: text after the end of the number"},
        {"1.2.3", "line 1, column 4: text after the end of the number"},
        {std::string(4301, '9'), "line 1, column 1: a number of 4301 digits; the most is 4300, as in Python"},
        {"1 2", "line 1, column 3: text after the end of the value"},
        {"'a'.b", "line 1, column 4: text after the end of the value"},
        {"1\n2", "line 2, column 1: text after the end of the value"},
    };
    for (const auto& [literal, reason] : wrong) {
        CAPTURE(literal);
        CHECK(refusal(literal) == "python literal: " + reason);
    }
}

TEST_CASE("limits of Python literals are named") {
    CHECK(read(std::string(200, '[') + std::string(200, ']')) ==
          std::string(200, '[') + std::string(200, ']'));
    CHECK(refusal(std::string(201, '(') + std::string(201, ')')) ==
          "python literal: line 1, column 201: more than 200 levels of nesting (depth_max)");
    CHECK(refusal("[[1]]", {.depth_max = 1}) ==
          "python literal: line 1, column 2: more than 1 levels of nesting (depth_max)");
    CHECK(refusal("'1234567'", {.bytes_max = 8}) ==
          "python literal: line 1, column 1: the text has 9 bytes, the most is 8 (bytes_max)");
    CHECK(refusal("0x" + std::string(4000, 'f')) ==
          "python literal: line 1, column 1: a number of more than 4300 decimal digits");
}

TEST_CASE("what repr writes is read back as the same value") {
    for (const value& v : testing::sample_values()) {
        const std::string text = python_repr(v);
        if (text.find("inf") != text.npos || text.find("nan") != text.npos) continue;  // names, in Python too
        CAPTURE(text);
        CHECK(parse_python_literal(text) == v);
    }
}

TEST_CASE("every beginning of a literal is read or refused") {
    const std::string text =
        R"([1, -2.5e3, 0xff, 'a\u00fc', b'\x00' b"x", {'k': (None, True)}, {1, 2}, set(), ])";
    CHECK(parse_python_literal(text).size() == 8);
    for (std::size_t n = 0; n < text.size(); ++n)
        CHECK_THROWS_AS(parse_python_literal(text.substr(0, n)), python_literal_error);
}
