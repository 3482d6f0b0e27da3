#pragma once

#include <cstdint>
#include <limits>
#include <random>
#include <simul/codec/value.hpp>
#include <string>
#include <vector>

namespace simul::testing {

/// Values of every kind, with the edges of each; no object occurs twice, so that Python would pickle them to
/// the same bytes.
inline std::vector<value> sample_values() {
    std::vector<value> samples = {
        value(),
        value(true),
        value(false),
        value(0),
        value(1),
        value(255),
        value(256),
        value(65535),
        value(65536),
        value(-1),
        value(-128),
        value(2147483647),
        value(-2147483647 - 1),
        value(2147483648),
        value(-2147483649),
        value(std::numeric_limits<std::int64_t>::max()),
        value(std::numeric_limits<std::int64_t>::min()),
        value(std::numeric_limits<std::uint64_t>::max()),
        value(big_integer::from_decimal("-9223372036854775809")),
        value(big_integer::from_decimal("123456789012345678901234567890")),
        value(big_integer::from_decimal("-1" + std::string(700, '0'))),
        value(1.5),
        value(-0.0),
        value(1e300),
        value(5e-324),
        value(std::numeric_limits<double>::infinity()),
        value(""),
        value("abc"),
        value("it's \"quoted\" \\ \n\t\x01\x7f"),
        value("\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80"),
        value("\xed\xa0\x80"),
        value(std::string("a\0b", 3)),
        value(std::string(256, 'x')),
        value(bytes{""}),
        value(bytes{std::string("\x00\xff'", 3)}),
        value(bytes{std::string(300, '\x80')}),
        value::list(),
        value::list({1}),
        value::list({1, "two", 3.0}),
        value::tuple(),
        value::tuple({1}),
        value::tuple({1, 2}),
        value::tuple({1, 2, 3}),
        value::tuple({1, 2, 3, 4}),
        value::dict(),
        value::dict({{"a", 1}}),
        value::dict({{"a", 1}, {2, "b"}, {value::tuple({3, 4}), value()}}),
        value::set(),
        value::set({1}),
        value::dict({{"deep", value::list({value::dict({{"er", value::tuple({value::list({value()})})}})})}}),
    };
    return samples;
}

/// `depth` lists, each the only item of the one around it.
inline value nested_list(std::size_t depth) {
    value v;
    for (; depth > 0; --depth) {
        std::vector<value> one;
        one.push_back(std::move(v));
        v = value::list(std::move(one));
    }
    return v;
}

/// Damages `text` in one to four places: changes, removes, repeats or inserts bytes.
template <class Random>
std::string mutated(std::string text, Random& random) {
    const auto below = [&](std::size_t n) { return n == 0 ? 0 : static_cast<std::size_t>(random() % n); };
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) {
        const std::size_t at = below(text.size() + 1);
        switch (below(4)) {
            case 0:
                if (at < text.size()) text[at] = static_cast<char>(random());
                break;
            case 1:
                text.erase(at, 1 + below(3));
                break;
            case 2:
                text.insert(at, text.substr(below(text.size() + 1), 1 + below(8)));
                break;
            default:
                text.insert(at, 1, static_cast<char>(random()));
                break;
        }
    }
    return text;
}

/// A random tree; `json` keeps to what JSON can say.
template <class Random>
value random_value(Random& random, int depth, bool json) {
    const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    const auto text = [&] {
        static const char* const pieces[] = {
            "a", "\"", "\\", "\n", "\xc3\xa9", "\xf0\x9f\x98\x80", "\x1f", "/", "\xed\xb0\x80", "zz"};
        std::string result;
        for (unsigned n = below(6); n > 0; --n) result += pieces[below(json ? 8 : 10)];
        return result;
    };
    const auto items = [&](bool hashable) {
        std::vector<value> result;
        for (unsigned n = below(5); n > 0; --n)
            result.push_back(hashable ? value(static_cast<std::int64_t>(random()))
                                      : random_value(random, depth - 1, json));
        return result;
    };
    switch (below(depth <= 0 ? 7 : json ? 9 : 12)) {
        case 0:
            return value();
        case 1:
            return value(below(2) == 0);
        case 2:
            return value(static_cast<std::int64_t>(random()));
        case 3:
            return value(static_cast<int>(below(1000)) - 500);
        case 4:
            return value(static_cast<double>(static_cast<std::int64_t>(random())) / 1024.0);
        case 5:
            return value(
                big_integer::from_decimal(std::to_string(random()) + std::to_string(random()) + "123"));
        case 6:
            return value(text());
        case 7:
            return value::list(items(false));
        case 8: {
            std::vector<value::entry> entries;
            for (unsigned n = below(json ? 14 : 5); n > 0; --n)
                entries.push_back({value(text()), random_value(random, depth - 1, json)});
            return value::dict(std::move(entries));
        }
        case 9:
            return value::tuple(items(false));
        case 10:
            return value::set(items(true));
        default:
            return value(bytes{text()});
    }
}

}  // namespace simul::testing
