#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <simul/codec/pickle.hpp>
#include <simul/codec/python_text.hpp>
#include <sstream>
#include <string>

#include "samples.hpp"

using namespace simul;

namespace {

std::string unhex(std::string_view text) {
    std::string result;
    std::string digits;
    for (const char c : text) {
        if (c == ' ') continue;
        digits += c;
        if (digits.size() == 2) {
            result += static_cast<char>(std::stoi(digits, nullptr, 16));
            digits.clear();
        }
    }
    return result;
}

std::string hex(std::string_view data) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string result;
    result.reserve(data.size() * 2);
    for (const char c : data) {
        const auto byte = static_cast<unsigned char>(c);
        result += digits[byte >> 4];
        result += digits[byte & 15];
    }
    return result;
}

value load_hex(std::string_view text) { return pickle::load(unhex(text)); }

std::string error_of(std::string_view data, const pickle::load_limits& limits = {}) {
    try {
        return "accepted as " + python_repr(pickle::load(data, limits));
    } catch (const pickle::load_error& e) {
        return e.what();
    }
}

const std::string& python() {
    static const std::string program = [] {
        for (const char* path : {"/usr/bin/python3", "/usr/local/bin/python3"})
            if (::access(path, X_OK) == 0) return std::string(path);
        return std::string();
    }();
    return program;
}

// Runs a Python script with the file `input`; gives what it printed.
std::string run_python(const std::string& script, const std::string& input) {
    char folder[] = "/tmp/simul_pickle_XXXXXX";
    REQUIRE(::mkdtemp(folder) != nullptr);
    const std::string base = folder;
    std::ofstream(base + "/script.py") << script;
    std::ofstream(base + "/input", std::ios::binary) << input;
    const std::string command =
        python() + " " + base + "/script.py " + base + "/input > " + base + "/output 2> " + base + "/error";
    const int status = std::system(command.c_str());
    std::ostringstream output;
    output << std::ifstream(base + "/output", std::ios::binary).rdbuf();
    std::ostringstream error;
    error << std::ifstream(base + "/error", std::ios::binary).rdbuf();
    for (const char* name : {"/script.py", "/input", "/output", "/error"}) std::remove((base + name).c_str());
    ::rmdir(folder);
    REQUIRE_MESSAGE(status == 0, error.str());
    return output.str();
}

// Values whose pickles show every layout that Python chooses by size.
std::vector<value> large_samples() {
    std::vector<value> samples;
    for (const int size : {2, 999, 1000, 1001, 2000}) {
        std::vector<value> items;
        std::vector<value::entry> entries;
        for (int i = 0; i < size; ++i) {
            items.emplace_back(i * 1000);
            entries.push_back({value(i), value(i * 3)});
        }
        samples.push_back(value::list(items));
        samples.push_back(value::tuple(items));
        samples.push_back(value::dict(std::move(entries)));
    }
    for (const std::size_t size : {std::size_t{65535}, std::size_t{65536}, std::size_t{140000}}) {
        samples.push_back(value(std::string(size, 's')));
        samples.push_back(value(bytes{std::string(size, 'b')}));
        samples.push_back(
            value::list({1, std::string(size, 's'), 2, 300, bytes{std::string(size, 'b')}, "end"}));
    }
    std::vector<value> texts;
    for (int i = 0; i < 3000; ++i)
        texts.emplace_back("text number " + std::to_string(i) + " of many, to fill a frame");
    samples.push_back(value::list(std::move(texts)));
    return samples;
}

}  // namespace

TEST_CASE("pickles from the protocol's description are read") {
    const value call = load_hex(
        "80 05 95 19 00 00 00 00 00 00 00 28 8c 09 74 61 73 6b 73 2e 61 64 64 94 4e 4b 02 4b 03 86 94 7d 94 "
        "74 94 2e");
    CHECK(call == value::tuple({"tasks.add", value(), value::tuple({2, 3}), value::dict()}));
    CHECK(load_hex("80 05 28 8c 09 74 61 73 6b 73 2e 61 64 64 4e 28 4b 02 4b 03 74 7d 74 2e") == call);
    CHECK(load_hex("80 05 4e 2e").is_null());
    CHECK(load_hex("80 05 4b 05 2e") == value(5));
    CHECK(load_hex("80 05 95 19 00 00 00 00 00 00 00 7d 94 8c 01 61 94 5d 94 28 4b 01 7d 94 8c 01 62 94 4e "
                   "88 86 94 73 65 73 2e") ==
          value::dict({{"a", value::list({1, value::dict({{"b", value::tuple({value(), true})}})})}}));
    CHECK(load_hex("80 05 8c 01 78 94 68 00 86 94 2e") == value::tuple({"x", "x"}));
}

TEST_CASE("every opcode of plain data is understood") {
    CHECK(load_hex("80 02 88 2e") == value(true));
    CHECK(load_hex("80 02 89 2e") == value(false));
    CHECK(load_hex("80 02 4d 00 01 2e") == value(256));
    CHECK(load_hex("80 02 4a ff ff ff ff 2e") == value(-1));
    CHECK(load_hex("80 02 8a 00 2e") == value(0));
    CHECK(load_hex("80 02 8a 05 00 00 00 80 00 2e") == value(2147483648));
    CHECK(load_hex("80 02 8a 08 00 00 00 00 00 00 00 80 2e") ==
          value(std::numeric_limits<std::int64_t>::min()));
    CHECK(load_hex("80 02 8a 09 00 00 00 00 00 00 00 00 01 2e").as_decimal() == "18446744073709551616");
    CHECK(load_hex("80 02 8b 02 00 00 00 ff 7f 2e") == value(32767));
    CHECK(load_hex("80 02 47 3f f8 00 00 00 00 00 00 2e") == value(1.5));
    CHECK(load_hex("80 02 58 02 00 00 00 c3 bc 2e") == value("\xc3\xbc"));
    CHECK(load_hex("80 02 8d 01 00 00 00 00 00 00 00 61 2e") == value("a"));
    CHECK(load_hex("80 04 8c 03 ed a0 80 2e") == value("\xed\xa0\x80"));
    CHECK(load_hex("80 03 43 02 ff 00 2e") == value(bytes{std::string("\xff\0", 2)}));
    CHECK(load_hex("80 03 42 01 00 00 00 ff 2e") == value(bytes{"\xff"}));
    CHECK(load_hex("80 04 8e 01 00 00 00 00 00 00 00 ff 2e") == value(bytes{"\xff"}));
    CHECK(load_hex("80 05 96 01 00 00 00 00 00 00 00 ff 2e") == value(bytes{"\xff"}));
    CHECK(load_hex("80 02 5d 4b 01 61 2e") == value::list({1}));
    CHECK(load_hex("80 02 5d 28 4b 01 4b 02 65 2e") == value::list({1, 2}));
    CHECK(load_hex("80 02 29 2e") == value::tuple());
    CHECK(load_hex("80 02 4b 01 85 2e") == value::tuple({1}));
    CHECK(load_hex("80 02 4b 01 4b 02 4b 03 87 2e") == value::tuple({1, 2, 3}));
    CHECK(load_hex("80 02 7d 4b 01 4b 02 73 2e") == value::dict({{1, 2}}));
    CHECK(load_hex("80 02 7d 28 4b 01 4b 02 4b 01 4b 03 75 2e") == value::dict({{1, 3}}));
    CHECK(load_hex("80 04 8f 28 4b 01 4b 02 90 2e") == value::set({1, 2}));
    CHECK(load_hex("80 04 28 4b 01 4b 02 91 2e") == value::set({1, 2}));
    CHECK(load_hex("80 02 4b 01 4b 02 30 2e") == value(1));
    CHECK(load_hex("80 02 4b 01 28 4b 02 4b 03 31 2e") == value(1));
    CHECK(load_hex("80 02 4b 07 71 05 68 05 86 2e") == value::tuple({7, 7}));
    CHECK(load_hex("80 02 4b 07 72 00 01 00 00 6a 00 01 00 00 86 2e") == value::tuple({7, 7}));
    CHECK(load_hex("80 02 4b 07 2e 00 ff") == value(7));
}

TEST_CASE("the memo names objects, so what is added later is seen through every name") {
    // x = []; (x, x) with 5 appended through the second name
    CHECK(load_hex("80 05 5d 94 68 00 4b 05 61 86 2e") == value::tuple({value::list({5}), value::list({5})}));
    // d = {}; [d, d] with d['k'] = 1 set after the first use
    CHECK(load_hex("80 05 5d 28 7d 94 68 00 8c 01 6b 4b 01 73 65 2e") ==
          value::list({value::dict({{"k", 1}}), value::dict({{"k", 1}})}));
}

TEST_CASE("what contains itself is refused") {
    CHECK(error_of(unhex("80 05 5d 94 68 00 61 2e")) == "pickle: byte 7: a container contains itself");
    CHECK(error_of(unhex("80 05 7d 94 4b 01 68 00 73 2e")) == "pickle: byte 9: a container contains itself");
    CHECK(error_of(unhex("80 05 5d 94 68 00 85 61 2e")) == "pickle: byte 8: a container contains itself");
}

TEST_CASE("whatever could run code is refused and named") {
    CHECK(
        error_of(unhex("80 05 8c 08") + "datetime" + unhex("94 8c 08") + "datetime" + unhex("94 93 94 2e")) ==
        "pickle: byte 24: STACK_GLOBAL asks for datetime.datetime, which is no plain value; send its "
        "isoformat() or "
        "timestamp() instead");
    CHECK(
        error_of(unhex("80 02") + "cposix\nsystem\n" + unhex("58 02 00 00 00") + "id" + unhex("85 52 2e")) ==
        "pickle: byte 2: GLOBAL asks for posix.system, which is no plain value; send numbers, text, bytes, "
        "lists, tuples, "
        "dicts or sets instead");
    CHECK(error_of("(iposix\nsystem\n.").find("INST asks for posix.system") != std::string::npos);
    CHECK(error_of(unhex("80 02") + "cdecimal\nDecimal\n").find("send it as str") != std::string::npos);
    CHECK(error_of(unhex("80 02") + "c\xff\x01\nb\n").find("asks for ??.b") != std::string::npos);
    for (const int opcode : {0x52, 0x62, 0x6f, 0x81, 0x82, 0x83, 0x84, 0x92, 0x93, 0x50, 0x51, 0x97, 0x98}) {
        const std::string message = error_of(unhex("80 05 5d 5d") + static_cast<char>(opcode) + "....");
        CHECK_MESSAGE(message.find("does not belong to plain values") != std::string::npos, message);
    }
    CHECK(error_of("I5\n.") ==
          "pickle: byte 0: opcode INT does not belong to plain values of protocol 2 to 5");
    CHECK(error_of(unhex("80 05 00 2e")) == "pickle: byte 2: 0x00 is no opcode: damaged, or no pickle");
}

TEST_CASE("a damaged pickle is refused with the place") {
    CHECK(error_of("") == "pickle: byte 0: the pickle is empty");
    CHECK(error_of(unhex("80 05 4e")) == "pickle: byte 3: the pickle ends without STOP");
    CHECK(error_of(unhex("80 05 2e")) == "pickle: byte 2: nothing is on the stack to be taken");
    CHECK(error_of(unhex("80 06 4e 2e")) == "pickle: byte 0: protocol 6 is newer than 5");
    CHECK(error_of(unhex("80 05 8c 05 61 2e")) == "pickle: byte 2: 5 bytes should follow, 2 are left");
    CHECK(error_of(unhex("80 05 8e ff ff ff ff ff ff ff ff 61")) ==
          "pickle: byte 2: 18446744073709551615 bytes should follow, 1 are left");
    CHECK(error_of(unhex("80 05 8b ff ff ff ff 61")) == "pickle: byte 2: an integer of negative size");
    CHECK(error_of(unhex("80 05 61 2e")) == "pickle: byte 2: nothing is on the stack to be taken");
    CHECK(error_of(unhex("80 05 4b 01 4b 01 61 2e")) == "pickle: byte 6: a list is needed on the stack");
    CHECK(error_of(unhex("80 05 65 2e")) == "pickle: byte 2: there is no mark on the stack");
    CHECK(error_of(unhex("80 05 7d 28 4b 01 75 2e")) == "pickle: byte 6: a key without a value");
    CHECK(error_of(unhex("80 05 7d 5d 4b 01 73 2e")) ==
          "pickle: byte 6: a list, dict or set is used as a key or as an item of a set");
    CHECK(error_of(unhex("80 05 7d 5d 85 4b 01 73 2e")).find("used as a key") != std::string::npos);
    CHECK(error_of(unhex("80 05 68 00 2e")) == "pickle: byte 2: nothing was remembered under 0");
    CHECK(error_of(unhex("80 05 94 2e")) == "pickle: byte 2: nothing is on the stack to be remembered");
    CHECK(error_of(unhex("80 05 28 4e 2e")) == "pickle: byte 4: a mark is left on the stack");
    CHECK(error_of(unhex("80 05 4e 28 85 2e")) == "pickle: byte 4: nothing is on the stack to be taken");
    CHECK(error_of(unhex("80 05 8c 01 ff 2e")) == "pickle: byte 2: the text is not UTF-8 (at its byte 0)");
    CHECK(error_of("{\"a\": 1}").find("no opcode") != std::string::npos);
}

TEST_CASE("a short pickle cannot grow without limit") {
    // 40 lists, each twice in the next: 2^40 values when written out
    std::string bomb = unhex("80 05 5d 94");
    for (unsigned i = 0; i < 40; ++i)
        bomb += unhex("5d 94 28 68") + static_cast<char>(i) + unhex("68") + static_cast<char>(i) + "e";
    CHECK(error_of(bomb + ".", {.nodes_max = 10000}).find("more than 10000 values (nodes_max)") !=
          std::string::npos);
    CHECK(error_of(bomb + ".", {.nodes_max = 10}).find("more than 10 values (nodes_max)") !=
          std::string::npos);

    // one text of 64 KB, named a thousand times
    std::string texts = unhex("80 05 28 58 00 00 01 00") + std::string(1 << 16, 'x') + unhex("94");
    for (int i = 0; i < 1000; ++i) texts += unhex("68 00");
    CHECK(error_of(texts + "t.", {.text_bytes_max = 1 << 20})
              .find("more than 1048576 bytes of text (text_bytes_max)") != std::string::npos);
    CHECK_NOTHROW(pickle::load(texts + "t."));

    const auto nested = [](std::size_t depth) {
        return unhex("80 05") + std::string(depth, ']') + std::string(depth - 1, 'a') + ".";
    };
    CHECK_NOTHROW(pickle::load(nested(500)));
    CHECK(error_of(nested(501)).find("more than 500 levels of nesting (depth_max)") != std::string::npos);
    CHECK(error_of(nested(20000)).find("depth_max") != std::string::npos);
    CHECK(error_of(unhex("80 05 8b d0 07 00 00") + std::string(2000, '\x11') + ".")
              .find("more than 4300 digits") != std::string::npos);
}

TEST_CASE("every sample comes back from both forms") {
    for (const auto& samples : {testing::sample_values(), large_samples()}) {
        for (const value& v : samples) {
            CHECK((pickle::load(pickle::dump(v)) == v));
            CHECK((pickle::load(pickle::dump(v, pickle::form::minimal)) == v));
            CHECK(pickle::dump(v, pickle::form::minimal).size() <= pickle::dump(v).size());
        }
    }
}

TEST_CASE("small values have exactly the bytes of the protocol's description") {
    CHECK(hex(pickle::dump(value(3))) == "80054b032e");
    CHECK(hex(pickle::dump(value())) == "80054e2e");
    CHECK(hex(pickle::dump(value::tuple({"tasks.add", value(), value::tuple({2, 3}), value::dict()}))) ==
          "8005951900000000000000288c097461736b732e616464944e4b024b0386947d9474942e");
    CHECK(hex(pickle::dump(value::tuple({"tasks.add", value(), value::tuple({2, 3}), value::dict()}),
                           pickle::form::minimal)) == "8005288c097461736b732e6164644e4b024b03867d742e");
    CHECK(hex(pickle::dump(value(2147483648))) == "80059508000000000000008a0500000080002e");
    CHECK(hex(pickle::dump(value(1.5))) == "8005950a00000000000000473ff80000000000002e");
}

TEST_CASE("what Python could not hash or decode is not written") {
    const auto dump_error = [](const value& v) -> std::string {
        try {
            return "written as " + hex(pickle::dump(v));
        } catch (const codec_error& e) {
            return e.what();
        }
    };
    CHECK(dump_error(value::list({"a\xff"})) ==
          "[0]: text that is not UTF-8 (at byte 1); use simul::bytes for binary data");
    CHECK(dump_error(value::dict({{value::list({1}), 2}})) ==
          "[\"[1]\"]: expected a key or set item that Python can hash, found list [1]");
    CHECK(dump_error(value::set({value::dict()})) ==
          "[0]: expected a key or set item that Python can hash, found dict {}");
    CHECK(dump_error(value::set({value::tuple({value::list()})})).find("[0][0]: expected a key") == 0);
    CHECK(dump_error(testing::nested_list(1100)).ends_with("more than 1000 levels of nesting"));
    CHECK_NOTHROW(pickle::dump(value::set({value::set({1})})));
}

TEST_CASE("every prefix of every pickle is refused, and damage never does worse") {
    std::mt19937_64 random(7);
    for (const value& v : testing::sample_values()) {
        for (const pickle::form f : {pickle::form::python, pickle::form::minimal}) {
            const std::string data = pickle::dump(v, f);
            for (std::size_t size = 0; size < data.size(); ++size)
                CHECK_THROWS_AS(pickle::load(std::string_view(data).substr(0, size)), pickle::load_error);
            for (int i = 0; i < 40; ++i) {
                const std::string damaged = testing::mutated(data, random);
                try {
                    (void)python_repr(
                        pickle::load(damaged, {.nodes_max = 100000, .text_bytes_max = 1 << 20}));
                } catch (const pickle::load_error&) {
                }
            }
        }
    }
}

TEST_CASE("random trees come back from both forms") {
    std::mt19937_64 random(11);
    for (int i = 0; i < 300; ++i) {
        const value v = testing::random_value(random, 4, false);
        CHECK((pickle::load(pickle::dump(v)) == v));
        CHECK((pickle::load(pickle::dump(v, pickle::form::minimal)) == v));
    }
}

TEST_CASE("Python writes the same bytes and reads the same values") {
    if (python().empty()) {
        MESSAGE("skipped: there is no python3");
        return;
    }
    std::vector<value> samples = testing::sample_values();
    for (value& v : large_samples()) samples.push_back(std::move(v));
    std::string input;
    for (const value& v : samples)
        for (const pickle::form f : {pickle::form::python, pickle::form::minimal})
            input += python_repr(v) + "\n" + hex(pickle::dump(v, f)) + "\n";
    // For both forms: Python must read what repr says, and pickle that value to the bytes of the first form.
    const std::string script = R"(
import sys, pickle
sys.setrecursionlimit(10000)
inf, nan = float('inf'), float('nan')
lines = open(sys.argv[1], encoding='utf-8').read().split('\n')
bad = 0
for i in range(0, len(lines) - 1, 4):
    expected = eval(lines[i])
    full, minimal = bytes.fromhex(lines[i + 1]), bytes.fromhex(lines[i + 3])
    for data in (full, minimal):
        if repr(pickle.loads(data)) != repr(expected):
            bad += 1
            print('reads', lines[i][:80], 'as', repr(pickle.loads(data))[:80])
    written = pickle.dumps(pickle.loads(minimal), protocol=5)
    if written != full:
        bad += 1
        print('writes', lines[i][:80], 'as', written.hex()[:200], 'not', full.hex()[:200])
    if repr(expected) != lines[i]:
        bad += 1
        print('repr', lines[i][:80], 'is', repr(expected)[:80])
print('checked', len(lines) // 4, 'bad', bad)
)";
    CHECK(run_python(script, input) == "checked " + std::to_string(samples.size()) + " bad 0\n");
}

TEST_CASE("what Python pickles is read, in every protocol from 2 on") {
    if (python().empty()) {
        MESSAGE("skipped: there is no python3");
        return;
    }
    const std::string script = R"(
import pickle
shared = ['s']
samples = [None, True, 5, -70000, 2**31, -2**63, 2**64, -10**40, 1.5, 'a\xfc\u20ac\ud800', b'\x00\xff', bytearray(b'xy'),
           [1, [2]], (), (1,), (1, 2, 3, 4), {'a': {'b': None}, 1: 'x', (1, 2): 3}, [shared, shared, 'a', 'a'],
           list(range(2500)), {i: str(i) for i in range(2500)}, 'x' * 70000, {1, 2, 3}, frozenset({4, 5})]
for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
    for sample in samples:
        if protocol < 4 and isinstance(sample, (set, frozenset)): continue
        if protocol < 3 and isinstance(sample, bytes): continue
        if protocol < 5 and isinstance(sample, bytearray): continue
        text = repr(sample)
        if isinstance(sample, frozenset): text = repr(set(sample))
        if isinstance(sample, bytearray): text = repr(bytes(sample))
        print(text)
        print(pickle.dumps(sample, protocol).hex())
)";
    std::istringstream lines(run_python(script, ""));
    std::string expected;
    std::string data;
    int count = 0;
    while (std::getline(lines, expected) && std::getline(lines, data)) {
        CHECK(python_repr(load_hex(data)) == expected);
        ++count;
    }
    CHECK(count > 60);
}
