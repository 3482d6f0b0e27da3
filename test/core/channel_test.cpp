#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/channel.hpp>
#include <simul/core/scopes.hpp>
#include <simul/core/task_group.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

#include "core/support.hpp"

using namespace simul;
using namespace simul::testing_core;

namespace {

task<std::vector<int>> drain(channel<int>& from) {
    std::vector<int> got;
    while (auto item = co_await from.receive()) got.push_back(*item);
    co_return got;
}

}  // namespace

TEST_CASE("items arrive in the order sent, also through a channel that holds fewer, or none") {
    for (const std::size_t capacity : {0u, 1u, 3u, 100u}) {
        CAPTURE(capacity);
        run_virtual([=]() -> task<> {
            channel<int> numbers(capacity);
            auto produce = [&]() -> task<> {
                for (int i = 0; i < 10; ++i) co_await numbers.send(i);
                numbers.close();
            };
            auto [got, done] = co_await all(drain(numbers), produce());
            CHECK(got == std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
        });
    }
}

TEST_CASE("a full channel makes its sender wait, an empty one its receiver") {
    virtual_loop loop;
    loop.run([]() -> task<> {
        channel<int> numbers(1);
        co_await numbers.send(1);
        CHECK(numbers.size() == 1);
        CHECK_FALSE(co_await move_on_after(1s, numbers.send(2)));
        CHECK(numbers.size() == 1);
        CHECK(*co_await numbers.receive() == 1);
        CHECK_FALSE(co_await move_on_after(1s, numbers.receive()));
        CHECK(numbers.empty());
    });
    CHECK(loop.elapsed() == 2s);
}

TEST_CASE("many producers and consumers: every item arrives exactly once") {
    run_virtual([]() -> task<> {
        channel<int> numbers(2);
        std::vector<int> count(300);
        auto produce = [&](int who) -> task<> {
            for (int i = 0; i < 100; ++i) {
                co_await numbers.send(who * 100 + i);
                if (i % 7 == 0) co_await sleep_for(1ms);
            }
        };
        auto consume = [&](int) -> task<> {
            while (auto item = co_await numbers.receive()) {
                ++count[static_cast<std::size_t>(*item)];
                if (*item % 5 == 0) co_await sleep_for(1ms);
            }
        };
        auto producers = [&]() -> task<> {
            co_await all(std::vector{0, 1, 2}, produce);
            numbers.close();
        };
        co_await all(producers(), all(std::vector{0, 1, 2, 3}, consume));
        CHECK(count == std::vector<int>(300, 1));
    });
}

TEST_CASE("close gives waiting receivers nothing, waiting senders an error, and leaves what is in") {
    run_virtual([]() -> task<> {
        channel<int> numbers(1);
        co_await numbers.send(1);
        auto sends = [&]() -> task<> { co_await numbers.send(2); };
        auto closes = [&]() -> task<> {
            numbers.close();
            numbers.close();
            co_return;
        };
        auto [sent, closed] = co_await all_settled(sends(), closes());
        CHECK(contains(text_thrown_by([&] { std::move(sent).value(); }), "the channel is closed"));
        CHECK(*co_await numbers.receive() == 1);
        CHECK_FALSE(co_await numbers.receive());
        CHECK_FALSE(numbers.try_receive());
        int more = 3;
        CHECK_THROWS_AS(numbers.try_send(more), std::system_error);

        channel<int> empty;
        auto [got, closed_too] = co_await all(empty.receive(), [&]() -> task<> {
            empty.close();
            co_return;
        }());
        CHECK_FALSE(got);
    });
}

TEST_CASE("try_send and try_receive never wait") {
    run_virtual([]() -> task<> {
        channel<std::string> texts(1);
        CHECK_FALSE(texts.try_receive());
        CHECK(texts.try_send(std::string("a")));
        std::string second = "b";
        CHECK_FALSE(texts.try_send(second));
        CHECK(second == "b");
        CHECK(texts.try_receive() == "a");

        channel<std::string> direct;
        std::string text = "c";
        CHECK_FALSE(direct.try_send(text));
        auto [got, sent] =
            co_await all(direct.receive(), [&]() -> task<bool> { co_return direct.try_send(text); }());
        CHECK(got == "c");
        CHECK(sent);
    });
}

TEST_CASE("items that can only be moved") {
    run_virtual([]() -> task<> {
        channel<std::unique_ptr<int>> owners(1);
        co_await owners.send(std::make_unique<int>(1));
        auto p = co_await owners.receive();
        CHECK(**p == 1);
    });
}

TEST_CASE("an item handed to a receiver that is canceled before its turn goes back to the head") {
    run_virtual([]() -> task<> {
        channel<int> numbers(3);
        bool received = false;
        co_await with_scope([&](cancel_scope& scope) -> task<> {
            auto receives = [&]() -> task<> {
                co_await numbers.receive();
                received = true;
            };
            auto sends_and_cancels = [&]() -> task<> {
                co_await numbers.send(1);  // handed over at once
                co_await numbers.send(2);
                scope.cancel();
                CHECK(numbers.size() == 2);
            };
            co_await all(receives(), sends_and_cancels());
        });
        CHECK_FALSE(received);
        CHECK(*numbers.try_receive() == 1);
        CHECK(*numbers.try_receive() == 2);
    });
}

TEST_CASE("items handed to several receivers that are canceled before their turn keep their order") {
    // Bug: each was put at the head in turn, so the order was reversed.
    run_virtual([]() -> task<> {
        channel<int> numbers(2);
        co_await with_scope([&](cancel_scope& scope) -> task<> {
            auto receives = [&](int) -> task<> { co_await numbers.receive(); };
            auto sends_and_cancels = [&]() -> task<> {
                co_await sleep_for(1s);  // now all three wait
                for (int i = 1; i <= 5; ++i) co_await numbers.send(i);
                scope.cancel();
            };
            co_await all(all(std::vector{1, 2, 3}, receives), sends_and_cancels());
        });
        CHECK(numbers.size() == 5);  // three of them above its capacity
        CHECK_FALSE(numbers.try_send(6));
        for (int i = 1; i <= 5; ++i) CHECK(numbers.try_receive() == i);
        CHECK(numbers.try_send(6));
    });
}

TEST_CASE("an item that comes back goes to the next receiver that waits") {
    run_virtual([]() -> task<> {
        channel<int> numbers;
        std::optional<int> second;
        auto first_is_canceled = [&]() -> task<> {
            co_await with_scope([&](cancel_scope& scope) -> task<> {
                auto sends_and_cancels = [&]() -> task<> {
                    co_await turn();
                    CHECK(numbers.try_send(1));
                    scope.cancel();
                };
                co_await all(numbers.receive(), sends_and_cancels());
            });
        };
        auto waits = [&]() -> task<> {
            co_await turn();
            second = co_await numbers.receive();
        };
        co_await all(first_is_canceled(), waits());
        CHECK(second == 1);
    });
}

TEST_CASE("a canceled send did not send") {
    run_virtual([]() -> task<> {
        channel<int> numbers(1);
        co_await numbers.send(1);
        CHECK_FALSE(co_await move_on_after(1s, numbers.send(2)));
        CHECK(*co_await numbers.receive() == 1);
        CHECK_FALSE(numbers.try_receive());
    });
}

TEST_CASE("an item that comes back to a closed channel is received before its end") {
    run_virtual([]() -> task<> {
        channel<int> numbers(1);
        co_await with_scope([&](cancel_scope& scope) -> task<> {
            auto sends_and_closes = [&]() -> task<> {
                co_await numbers.send(1);
                numbers.close();
                scope.cancel();
            };
            co_await all(numbers.receive(), sends_and_closes());
        });
        CHECK(*co_await numbers.receive() == 1);
        CHECK_FALSE(co_await numbers.receive());
    });
}
