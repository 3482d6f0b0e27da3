#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <simul/codec/codec.hpp>
#include <simul/codec/json.hpp>
#include <simul/codec/pickle.hpp>
#include <string>

#include "samples.hpp"

namespace shop {

enum class size : std::uint8_t { small = 1, large = 2 };

struct item {
    std::string name;
    int count = 1;
    std::optional<std::string> note;
    friend bool operator==(const item&, const item&) = default;
};
SIMUL_FIELDS(item, name, count, note)

struct order {
    std::vector<item> items;
    std::map<std::string, double> prices;
    shop::size size = shop::size::small;
    friend bool operator==(const order&, const order&) = default;
};
SIMUL_FIELDS(order, items, prices, size)

struct options {
    int limit = 10;
    bool sorted = true;
    friend bool operator==(const options&, const options&) = default;
};
SIMUL_FIELDS_DEFAULTED(options, limit, sorted)

struct nothing {
    friend bool operator==(const nothing&, const nothing&) = default;
};
SIMUL_FIELDS(nothing)

struct tree {
    int id = 0;
    std::vector<tree> children;
    friend bool operator==(const tree&, const tree&) = default;
};
SIMUL_FIELDS(tree, id, children)

struct wide {
    int a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0, i = 0, j = 0, k = 0, l = 0, m = 0, n = 0,
        o = 0, p = 0, q = 0;
    friend bool operator==(const wide&, const wide&) = default;
};
SIMUL_FIELDS(wide, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q)

struct undeclared {
    int x = 0;
};

}  // namespace shop

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

template <class T>
std::string read_error(const value& v, std::string_view name = {}) {
    return error_of([&] { (void)from_value<T>(v, name); });
}

// Through the tree and through the binary form; what is cut short never decodes.
template <class T>
void check_round_trip(const T& x) {
    CHECK((from_value<T>(to_value(x)) == x));
    const std::string data = encode(x);
    CHECK((decode<T>(data) == x));
    const std::size_t step = data.size() / 100 + 1;
    for (std::size_t size = 0; size < data.size(); size += step)
        CHECK_THROWS_AS(decode<T>(std::string_view(data).substr(0, size)), codec_error);
    CHECK_THROWS_AS(decode<T>(data + '\0'), codec_error);
}

}  // namespace

TEST_CASE("what the library encodes comes back the same") {
    check_round_trip(true);
    check_round_trip(-5);
    check_round_trip(std::int8_t{-128});
    check_round_trip(std::uint8_t{255});
    check_round_trip(std::numeric_limits<std::int64_t>::min());
    check_round_trip(std::numeric_limits<std::int64_t>::max());
    check_round_trip(std::numeric_limits<std::uint64_t>::max());
    check_round_trip(1.5);
    check_round_trip(0.1F);
    check_round_trip(std::numeric_limits<double>::infinity());
    check_round_trip(std::string("text\0more", 9));
    check_round_trip(bytes{std::string("\0\xff", 2)});
    check_round_trip(std::optional<int>());
    check_round_trip(std::optional<int>(5));
    check_round_trip(std::monostate());
    check_round_trip(nullptr);
    check_round_trip(std::vector<int>{1, 2, 3});
    check_round_trip(std::vector<bool>{true, false});
    check_round_trip(std::vector<std::string>(1000, "x"));
    check_round_trip(std::deque<double>{1, 2});
    check_round_trip(std::list<std::string>{"a", "b"});
    check_round_trip(std::array<int, 3>{1, 2, 3});
    check_round_trip(std::array<int, 0>{});
    check_round_trip(std::set<std::string>{"b", "a"});
    check_round_trip(std::unordered_set<int>{1, 2});
    check_round_trip(std::map<std::string, int>{{"a", 1}, {"b", 2}});
    check_round_trip(std::unordered_map<int, std::vector<int>>{{1, {2, 3}}});
    check_round_trip(std::pair<int, std::string>{1, "a"});
    check_round_trip(std::tuple<>{});
    check_round_trip(std::tuple<int>{1});
    check_round_trip(std::tuple<int, std::string, std::tuple<bool>>{1, "a", {true}});
    check_round_trip(std::vector<std::tuple<>>(5));
    check_round_trip(shop::size::large);
    check_round_trip(shop::order{{{"pen", 3, "blue"}, {"ink", 1, {}}}, {{"pen", 0.5}}, shop::size::large});
    check_round_trip(shop::options{5, false});
    check_round_trip(shop::nothing{});
    check_round_trip(shop::tree{1, {{2, {}}, {3, {{4, {}}}}}});
    check_round_trip(shop::wide{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17});
    for (const value& v : testing::sample_values()) check_round_trip(v);
}

TEST_CASE("structs become dicts, tuples tuples, sets sets") {
    CHECK(to_value(shop::item{"pen", 3, {}}) ==
          value::dict({{"name", "pen"}, {"count", 3}, {"note", value()}}));
    CHECK(to_value(std::pair(1, "a")) == value::tuple({1, "a"}));
    CHECK(to_value(std::set<int>{1}) == value::set({1}));
    CHECK(to_value(std::vector<int>{1}) == value::list({1}));
    CHECK(to_value(std::string_view("x")) == value("x"));
    CHECK(to_value("x") == value("x"));
    CHECK(to_value(shop::nothing()) == value::dict());
}

TEST_CASE("references to arguments are written without copying them first") {
    const std::string big(1000, 'x');
    const int n = 5;
    const std::string data = encode(std::tie(big, n));
    CHECK(decode<std::tuple<std::string, int>>(data) == std::tuple(big, n));
    CHECK(to_value(std::tie(big, n)) == value::tuple({big, 5}));
    CHECK(data.size() == 1 + 2 + big.size() + 1);
}

TEST_CASE("reading the wrong type names the place, the type and what was found") {
    const value v = value::tuple({1, value::dict({{"name", 5}, {"count", 1}})});
    CHECK(read_error<std::tuple<int, shop::item>>(v, "args") ==
          "args[1].name: expected a string, found int 5");
    CHECK(read_error<std::tuple<int>>(v, "args") ==
          "args: expected a list or tuple of 1, found tuple (1, {'name': 5, 'count': 1})");
    CHECK(read_error<int>("5") == "expected an integer, found str '5'");
    CHECK(read_error<int>(5.0) == "expected an integer, found float 5.0");
    CHECK(read_error<int>(true) == "expected an integer, found bool True");
    CHECK(read_error<bool>(1) == "expected a bool, found int 1");
    CHECK(read_error<double>("1") == "expected a number, found str '1'");
    CHECK(read_error<std::string>(bytes{"x"}) == "expected a string, found bytes b'x'");
    CHECK(read_error<bytes>("x") == "expected bytes, found str 'x'");
    CHECK(read_error<std::optional<int>>("x") == "expected an integer, found str 'x'");
    CHECK(read_error<std::vector<int>>(value::list({1, value()})) == "[1]: expected an integer, found None");
    CHECK(read_error<std::vector<int>>(value::dict()) == "expected a list, found dict {}");
    CHECK(read_error<std::vector<int>>(value::set()) == "expected a list, found set set()");
    CHECK(read_error<std::map<std::string, int>>(value::dict({{"a", "b"}})) ==
          "[\"a\"]: expected an integer, found str 'b'");
    CHECK(read_error<std::map<std::string, int>>(value::list()) == "expected a dict, found list []");
    CHECK(read_error<std::array<int, 2>>(value::list({1})) ==
          "expected a list or tuple of 2, found list [1]");
    CHECK(read_error<std::monostate>(1) == "expected None, found int 1");
}

TEST_CASE("integers are read only into types that hold them") {
    CHECK(read_error<std::int8_t>(128) == "expected an integer from -128 to 127, found int 128");
    CHECK(read_error<std::uint8_t>(-1) == "expected an integer from 0 to 255, found int -1");
    CHECK(read_error<std::uint64_t>(-1) ==
          "expected an integer from 0 to 18446744073709551615, found int -1");
    const value huge = json::parse("18446744073709551616");
    CHECK(read_error<std::int64_t>(huge) ==
          "expected an integer from -9223372036854775808 to 9223372036854775807, found int "
          "18446744073709551616");
    CHECK(read_error<std::uint64_t>(huge).find("found int 18446744073709551616") != std::string::npos);
    CHECK(from_value<std::uint64_t>(json::parse("18446744073709551615")) ==
          std::numeric_limits<std::uint64_t>::max());
    CHECK(from_value<double>(huge) == 18446744073709551616.0);
    CHECK(read_error<float>(1e300) == "expected a number that fits a float, found float 1e+300");
    CHECK(std::isinf(from_value<float>(value(INFINITY))));
}

TEST_CASE("a dict for a struct has its fields and no others") {
    CHECK(from_value<shop::item>(value::dict({{"name", "pen"}, {"count", 2}})) == shop::item{"pen", 2, {}});
    CHECK(read_error<shop::item>(value::dict({{"name", "pen"}})) == "the key \"count\" is missing");
    CHECK(read_error<shop::item>(value::dict({{"name", "pen"}, {"cuont", 2}})) ==
          "unknown key \"cuont\"; item has name, count, note");
    CHECK(read_error<shop::nothing>(value::dict({{"x", 2}})) == "unknown key \"x\"; nothing has no fields");
    CHECK(read_error<shop::item>(value::list()) == "expected a dict, found list []");
    CHECK(read_error<shop::order>(
              value::dict({{"items", value::list({value::dict()})}, {"prices", value::dict()}, {"size", 1}}),
              "args") == "args.items[0]: the key \"name\" is missing");
    CHECK(from_value<shop::options>(value::dict({{"sorted", false}})) == shop::options{10, false});
    CHECK(read_error<shop::options>(value::dict({{"sort", false}})) ==
          "unknown key \"sort\"; options has limit, sorted");
}

TEST_CASE("what JSON changes is read all the same") {
    const std::map<int, std::string> by_number{{-1, "a"}, {20, "b"}};
    CHECK(from_value<std::map<int, std::string>>(json::parse(json::dump(to_value(by_number)))) == by_number);
    CHECK(read_error<std::map<int, int>>(json::parse(R"({"1x": 1})")) ==
          "[\"1x\"]: expected an integer, found str '1x'");
    const std::set<int> set{1, 2};
    CHECK(from_value<std::set<int>>(json::parse(json::dump(to_value(set)))) == set);
    CHECK(from_value<std::pair<int, int>>(json::parse("[1, 2]")) == std::pair(1, 2));
    CHECK(from_value<double>(json::parse("3")) == 3.0);
    const shop::order order{{{"pen", 3, "blue"}}, {{"pen", 0.5}}, shop::size::large};
    CHECK(from_value<shop::order>(json::parse(json::dump(to_value(order)))) == order);
    CHECK(from_value<shop::order>(pickle::load(pickle::dump(to_value(order)))) == order);
}

TEST_CASE("durations are seconds in values and ticks in the binary form") {
    using namespace std::chrono_literals;
    CHECK(to_value(std::chrono::seconds(5)) == value(5));
    CHECK(to_value(std::chrono::milliseconds(1500)) == value(1.5));
    CHECK(to_value(std::chrono::milliseconds(2000)) == value(2));
    CHECK(to_value(std::chrono::hours(2)) == value(7200));
    CHECK(from_value<std::chrono::milliseconds>(value(1.5)) == 1500ms);
    CHECK(from_value<std::chrono::milliseconds>(value(0.0004)) == 0ms);
    CHECK(from_value<std::chrono::milliseconds>(value(0.0006)) == 1ms);
    CHECK(from_value<std::chrono::hours>(value(7200)) == 2h);
    CHECK(from_value<std::chrono::duration<double>>(value(2.5)) == std::chrono::duration<double>(2.5));
    CHECK(read_error<std::chrono::seconds>("5") == "expected a number of seconds, found str '5'");
    CHECK(read_error<std::chrono::seconds>(INFINITY) == "expected a number of seconds, found float inf");
    CHECK(read_error<std::chrono::nanoseconds>(1e12) ==
          "expected seconds that fit the type, found float 1000000000000.0");
    std::mt19937_64 random(5);
    for (int i = 0; i < 1000; ++i) {
        const std::chrono::nanoseconds ns(static_cast<std::int64_t>(random() >> 12));  // up to 52 days
        CHECK(from_value<std::chrono::nanoseconds>(to_value(ns)) == ns);
        CHECK(decode<std::chrono::nanoseconds>(encode(ns)) == ns);
    }
    // The longest durations fit no double exactly, so only the binary form keeps them.
    CHECK(decode<std::chrono::nanoseconds>(encode(std::chrono::nanoseconds::max())) ==
          std::chrono::nanoseconds::max());
    CHECK(decode<std::chrono::hours>(encode(std::chrono::hours::min())) == std::chrono::hours::min());
}

TEST_CASE("the binary form is compact and has exactly the documented bytes") {
    CHECK(encode(5) == "\x01\x0a");
    CHECK(encode(-1) == "\x01\x01");
    CHECK(encode(300U) == "\x01\xac\x02");
    CHECK(encode(true) == "\x01\x01");
    CHECK(encode(1.0) == std::string("\x01\0\0\0\0\0\0\xf0\x3f", 9));
    CHECK(encode(std::string("ab")) ==
          "\x01\x02"
          "ab");
    CHECK(encode(std::optional<bool>()) == std::string("\x01\0", 2));
    CHECK(encode(std::vector<int>{1, -2}) == "\x01\x02\x02\x03");
    CHECK(encode(shop::options{1, true}) == "\x01\x02\x02\x01");
    CHECK(encode(value::list({value(), "a"})) == std::string("\x01\x07\x02\0\x05\x01"
                                                             "a",
                                                             7));
}

TEST_CASE("binary data that is not what it should be is refused with the place") {
    const auto error = []<class T>(std::type_identity<T>, std::string_view data) {
        return error_of([&] { (void)decode<T>(data); });
    };
    constexpr std::type_identity<int> number;
    constexpr std::type_identity<std::string> text;
    CHECK(error(number, "") == "binary data: byte 0: 1 bytes should follow, 0 are left");
    CHECK(error(number, "\x02\x0a") == "binary data: byte 1: another version of the binary form");
    CHECK(error(number, "\x01\x0a\x0a") ==
          "binary data: byte 2: 1 bytes are left over: reader and writer disagree about the type");
    CHECK(error(text,
                "\x01\x05"
                "ab") == "binary data: byte 2: 5 bytes should follow, 2 are left");
    CHECK(error(std::type_identity<bool>(), "\x01\x02") == "binary data: byte 2: 2 is neither 0 nor 1");
    CHECK(error(std::type_identity<std::uint8_t>(), "\x01\xff\x7f") ==
          "binary data: byte 3: the number does not fit its type");
    CHECK(error(number, "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02") ==
          "binary data: byte 11: a number is longer than 64 bits");
    CHECK(error(std::type_identity<std::vector<int>>(), "\x01\xff\xff\xff\xff\x0f\x01") ==
          "binary data: byte 6: 4294967295 items should follow, but only 1 bytes are left");
    CHECK(error(std::type_identity<std::map<int, int>>(), "\x01\x7f\x01\x01")
              .find("127 entries should follow") != std::string::npos);
    CHECK(error(std::type_identity<std::array<int, 2>>(), "\x01\x03\x01\x01\x01") ==
          "binary data: byte 2: an array of another size");
    CHECK(error(std::type_identity<shop::item>(), "\x01\x02\x01\x01") ==
          "binary data: byte 2: a struct of 2 fields, but item has 3");
    CHECK(error(std::type_identity<value>(), "\x01\x0b") ==
          "binary data: byte 2: 11 is the tag of no kind of value");
    CHECK(error(std::type_identity<value>(), "\x01" + std::string(600, '\x07')).find("binary data") == 0);
    std::string deep = "\x01";
    for (int i = 0; i < 600; ++i) deep += "\x07\x01";
    CHECK(error(std::type_identity<value>(), deep + '\0').find("more than 500 levels") != std::string::npos);
}

TEST_CASE("damaged binary data is read or refused, never worse") {
    std::mt19937_64 random(3);
    const shop::order order{
        {{"pen", 3, "blue"}, {"ink", 1, {}}}, {{"pen", 0.5}, {"ink", 2}}, shop::size::large};
    const std::string typed = encode(order);
    std::string untyped;
    encode(untyped, value::list(testing::sample_values()));
    for (int i = 0; i < 3000; ++i) {
        try {
            (void)decode<shop::order>(testing::mutated(typed, random));
        } catch (const codec_error&) {
        }
    }
    for (int i = 0; i < 200; ++i) {
        try {
            (void)decode<value>(testing::mutated(untyped, random));
        } catch (const codec_error&) {
        }
    }
}

TEST_CASE("random trees come back from the binary form") {
    std::mt19937_64 random(9);
    for (int i = 0; i < 1000; ++i) {
        const value v = testing::random_value(random, 5, false);
        CHECK((decode<value>(encode(v)) == v));
    }
}

TEST_CASE("the concepts tell what can be written and read") {
    CHECK((decodable<int> && decodable<std::string> && decodable<shop::order> && decodable<value>));
    CHECK((decodable<const std::vector<shop::item>&>));
    CHECK((encodable<std::string_view> && !decodable<std::string_view>));
    CHECK((encodable<const char*> && encodable<const char(&)[4]> && !decodable<const char*>));
    CHECK((encodable<std::tuple<const std::string&, int&>> && !decodable<std::tuple<const std::string&>>));
    CHECK((!encodable<shop::undeclared> && !encodable<std::vector<shop::undeclared>>));
    CHECK((!encodable<int*> && !encodable<void*> && !encodable<char> && !encodable<wchar_t>));
    CHECK((!encodable<std::optional<std::optional<int>>> && !encodable<std::optional<std::monostate>>));
    CHECK((!encodable<long double>));
}
