#include <simul/net/buffered_reader.hpp>

#include <doctest/doctest.h>

#include <string>

#include <simul/core/all.hpp>
#include <simul/loop/loop.hpp>
#include <simul/testing/stream_pair.hpp>

#include "contract/stream_contract.hpp"

namespace simul {
namespace {
using contract::code_of;
using testing::stream_pair;

/// Runs `body(reader)` over `text` that comes in pieces of `piece` bytes and then ends.
template <class F>
void reading(std::string text, std::size_t piece, F body, buffered_reader_options options = {}) {
    virtual_loop loop;
    loop.run([&]() -> task<> {
        testing::stream_pair_options pair;
        pair.piece_bytes_max = piece;
        auto ends = stream_pair(pair);
        auto writer = [&]() -> task<> {
            co_await ends.first.write_all(text);
            co_await ends.first.shutdown_write();
        };
        auto reader = [&]() -> task<> {
            buffered_reader r(ends.second, options);
            co_await body(r);
        };
        co_await all(writer(), reader());
    });
}
}  // namespace

TEST_CASE("lines are read whatever the pieces they come in") {
    for (const std::size_t piece : {1u, 2u, 3u, 7u, 1000u}) {
        reading("one\r\ntwo\n\nlast", piece, [](buffered_reader& r) -> task<> {
            CHECK(co_await r.read_line() == "one");
            CHECK(co_await r.read_line() == "two");
            CHECK(co_await r.read_line() == "");
            CHECK(co_await r.read_line() == "last");
            CHECK_FALSE((co_await r.read_line()).has_value());
            CHECK_FALSE((co_await r.read_line()).has_value());
        });
    }
}

TEST_CASE("read_until finds a delimiter that comes in two pieces, and keeps what follows") {
    for (const std::size_t piece : {1u, 2u, 3u, 4u, 5u, 1000u}) {
        reading("head\r\nmore\r\n\r\nbody", piece, [](buffered_reader& r) -> task<> {
            CHECK(co_await r.read_until("\r\n\r\n") == "head\r\nmore\r\n\r\n");
            CHECK(co_await r.read_to_end() == "body");
        });
    }
}

TEST_CASE("a line that is too long is a named error and stays in the buffer") {
    for (const std::size_t piece : {1u, 1000u}) {
        reading("0123456789\nrest", piece, [](buffered_reader& r) -> task<> {
            const auto code = co_await code_of([&]() -> task<> { co_await r.read_line(10); });
            CHECK(code == errc::limit_exceeded);
            const auto until = co_await code_of([&]() -> task<> { co_await r.read_until("\n", 10); });
            CHECK(until == errc::limit_exceeded);
            CHECK(co_await r.read_line(11) == "0123456789");  // with its newline it has eleven
        });
    }
}

TEST_CASE("an end that comes too early names what was expected, and loses nothing") {
    reading("short", 2, [](buffered_reader& r) -> task<> {
        std::string text;
        try {
            co_await r.read_exactly(10);
        } catch (const std::system_error& e) {
            CHECK(e.code() == errc::end_of_stream);
            CHECK(e.code() == condition::disconnected);
            text = e.what();
        }
        CHECK(text.find("it ended after 5 bytes, before 10 bytes") != std::string::npos);
        const auto code = co_await code_of([&]() -> task<> { co_await r.read_until("\n"); });
        CHECK(code == errc::end_of_stream);
        CHECK(r.ended());
        CHECK(co_await r.read_exactly(5) == "short");
    });
}

TEST_CASE("a parser fills, looks and consumes") {
    reading("abcdef", 4, [](buffered_reader& r) -> task<> {
        CHECK(co_await r.fill() == 4);
        CHECK(r.buffered() == "abcd");
        r.consume(1);
        CHECK(r.buffered() == "bcd");
        CHECK(co_await r.fill() == 2);
        CHECK(r.buffered() == "bcdef");
        CHECK(co_await r.peek(2) == "bcdef");
        char some[2];
        CHECK(co_await r.read_some(some) == 2);
        CHECK(r.buffered() == "def");
        CHECK(co_await r.fill() == 0);
        r.consume(100);
        CHECK(r.buffered().empty());
        CHECK(co_await r.read_some(some) == 0);
    });
}

TEST_CASE("what nobody consumes has a limit") {
    buffered_reader_options options;
    options.read_bytes = 16;
    options.buffered_bytes_max = 40;
    reading(
        std::string(1000, 'x'), 1000,
        [](buffered_reader& r) -> task<> {
            const auto code = co_await code_of([&]() -> task<> {
                for (;;) co_await r.fill();
            });
            CHECK(code == errc::limit_exceeded);
            const auto peek = co_await code_of([&]() -> task<> { co_await r.peek(41); });
            CHECK(peek == errc::limit_exceeded);
            CHECK((co_await r.peek(40)).size() >= 40);
            CHECK((co_await r.read_to_end()).size() == 1000);
        },
        options);
}

TEST_CASE("large reads go through a small buffer and come out as they were") {
    const std::string data = contract::pattern(300'000);
    buffered_reader_options options;
    options.read_bytes = 100;
    reading(
        data, 1000,
        [&](buffered_reader& r) -> task<> {
            const std::string first = co_await r.read_exactly(200'001);
            const std::string rest = co_await r.read_to_end();
            CHECK((first + rest == data));
        },
        options);
    reading(data, 1000, [&](buffered_reader& r) -> task<> {
        const auto code = co_await code_of([&]() -> task<> { co_await r.read_to_end(299'999); });
        CHECK(code == errc::limit_exceeded);
        CHECK((co_await r.read_to_end(300'000)).size() == 300'000);
    });
}

TEST_CASE("a connection that breaks gives its error to the reader, after what had come") {
    virtual_loop loop;
    loop.run([]() -> task<> {
        auto ends = stream_pair();
        ends.first.fail_after(5);
        co_await ends.first.write_all("01234");
        buffered_reader r(ends.second);
        CHECK(co_await r.read_exactly(3) == "012");
        const auto code = co_await code_of([&]() -> task<> { co_await r.read_exactly(3); });
        CHECK(code == std::errc::connection_reset);
        CHECK(r.buffered() == "34");
    });
}

}  // namespace simul
