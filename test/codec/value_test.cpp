#include <doctest/doctest.h>
#include <fmt/format.h>

#include <limits>
#include <simul/codec/value.hpp>
#include <string>

#include "samples.hpp"

using namespace simul;

namespace {

template <class F>
std::string error_of(F f) {
    try {
        f();
    } catch (const codec_error& e) {
        return e.what();
    }
    return "no error";
}

}  // namespace

TEST_CASE("a value knows its kind and gives its content") {
    CHECK(value().is_null());
    CHECK(value(nullptr).is_null());
    CHECK(value(true).as_bool());
    CHECK(value(5).as_int() == 5);
    CHECK(value(1.5).as_double() == 1.5);
    CHECK(value(2).as_double() == 2.0);
    CHECK(value("x").as_string() == "x");
    CHECK(value(bytes{"x"}).as_bytes().data == "x");
    CHECK(value::list({1, 2}).size() == 2);
    CHECK(value::tuple({1, "b"})[1].as_string() == "b");
    CHECK(value::dict({{"a", 1}})["a"].as_int() == 1);
    CHECK(value(true).type() == value::kind::boolean);
    CHECK(value(1).type_name() == "int");
    CHECK(value(std::numeric_limits<std::uint64_t>::max()).type_name() == "int");
    CHECK(sizeof(value) <= 48);
}

TEST_CASE("reading the wrong kind says what was expected and what was found") {
    CHECK(error_of([] { (void)value(5).as_string(); }) == "expected a string, found int 5");
    CHECK(error_of([] { (void)value("5").as_int(); }) == "expected an integer, found str '5'");
    CHECK(error_of([] { (void)value().as_bool(); }) == "expected a bool, found None");
    CHECK(error_of([] { (void)value(1.5).items(); }) == "expected a list, tuple or set, found float 1.5");
    CHECK(error_of([] { (void)value::list({1, 2}).entries(); }) == "expected a dict, found list [1, 2]");
    CHECK(error_of([] { (void)value("x").size(); }) == "expected a list, tuple, set or dict, found str 'x'");
    CHECK(error_of([] { (void)value(std::numeric_limits<std::uint64_t>::max()).as_int(); }) ==
          "expected an integer of 64 bits, found int 18446744073709551615");
    const std::string long_error = error_of([] { (void)value(std::string(100000, 'x')).as_int(); });
    CHECK(long_error.size() < 120);
    CHECK(long_error.ends_with("..."));
}

TEST_CASE("looking up what is not there says what there is") {
    const value v = value::dict({{"a", 1}, {"b", value::list({1})}});
    CHECK(error_of([&] { (void)v["c"]; }) == "no key \"c\": the dict has 'a', 'b'");
    CHECK(error_of([&] { (void)v["b"][1]; }) == "no item 1: the list has 1");
    CHECK(error_of([&] { (void)v["b"][-1]; }) == "no item -1: items are counted from 0");
    CHECK(error_of([&] { (void)v["a"]["b"]; }) == "expected a dict with the key \"b\", found int 1");
    CHECK(error_of([&] { (void)value::dict()["b"]; }) == "no key \"b\": the dict is empty");
    CHECK(v.find("c") == nullptr);
    CHECK(value(1).find("c") == nullptr);
    CHECK(v.contains("a"));
}

TEST_CASE("a dict keeps its order, and the last of equal keys wins at the place of the first") {
    const value small = value::dict({{"b", 1}, {"a", 2}, {"b", 3}});
    REQUIRE(small.size() == 2);
    CHECK(small.entries()[0].key == value("b"));
    CHECK(small["b"].as_int() == 3);

    std::vector<value::entry> entries;
    for (int i = 0; i < 1000; ++i) entries.push_back({value((i * 7919) % 500), value(i)});
    const value large = value::dict(std::move(entries));
    REQUIRE(large.size() == 500);
    for (int i = 0; i < 500; ++i) {
        const int key = (i * 7919) % 500;
        CHECK(large.entries()[static_cast<std::size_t>(i)].key == value(key));
        REQUIRE(large.find(value(key)) != nullptr);
        CHECK(large.find(value(key))->as_int() == i + 500);
    }
    CHECK(large.find(value(500)) == nullptr);
    CHECK(large.find("0") == nullptr);
}

TEST_CASE("a dict and a list can be built step by step") {
    value v;
    for (int i = 0; i < 30; ++i) v.set("key" + std::to_string((i * 7) % 30), i);
    v.set("key3", "changed");
    CHECK(v.size() == 30);
    CHECK(v["key3"].as_string() == "changed");
    CHECK(v["key29"].as_int() == 17);
    value copy = v;
    copy.set("new", 1);
    CHECK_FALSE(v.contains("new"));
    CHECK(copy.contains("key29"));
    v = copy;
    CHECK(v == copy);

    value list;
    list.push_back(1).push_back("two");
    CHECK(list == value::list({1, "two"}));
    CHECK(error_of([&] { list.set("a", 1); }) == "expected a dict, found list [1, 'two']");
    CHECK(error_of([&] {
              v["key3"];
              value(1).push_back(1);
          }) == "expected a list, found int 1");
}

TEST_CASE("values are equal when their data is, whatever the order of dicts and sets") {
    CHECK(value::dict({{"a", 1}, {"b", 2}}) == value::dict({{"b", 2}, {"a", 1}}));
    CHECK(value::dict({{"a", 1}}) != value::dict({{"a", 2}}));
    CHECK(value::set({1, 2}) == value::set({2, 1}));
    CHECK(value::set({1, 2, 1}).size() == 2);
    CHECK(value::list({1, 2}) != value::list({2, 1}));
    CHECK(value::list({1}) != value::tuple({1}));
    CHECK(value(1) != value(1.0));
    CHECK(value(1) != value(true));
    CHECK(value(0.0) != value(-0.0));
    CHECK(value(std::numeric_limits<double>::quiet_NaN()) == value(std::numeric_limits<double>::quiet_NaN()));
    CHECK(value("a") < value("b"));
    CHECK(value("b") < value("b\xc3\xbc"));
    const auto samples = testing::sample_values();
    for (std::size_t i = 0; i < samples.size(); ++i)
        for (std::size_t k = 0; k < samples.size(); ++k) CHECK((samples[i] == samples[k]) == (i == k));
}

TEST_CASE("integers are exact and canonical whatever their size") {
    CHECK(value(big_integer::from_decimal("0009")).as_int() == 9);
    CHECK(value(big_integer::from_decimal("-0")).as_int() == 0);
    CHECK(value(big_integer::from_decimal("-9223372036854775808")).as_int() ==
          std::numeric_limits<std::int64_t>::min());
    CHECK(value(big_integer::from_decimal("9223372036854775808")).type() == value::kind::big_integer);
    CHECK(value(big_integer::from_decimal("9223372036854775808")).as_double() == 9223372036854775808.0);
    CHECK(big_integer::from_decimal("-20") < big_integer::from_decimal("-3"));
    CHECK(big_integer::from_decimal("-3") < big_integer::from_decimal("20"));
    CHECK(big_integer::from_decimal("3") < big_integer::from_decimal("20"));
    CHECK_THROWS_AS(big_integer::from_decimal(""), codec_error);
    CHECK_THROWS_AS(big_integer::from_decimal("-"), codec_error);
    CHECK_THROWS_AS(big_integer::from_decimal("+1"), codec_error);
    CHECK_THROWS_AS(big_integer::from_decimal("1x"), codec_error);
}

TEST_CASE("two's complement conversion round-trips around every power of two") {
    CHECK(big_integer::from_decimal("0").twos_complement().empty());
    CHECK(big_integer::from_decimal("127").twos_complement() == "\x7f");
    CHECK(big_integer::from_decimal("128").twos_complement() == std::string("\x80\x00", 2));
    CHECK(big_integer::from_decimal("-128").twos_complement() == "\x80");
    CHECK(big_integer::from_decimal("-129").twos_complement() == "\x7f\xff");
    CHECK(big_integer::from_decimal("18446744073709551616").twos_complement() ==
          std::string("\0\0\0\0\0\0\0\0\x01", 9));
    for (std::size_t bytes = 1; bytes < 20; ++bytes) {
        for (const char* low : {"\x00", "\x01", "\xff"}) {
            for (unsigned top = 0; top < 256; ++top) {
                std::string data(bytes - 1, *low);
                data += static_cast<char>(top);
                const big_integer number = big_integer::from_twos_complement(data);
                CHECK(big_integer::from_decimal(number.decimal()) == number);
                CHECK(big_integer::from_twos_complement(number.twos_complement()) == number);
                CHECK(number.twos_complement().size() <= data.size());
            }
        }
    }
    CHECK_THROWS_AS(big_integer::from_twos_complement(std::string(1800, '\x7f')), codec_error);
    CHECK_THROWS_AS(big_integer::from_decimal(std::string(4301, '9')).twos_complement(), codec_error);
    CHECK(
        big_integer::from_twos_complement(big_integer::from_decimal(std::string(4300, '9')).twos_complement())
            .decimal() == std::string(4300, '9'));
}

TEST_CASE("a value prints as Python's str does") {
    CHECK(fmt::format("{}", value("it's")) == "it's");
    CHECK(fmt::format("{:>5}", value(1)) == "    1");
    CHECK(fmt::format("{}", value::list({"a", value(), true})) == "['a', None, True]");
}

TEST_CASE("a path names the place from the root") {
    const value_path root("args");
    const value_path item = value_path::item(root, 1);
    CHECK(value_path::field(item, "name").str() == "args[1].name");
    CHECK(value_path::key(item, "k").str() == "args[1][\"k\"]");
    const value_path unnamed;
    CHECK(value_path::field(unnamed, "name").str() == "name");
    CHECK(error_of([&] { fail_expected(value_path::field(item, "name"), "a string", value(5)); }) ==
          "args[1].name: expected a string, found int 5");
}
