#include <doctest/doctest.h>

#include <cmath>
#include <simul/codec/python_text.hpp>
#include <string>

using namespace simul;

TEST_CASE("floats are written as Python writes them") {
    CHECK(python_repr(0.0) == "0.0");
    CHECK(python_repr(-0.0) == "-0.0");
    CHECK(python_repr(1.0) == "1.0");
    CHECK(python_repr(0.1) == "0.1");
    CHECK(python_repr(123.456) == "123.456");
    CHECK(python_repr(1e15) == "1000000000000000.0");
    CHECK(python_repr(1e16) == "1e+16");
    CHECK(python_repr(1.5e16) == "1.5e+16");
    CHECK(python_repr(123456789012345680.0) == "1.2345678901234568e+17");
    CHECK(python_repr(0.0001) == "0.0001");
    CHECK(python_repr(0.00001) == "1e-05");
    CHECK(python_repr(1e22) == "1e+22");
    CHECK(python_repr(-1e300) == "-1e+300");
    CHECK(python_repr(5e-324) == "5e-324");
    CHECK(python_repr(1.7976931348623157e308) == "1.7976931348623157e+308");
    CHECK(python_repr(std::nan("")) == "nan");
    CHECK(python_repr(-INFINITY) == "-inf");
}

TEST_CASE("values are written as Python's repr writes them") {
    CHECK(python_repr(value()) == "None");
    CHECK(python_repr(value(true)) == "True");
    CHECK(python_repr(value(-5)) == "-5");
    CHECK(python_repr(value("a")) == "'a'");
    CHECK(python_repr(value("it's")) == "\"it's\"");
    CHECK(python_repr(value("it's \"x\"")) == "'it\\'s \"x\"'");
    CHECK(python_repr(value("\n\r\t\\\x01\x7f")) == "'\\n\\r\\t\\\\\\x01\\x7f'");
    CHECK(python_repr(value("\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80")) ==
          "'\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80'");
    CHECK(python_repr(value("\xc2\xa0\xe2\x80\x8b\xed\xa0\x80\xef\xbb\xbf")) ==
          "'\\xa0\\u200b\\ud800\\ufeff'");
    CHECK(python_repr(value("\xff")) == "'\\xff'");
    CHECK(python_repr(value(bytes{std::string("a'\x00\xff\n\\", 6)})) == "b\"a'\\x00\\xff\\n\\\\\"");
    CHECK(python_repr(value::list()) == "[]");
    CHECK(python_repr(value::list({1, "b"})) == "[1, 'b']");
    CHECK(python_repr(value::tuple()) == "()");
    CHECK(python_repr(value::tuple({1})) == "(1,)");
    CHECK(python_repr(value::tuple({1, 2})) == "(1, 2)");
    CHECK(python_repr(value::set()) == "set()");
    CHECK(python_repr(value::set({1, 2})) == "{1, 2}");
    CHECK(python_repr(value::dict({{"k", 1}, {2, value::list()}})) == "{'k': 1, 2: []}");
}

TEST_CASE("a call is described as RQ describes it") {
    const value args = value::tuple({2, "x"});
    CHECK(describe_call("tasks.add", args.items(), {}) == "tasks.add(2, 'x')");
    const value kwargs = value::dict({{"z", 1}, {"a", value()}});
    CHECK(describe_call("tasks.add", args.items(), kwargs.entries()) == "tasks.add(2, 'x', a=None, z=1)");
    CHECK(describe_call("tasks.hello", {}, {}) == "tasks.hello()");
}

TEST_CASE("a long argument is cut to 75 characters") {
    const value exactly = value::list({std::string(73, 'x'), std::string(74, 'x')});
    CHECK(describe_call("f", exactly.items(), {}) ==
          "f('" + std::string(73, 'x') + "', '" + std::string(74, 'x') + "...)");
    std::string umlauts;
    for (int i = 0; i < 100; ++i) umlauts += "\xc3\xbc";
    const value wide = value::list({umlauts});
    CHECK(describe_call("f", wide.items(), {}) == "f('" + umlauts.substr(0, 148) + "...)");
}
