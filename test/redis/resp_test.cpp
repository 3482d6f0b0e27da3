#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <simul/base/error.hpp>
#include <simul/redis/resp.hpp>
#include <string>
#include <string_view>
#include <vector>

using namespace simul::redis;
using namespace std::string_view_literals;

namespace {

// The whole reply on one line, for comparison.
std::string text_of(const reply& r) {
    std::string out;
    if (!r.attributes().empty()) {
        out += "|";
        for (const reply& item : r.attributes()) out += text_of(item) + " ";
        out += "|";
    }
    switch (r.type()) {
        case reply_type::nil:
            return out + "nil";
        case reply_type::error:
            return out + "error(" + r.error_text() + ")";
        case reply_type::integer:
            return out + std::to_string(r.as_int());
        case reply_type::real:
            return out + fmt::format("\"{}\"", r.as_double());
        case reply_type::boolean:
            return out + (r.as_bool() ? "true" : "false");
        case reply_type::verbatim:
            return out + fmt::format("{}:{}", r.verbatim_format(), r.as_string());
        case reply_type::map: {
            out += "{";
            for (const auto& [key, value] : r.as_map()) out += text_of(key) + "=" + text_of(value) + ",";
            return out + "}";
        }
        default:
            break;
    }
    if (r.is_array()) {
        out += fmt::format("{}[", to_string(r.type()));
        for (const reply& item : r.as_array()) out += text_of(item) + ",";
        return out + "]";
    }
    return out + fmt::format("{}({})", to_string(r.type()), r.as_string());
}

// Feeds pieces of at most `piece` bytes (random sizes for 0) and writes what came, one reply or error per
// line.
std::string read_all(std::string_view bytes, std::size_t piece, const resp_limits& limits = {}) {
    static std::mt19937 random(3);
    resp_parser parser(limits);
    std::string out;
    try {
        while (!bytes.empty()) {
            const std::size_t size = std::min(piece == 0 ? 1 + random() % 9 : piece, bytes.size());
            const std::vector<char> exact(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
            bytes.remove_prefix(size);
            for (std::string_view input(exact.data(), exact.size()); !input.empty();) {
                if (const auto r = parser.next(input)) out += text_of(*r) + "\n";
            }
        }
        if (!parser.idle()) out += "unfinished\n";
    } catch (const std::system_error& e) {
        out += "error: " + e.code().message() + "\n";
    }
    return out;
}

void check_reads(std::string_view bytes, std::string_view expected, const resp_limits& limits = {}) {
    CAPTURE(bytes);
    const std::string events = std::string(expected) + "\n";
    CHECK(read_all(bytes, bytes.size(), limits) == events);
    CHECK(read_all(bytes, 1, limits) == events);
    for (int i = 0; i < 4; ++i) CHECK(read_all(bytes, 0, limits) == events);
}

void check_refused(std::string_view bytes, resp_errc reason, const resp_limits& limits = {}) {
    check_reads(bytes, "error: " + make_error_code(reason).message(), limits);
}

reply parse(std::string_view bytes) {
    resp_parser parser;
    auto r = parser.next(bytes);
    REQUIRE(r);
    REQUIRE(bytes.empty());
    return *std::move(r);
}

std::string message_of(const std::function<void()>& f) {
    try {
        f();
    } catch (const std::exception& e) {
        return e.what();
    }
    return "nothing was thrown";
}

}  // namespace

TEST_CASE("every type of RESP2 is read, however it arrives") {
    check_reads("+OK\r\n", "status(OK)");
    check_reads("+\r\n", "status()");
    check_reads("-ERR unknown command\r\n", "error(ERR unknown command)");
    check_reads(":0\r\n", "0");
    check_reads(":-9223372036854775808\r\n", "-9223372036854775808");
    check_reads(":+7\r\n", "7");
    check_reads("$5\r\nhello\r\n", "string(hello)");
    check_reads("$0\r\n\r\n", "string()");
    check_reads("$7\r\na\r\nb\0\xff$\r\n"sv, "string(a\r\nb\0\xff$)"sv);
    check_reads("$-1\r\n", "nil");
    check_reads("*-1\r\n", "nil");
    check_reads("*0\r\n", "array[]");
    check_reads("*3\r\n:1\r\n$-1\r\n*2\r\n+a\r\n-b\r\n", "array[1,nil,array[status(a),error(b),],]");
}

TEST_CASE("every type of RESP3 is read, however it arrives") {
    check_reads("_\r\n", "nil");
    check_reads("#t\r\n", "true");
    check_reads("#f\r\n", "false");
    check_reads(",1.5\r\n", "\"1.5\"");
    check_reads(",10\r\n", "\"10\"");
    check_reads(",-1e-7\r\n", "\"-1e-07\"");
    check_reads(",inf\r\n", "\"inf\"");
    check_reads(",-inf\r\n", "\"-inf\"");
    check_reads(",nan\r\n", "\"nan\"");
    check_reads("(-3492890328409238509324850943850943825024385\r\n",
                "big number(-3492890328409238509324850943850943825024385)");
    check_reads("!8\r\nERR a\r\nb\r\n", "error(ERR a\r\nb)");
    check_reads("=7\r\ntxt:a\r\n\r\n", "txt:a\r\n");
    check_reads("=4\r\nmkd:\r\n", "mkd:");
    check_reads("~2\r\n:1\r\n:1\r\n", "set[1,1,]");
    check_reads("%2\r\n+a\r\n:1\r\n:2\r\n%0\r\n", "{status(a)=1,2={},}");
    check_reads(">2\r\n+message\r\n$1\r\nx\r\n", "push[status(message),string(x),]");
}

TEST_CASE("attributes belong to the value behind them and are no elements") {
    check_reads("|1\r\n+ttl\r\n:5\r\n+OK\r\n", "|status(ttl) 5 |status(OK)");
    check_reads("*2\r\n|1\r\n+a\r\n:1\r\n:2\r\n:3\r\n", "array[|status(a) 1 |2,3,]");
    check_reads("|1\r\n+a\r\n*1\r\n:1\r\n*1\r\n|1\r\n+b\r\n:2\r\n:3\r\n",
                "|status(a) array[1,] |array[|status(b) 2 |3,]");
    check_reads("|0\r\n:1\r\n", "1");
    check_reads("|1\r\n+a\r\n:1\r\n", "unfinished");
    check_refused("|1\r\n+a\r\n:1\r\n|1\r\n+b\r\n:1\r\n:1\r\n", resp_errc::malformed);
}

TEST_CASE("several replies come one by one and leave the rest alone") {
    check_reads("+a\r\n:1\r\n>1\r\n+p\r\n$1\r\nx\r\n*1\r\n_\r\n",
                "status(a)\n1\npush[status(p),]\nstring(x)\narray[nil,]");
    resp_parser parser;
    std::string_view input = ":1\r\n:2\r\n";
    CHECK(parser.next(input)->as_int() == 1);
    CHECK(input == ":2\r\n");
    CHECK(parser.idle());
}

TEST_CASE("a reply that is not complete is waited for") {
    for (const std::string_view bytes : {"+O", "+OK\r", "$5\r\nhell", "$5\r\nhello", "$5\r\nhello\r",
                                         "*2\r\n:1\r\n", "*1\r\n", "%1\r\n+a\r\n"}) {
        check_reads(bytes, "unfinished");
    }
}

TEST_CASE("what is no RESP is refused, however it arrives") {
    for (const std::string_view bytes : {"HTTP/1.1 400 Bad Request\r\n"sv,
                                         "\r\n"sv,
                                         "OK\r\n"sv,
                                         ":\r\n"sv,
                                         ":1x\r\n"sv,
                                         ": 1\r\n"sv,
                                         ":+-1\r\n"sv,
                                         ":9223372036854775808\r\n"sv,
                                         "$\r\n"sv,
                                         "$-2\r\n"sv,
                                         "$+1\r\n"sv,
                                         "$?\r\n"sv,
                                         "$01234567890123456\r\n"sv,
                                         "$1\r\nab\r\n"sv,
                                         "$1\r\na\n"sv,
                                         "+a\n"sv,
                                         "+a\rb\r\n"sv,
                                         "+a\r\r\n"sv,
                                         "*-2\r\n"sv,
                                         "*1x\r\n"sv,
                                         "#x\r\n"sv,
                                         "#\r\n"sv,
                                         "_x\r\n"sv,
                                         ",\r\n"sv,
                                         ",1.5.5\r\n"sv,
                                         ",infinity\r\n"sv,
                                         ",0x1p3\r\n"sv,
                                         "(\r\n"sv,
                                         "(1.5\r\n"sv,
                                         "(-\r\n"sv,
                                         "=3\r\ntxt\r\n"sv,
                                         "=4\r\ntext\r\n"sv,
                                         "%-1\r\n"sv,
                                         "*1\r\n>1\r\n:1\r\n"sv,
                                         "\0"sv}) {
        check_refused(bytes, resp_errc::malformed);
    }
}

TEST_CASE("every limit has its name") {
    resp_limits limits;
    limits.line_bytes_max = 10;
    limits.bulk_bytes_max = 20;
    limits.depth_max = 3;
    check_reads("+123456789\r\n", "status(123456789)", limits);
    check_refused("+1234567890\r\n", resp_errc::line_too_long, limits);
    check_refused("+123456789012", resp_errc::line_too_long, limits);
    check_reads("$20\r\n" + std::string(20, 'x') + "\r\n", "string(" + std::string(20, 'x') + ")", limits);
    check_refused("$21\r\n", resp_errc::bulk_too_long, limits);
    check_reads("*1\r\n*1\r\n*1\r\n:1\r\n", "array[array[array[1,],],]", limits);
    check_refused("*1\r\n*1\r\n*1\r\n*1\r\n", resp_errc::too_deep, limits);
    check_refused("*1\r\n*1\r\n*1\r\n*0\r\n", resp_errc::too_deep, limits);
    check_refused("*1\r\n|1\r\n|1\r\n|1\r\n", resp_errc::too_deep, limits);

    limits = {};
    limits.reply_bytes_max = 1000;
    check_reads("$900\r\n" + std::string(900, 'x') + "\r\n", "string(" + std::string(900, 'x') + ")", limits);
    check_refused("$1001\r\n", resp_errc::reply_too_long, limits);
    std::string many = "*1000\r\n";
    for (int i = 0; i < 1000; ++i) many += ":1\r\n";
    check_refused(many, resp_errc::reply_too_long, limits);
    // The next reply starts from zero again.
    const std::string half = "$600\r\n" + std::string(600, 'x') + "\r\n";
    const std::string text = "string(" + std::string(600, 'x') + ")";
    check_reads(half + half, text + "\n" + text, limits);
}

// Ten bytes must not cost gigabytes.
TEST_CASE("announced sizes are not believed") {
    for (const std::string_view bytes : {"*99999999999\r\n", "%99999999999\r\n", "$536870912\r\n"}) {
        check_reads(bytes, "unfinished");
    }
    check_reads("*99999999999\r\n$400000000\r\nabc", "unfinished");
}

TEST_CASE("an error stays and tells the byte") {
    resp_parser parser;
    std::string_view input = "*2\r\n:1\r\n?";
    CHECK(message_of([&] { parser.next(input); }) ==
          "\"?\" is no type of a reply at byte 8 of a reply: not the protocol of Redis");
    input = "+OK\r\n";
    CHECK(message_of([&] { parser.next(input); }) ==
          "\"?\" is no type of a reply at byte 8 of a reply: not the protocol of Redis");
    CHECK(make_error_code(resp_errc::malformed) == simul::condition::invalid);
}

TEST_CASE("accessors take what both protocols send for the same command") {
    CHECK(parse(":42\r\n").as_int() == 42);
    CHECK(parse("$2\r\n42\r\n").as_int() == 42);
    CHECK(parse("$3\r\n1.5\r\n").as_double() == 1.5);
    CHECK(parse(",1.5\r\n").as_double() == 1.5);
    CHECK(parse("$4\r\n-inf\r\n").as_double() == -std::numeric_limits<double>::infinity());
    CHECK(std::isnan(parse(",nan\r\n").as_double()));
    CHECK(parse(":3\r\n").as_double() == 3);
    CHECK(parse(":1\r\n").as_bool());
    CHECK_FALSE(parse("#f\r\n").as_bool());
    CHECK(parse("+OK\r\n").is_ok());
    CHECK_FALSE(parse("$2\r\nOK\r\n").is_ok());
    CHECK(parse("$-1\r\n").as_optional_string() == std::nullopt);
    CHECK(parse("$1\r\na\r\n").as_optional_string() == "a");
    CHECK(parse("=5\r\ntxt:a\r\n").as_string() == "a");
    for (const std::string_view bytes :
         {"%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:2\r\n", "*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:2\r\n"}) {
        const reply r = parse(bytes);
        const reply::map_view map = r.as_map();
        CHECK(map.size() == 2);
        CHECK(map.at("b").as_int() == 2);
        CHECK(map.find("c") == nullptr);
        CHECK(message_of([&] { map.at("c"); }) == "the reply has no key \"c\"");
    }
}

TEST_CASE("the wrong accessor says what was expected and what there is") {
    CHECK(message_of([] { parse(":1\r\n").as_string(); }) ==
          "expected a string, the reply is integer 1: reply of another type");
    CHECK(message_of([] {
              parse(
                  "$3\r\na\x01"
                  "b\r\n")
                  .as_int();
          }) == "expected an integer, the reply is string \"a\\x01b\": reply of another type");
    CHECK(message_of([] { parse("*2\r\n:1\r\n:2\r\n").as_double(); }) ==
          "expected a double, the reply is array of 2 elements: reply of another type");
    CHECK(message_of([] { parse("_\r\n").as_string(); }) ==
          "expected a string, the reply is nil: reply of another type");
    CHECK(message_of([] { parse(":2\r\n").as_bool(); }) ==
          "expected a boolean, the reply is integer 2: reply of another type");
    CHECK(message_of([] {
              const reply r = parse("*1\r\n:1\r\n");
              r.as_map();
          }) == "expected a map, the reply is array of 1 elements: reply of another type");
    CHECK(message_of([] { parse("$40\r\n" + std::string(40, 'x') + "\r\n").as_array(); }) ==
          "expected an array, the reply is string \"" + std::string(40, 'x') + "\": reply of another type");
    CHECK(message_of([] { parse("+OK\r\n").error_text(); }) ==
          "expected an error, the reply is status \"OK\": reply of another type");
}

TEST_CASE("an error reply is thrown by every accessor, with its code") {
    const reply r = parse("-WRONGTYPE Operation against a key\r\n");
    CHECK(r.is_error());
    for (const std::function<void()>& use : std::vector<std::function<void()>>{
             [&] { r.as_string(); }, [&] { r.as_int(); }, [&] { r.as_double(); }, [&] { r.as_bool(); },
             [&] { r.as_array(); }, [&] { r.as_map(); }, [&] { r.as_optional_string(); },
             [&] { r.throw_if_error(); }}) {
        try {
            use();
            FAIL("not thrown");
        } catch (const reply_error& e) {
            CHECK(e.code() == "WRONGTYPE");
            CHECK(std::string_view(e.what()) == "WRONGTYPE Operation against a key");
        }
    }
    CHECK(parse(":1\r\n").throw_if_error().as_int() == 1);
}

TEST_CASE("replies are values") {
    const reply original = parse("|1\r\n+a\r\n:1\r\n*2\r\n$1\r\nx\r\n%1\r\n+k\r\n#t\r\n");
    reply copy = original;
    CHECK(copy == original);
    CHECK(copy.attributes().size() == 2);
    const std::vector<reply> items = std::move(copy).as_array();
    CHECK(items[0].as_string() == "x");
    CHECK_FALSE(items[0] == items[1]);
    CHECK(reply::of_items(reply_type::array,
                          {reply::of_integer(1), reply(), reply::of_boolean(true), reply::of_double(0.5),
                           reply::of_text(reply_type::string, "s")}) ==
          parse("*5\r\n:1\r\n_\r\n#t\r\n,0.5\r\n$1\r\ns\r\n"));
    CHECK_FALSE(reply::of_text(reply_type::string, "s") == reply::of_text(reply_type::status, "s"));
}

TEST_CASE("commands are arrays of strings with their lengths") {
    CHECK(command("PING") == "*1\r\n$4\r\nPING\r\n");
    CHECK(command("SET", "key", std::string("a\r\n\0b", 5)) ==
          "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\na\r\n\0b\r\n"sv);
    CHECK(command("X", -5, std::size_t{7}, std::int64_t{-9223372036854775807 - 1}, 0.1, 2.0) ==
          "*6\r\n$1\r\nX\r\n$2\r\n-5\r\n$1\r\n7\r\n$20\r\n-9223372036854775808\r\n$3\r\n0.1\r\n$1\r\n2\r\n");
    const std::string_view view = "v";
    const char* pointer = "p";
    CHECK(command("X", view, pointer, "") == "*4\r\n$1\r\nX\r\n$1\r\nv\r\n$1\r\np\r\n$0\r\n\r\n");
    static_assert(!command_argument<bool>);
    static_assert(!command_argument<char>);
}

TEST_CASE("a pipeline counts its commands, and a half command is never sent") {
    pipeline commands;
    CHECK(commands.empty());
    commands.add("GET", "a").add("INCR", "b");
    commands.begin("DEL", 2).argument("c").argument(4);
    CHECK(commands.size() == 3);
    CHECK(commands.data() ==
          "*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$4\r\nINCR\r\n$1\r\nb\r\n*3\r\n$3\r\nDEL\r\n$1\r\nc\r\n$"
          "1\r\n4\r\n");
    CHECK_THROWS_AS(commands.argument("too many"), std::logic_error);
    commands.begin("DEL", 1);
    CHECK_THROWS_AS(commands.data(), std::logic_error);
    CHECK_THROWS_AS(commands.add("GET", "x"), std::logic_error);
    commands.clear();
    CHECK(commands.data().empty());
    CHECK(commands.add("PING").size() == 1);
}

TEST_CASE("commands are read back as the replies they look like") {
    pipeline commands;
    commands.add("SET", "k", "v\r\n").add("GET", 1);
    check_reads(commands.data(),
                "array[string(SET),string(k),string(v\r\n),]\narray[string(GET),string(1),]");
}

TEST_CASE("mutated replies give the same results whole and in pieces") {
    const std::vector<std::string> seeds = {
        "*3\r\n:1\r\n$-1\r\n*2\r\n+a\r\n-b\r\n",
        "%2\r\n+a\r\n,1.5\r\n=5\r\ntxt:x\r\n~1\r\n#t\r\n",
        "|1\r\n+ttl\r\n:5\r\n>2\r\n$3\r\nabc\r\n(123\r\n",
        "!3\r\nERR\r\n_\r\n$10\r\n0123456789\r\n",
    };
    const std::string_view interesting = "\r\n+-:$*_#,(!=%~>|0123456789?\0"sv;
    resp_limits limits;
    limits.line_bytes_max = 12;
    limits.depth_max = 3;
    limits.reply_bytes_max = 2000;
    std::mt19937 random(17);
    for (int round = 0; round < 4000; ++round) {
        std::string bytes = seeds[random() % seeds.size()] + seeds[random() % seeds.size()];
        for (std::size_t changes = 1 + random() % 3; changes > 0; --changes) {
            const std::size_t at = random() % bytes.size();
            switch (random() % 4) {
                case 0:
                    bytes[at] = interesting[random() % interesting.size()];
                    break;
                case 1:
                    bytes.insert(at, 1, interesting[random() % interesting.size()]);
                    break;
                case 2:
                    bytes.erase(at, 1 + random() % 2);
                    break;
                default:
                    bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 20));
                    break;
            }
            if (bytes.empty()) bytes = "+";
        }
        const std::string whole = read_all(bytes, bytes.size(), limits);
        REQUIRE(read_all(bytes, 1, limits) == whole);
        REQUIRE(read_all(bytes, 0, limits) == whole);
    }
}
