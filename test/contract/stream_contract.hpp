#pragma once
// What every stream promises. Each implementation provides a fixture:
//   struct tcp {
//       using loop_type = simul::loop;
//       static task<two_ends> connect();     // both ends, on the running loop
//   };
// and is named in TEST_CASE_TEMPLATE_INVOKE(stream_contract, ...) in test/net/stream_contract_test.cpp.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/scopes.hpp>
#include <simul/core/task.hpp>
#include <simul/core/task_group.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>
#include <simul/net/buffered_reader.hpp>
#include <simul/net/error.hpp>
#include <simul/net/stream.hpp>

namespace simul::contract {

struct two_ends {
    std::unique_ptr<stream> a;
    std::unique_ptr<stream> b;
};

/// The code of the system_error that `work` throws; an empty one if it throws none.
template <class F>
task<std::error_code> code_of(F work) {
    try {
        co_await work();
    } catch (const std::system_error& e) {
        co_return e.code();
    }
    co_return std::error_code{};
}

inline task<std::string> read_all(stream& from) {
    std::string text;
    std::vector<char> buffer(8192);
    while (const std::size_t count = co_await from.read_some(buffer)) text.append(buffer.data(), count);
    co_return text;
}

inline task<std::string> read_count(stream& from, std::size_t count) {
    std::string text;
    std::vector<char> buffer(count);
    while (text.size() < count) {
        const std::size_t got = co_await from.read_some({buffer.data(), count - text.size()});
        if (got == 0) break;
        text.append(buffer.data(), got);
    }
    co_return text;
}

/// Bytes in which a lost, doubled or moved piece shows.
inline std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    std::uint64_t state = 12345;
    for (std::size_t at = 0; at < size; at += sizeof state) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        std::memcpy(text.data() + at, &state, std::min(sizeof state, size - at));
    }
    return text;
}

TEST_CASE_TEMPLATE_DEFINE("a stream carries bytes in both directions", Fixture, stream_carries) {
    typename Fixture::loop_type loop;
    loop.run([]() -> task<> {
        auto ends = co_await Fixture::connect();
        co_await ends.a->write_all("hello");
        CHECK(co_await read_count(*ends.b, 5) == "hello");
        co_await ends.b->write_all("good day");
        CHECK(co_await read_count(*ends.a, 8) == "good day");
    });
}

TEST_CASE_TEMPLATE_DEFINE("ending one side of a stream leaves the other open", Fixture, stream_half_close) {
    typename Fixture::loop_type loop;
    loop.run([]() -> task<> {
        auto ends = co_await Fixture::connect();
        co_await ends.a->write_all("question");
        co_await ends.a->shutdown_write();
        CHECK(co_await read_all(*ends.b) == "question");
        char more[1];
        CHECK(co_await ends.b->read_some(more) == 0);  // the end stays the end
        co_await ends.b->write_all("answer");
        co_await ends.b->close();
        CHECK(co_await read_all(*ends.a) == "answer");
    });
}

TEST_CASE_TEMPLATE_DEFINE("a closed stream says so and its peer reads the end", Fixture, stream_close) {
    typename Fixture::loop_type loop;
    loop.run([]() -> task<> {
        auto ends = co_await Fixture::connect();
        co_await ends.a->write_all("last words");
        co_await ends.a->close();
        co_await ends.a->close();
        CHECK(co_await read_all(*ends.b) == "last words");
        const auto read = co_await code_of([&]() -> task<> {
            char c[1];
            co_await ends.a->read_some(c);
        });
        CHECK(read == errc::closed);
        const auto write = co_await code_of([&]() -> task<> { co_await ends.a->write_all("x"); });
        CHECK(write == errc::closed);
    });
}

TEST_CASE_TEMPLATE_DEFINE("writing to a peer that is gone fails as disconnected", Fixture, stream_gone) {
    typename Fixture::loop_type loop;
    loop.run([]() -> task<> {
        auto ends = co_await Fixture::connect();
        ends.b.reset();
        const auto code = co_await code_of([&]() -> task<> {
            const std::string data(1 << 20, 'x');
            for (int i = 0; i < 20; ++i) co_await ends.a->write_all(data);
        });
        CHECK(code == condition::disconnected);
    });
}

TEST_CASE_TEMPLATE_DEFINE("a canceled read loses nothing and does not touch its buffer afterwards", Fixture,
                          stream_cancel_read) {
    typename Fixture::loop_type loop;
    loop.run([]() -> task<> {
        auto ends = co_await Fixture::connect();
        std::string buffer(64, '\x5a');
        for (int round = 0; round < 3; ++round) {
            co_await with_scope([&](cancel_scope& scope) -> task<> {
                auto canceler = [&]() -> task<> {
                    co_await yield();
                    scope.cancel();
                };
                auto reader = [&]() -> task<> {
                    co_await ends.b->read_some(buffer);
                    FAIL("nothing was written, so nothing can be read");
                };
                co_await all(reader(), canceler());
            });
        }
        co_await ends.a->write_all("all of it");
        std::string other(9, '\0');
        CHECK(co_await read_count(*ends.b, 9) == "all of it");
        CHECK(buffer == std::string(64, '\x5a'));
    });
}

TEST_CASE_TEMPLATE_DEFINE("a read that is canceled before it begins takes nothing", Fixture,
                          stream_cancel_first) {
    typename Fixture::loop_type loop;
    loop.run([]() -> task<> {
        auto ends = co_await Fixture::connect();
        co_await ends.a->write_all("kept");
        bool read = false;
        co_await with_scope([&](cancel_scope& scope) -> task<> {
            char buffer[16];
            scope.cancel();
            co_await ends.b->read_some(buffer);
            read = true;
        });
        CHECK_FALSE(read);
        CHECK(co_await read_count(*ends.b, 4) == "kept");
    });
}

TEST_CASE_TEMPLATE_DEFINE("ten megabytes arrive as they were, through a slow reader", Fixture, stream_large) {
    typename Fixture::loop_type loop;
    loop.run([]() -> task<> {
        auto ends = co_await Fixture::connect();
        const std::string sent = pattern(10'000'000);
        std::string got;
        auto writer = [&]() -> task<> {
            co_await ends.a->write_all(sent);
            co_await ends.a->shutdown_write();
        };
        auto reader = [&]() -> task<> {
            std::vector<char> buffer(100'000);
            while (const std::size_t count = co_await ends.b->read_some(buffer)) {
                got.append(buffer.data(), count);
                co_await yield();
            }
        };
        co_await all(writer(), reader());
        CHECK(got.size() == sent.size());
        CHECK((got == sent));  // in parentheses: nobody wants to see ten megabytes
    });
}

TEST_CASE_TEMPLATE_DEFINE("a writer waits for its reader; canceled, it refuses later writes and reads on",
                          Fixture, stream_cancel_write) {
    typename Fixture::loop_type loop;
    loop.run([]() -> task<> {
        auto ends = co_await Fixture::connect();
        const std::string data = pattern(20'000'000);  // more than any socket buffers
        const bool written = co_await move_on_after(20ms, ends.a->write_all(data));
        CHECK_FALSE(written);
        const auto code = co_await code_of([&]() -> task<> { co_await ends.a->write_all("x"); });
        CHECK(code == net_errc::write_canceled);
        CHECK(code == condition::disconnected);

        co_await ends.b->write_all("still here");
        CHECK(co_await read_count(*ends.a, 10) == "still here");
        ends.a.reset();
        // What had left before is the beginning of the data, and no byte of it was changed by the cancel.
        std::string got;
        try {
            std::vector<char> buffer(100'000);
            while (const std::size_t count = co_await ends.b->read_some(buffer))
                got.append(buffer.data(), count);
        } catch (const std::system_error& e) {
            CHECK(e.code() == condition::disconnected);
        }
        CHECK(got.size() < data.size());
        CHECK((got == data.substr(0, got.size())));
    });
}

TEST_CASE_TEMPLATE_DEFINE("one reader and one writer at a time, together", Fixture, stream_busy) {
    typename Fixture::loop_type loop;
    loop.run([]() -> task<> {
        auto ends = co_await Fixture::connect();
        std::error_code second_read;
        std::error_code close_now;
        auto reader = [&]() -> task<> { CHECK(co_await read_count(*ends.a, 2) == "ok"); };
        auto intruder = [&]() -> task<> {
            second_read = co_await code_of([&]() -> task<> {
                char c[1];
                co_await ends.a->read_some(c);
            });
            close_now = co_await code_of([&]() -> task<> { co_await ends.a->close(); });
            co_await ends.a->write_all("a write beside the read");
            co_await ends.b->write_all("ok");
        };
        co_await all(reader(), intruder());
        CHECK(second_read == errc::wrong_state);
        CHECK(close_now == errc::wrong_state);

        const std::string data = pattern(20'000'000);
        std::error_code second_write;
        co_await with_scope([&](cancel_scope& scope) -> task<> {
            auto writer = [&]() -> task<> { co_await ends.a->write_all(data); };
            auto other = [&]() -> task<> {
                second_write = co_await code_of([&]() -> task<> { co_await ends.a->write_all("x"); });
                scope.cancel();
            };
            co_await all(writer(), other());
        });
        CHECK(second_write == errc::wrong_state);
    });
}

TEST_CASE_TEMPLATE_DEFINE("an empty write does nothing and an empty read is refused", Fixture, stream_empty) {
    typename Fixture::loop_type loop;
    loop.run([]() -> task<> {
        auto ends = co_await Fixture::connect();
        co_await ends.a->write_all("");
        CHECK(co_await ends.a->write_some("") == 0);
        const auto code = co_await code_of([&]() -> task<> { co_await ends.a->read_some({}); });
        CHECK(code == std::errc::invalid_argument);
    });
}

TEST_CASE_TEMPLATE_DEFINE("a stream that is always ready lets other tasks run", Fixture, stream_fair) {
    typename Fixture::loop_type loop;
    loop.run([]() -> task<> {
        auto ends = co_await Fixture::connect();
        co_await ends.a->write_all(std::string(300, 'x'));
        int turns = 0;
        bool done = false;
        auto reader = [&]() -> task<> {
            char c[1];
            for (int i = 0; i < 300; ++i) co_await ends.b->read_some(c);
            done = true;
        };
        auto other = [&]() -> task<> {
            while (!done) {
                ++turns;
                co_await yield();
            }
        };
        co_await all(reader(), other());
        CHECK(turns >= 3);
    });
}

TEST_CASE_TEMPLATE_DEFINE("a stream belongs to the loop that first uses it", Fixture, stream_loop) {
    typename Fixture::loop_type first;
    typename Fixture::loop_type second;
    auto ends = first.run([]() -> task<two_ends> {
        auto made = co_await Fixture::connect();
        co_await made.a->write_all("x");
        CHECK(co_await read_count(*made.b, 1) == "x");
        co_return made;
    });
    const std::error_code code = second.run([&]() -> task<std::error_code> {
        co_return co_await code_of([&]() -> task<> { co_await ends.a->write_all("y"); });
    });
    CHECK(code == errc::wrong_loop);
}

TEST_CASE_TEMPLATE_DEFINE("buffered reads are all or nothing", Fixture, stream_buffered) {
    typename Fixture::loop_type loop;
    loop.run([]() -> task<> {
        auto ends = co_await Fixture::connect();
        buffered_reader reader(*ends.b);
        co_await ends.a->write_all("half a li");
        co_await reader.peek(9);
        const auto line = co_await move_on_after(5ms, reader.read_line());
        CHECK_FALSE(line.has_value());
        const auto exactly = co_await move_on_after(5ms, reader.read_exactly(20));
        CHECK_FALSE(exactly.has_value());
        co_await ends.a->write_all("ne\r\nand the rest");
        CHECK(co_await reader.read_line() == "half a line");
        CHECK(co_await reader.read_exactly(12) == "and the rest");
    });
}

#define SIMUL_STREAM_CONTRACT(...)                               \
    TEST_CASE_TEMPLATE_INVOKE(stream_carries, __VA_ARGS__);      \
    TEST_CASE_TEMPLATE_INVOKE(stream_half_close, __VA_ARGS__);   \
    TEST_CASE_TEMPLATE_INVOKE(stream_close, __VA_ARGS__);        \
    TEST_CASE_TEMPLATE_INVOKE(stream_gone, __VA_ARGS__);         \
    TEST_CASE_TEMPLATE_INVOKE(stream_cancel_read, __VA_ARGS__);  \
    TEST_CASE_TEMPLATE_INVOKE(stream_cancel_first, __VA_ARGS__); \
    TEST_CASE_TEMPLATE_INVOKE(stream_large, __VA_ARGS__);        \
    TEST_CASE_TEMPLATE_INVOKE(stream_cancel_write, __VA_ARGS__); \
    TEST_CASE_TEMPLATE_INVOKE(stream_busy, __VA_ARGS__);         \
    TEST_CASE_TEMPLATE_INVOKE(stream_empty, __VA_ARGS__);        \
    TEST_CASE_TEMPLATE_INVOKE(stream_fair, __VA_ARGS__);         \
    TEST_CASE_TEMPLATE_INVOKE(stream_loop, __VA_ARGS__);         \
    TEST_CASE_TEMPLATE_INVOKE(stream_buffered, __VA_ARGS__)

}  // namespace simul::contract
