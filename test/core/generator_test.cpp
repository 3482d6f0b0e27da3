#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <vector>

#include <simul/core/generator.hpp>

#include "core/support.hpp"

using namespace simul;
using namespace simul::testing_core;

namespace {

generator<int> count_to(int last) {
    for (int n = 1; n <= last; ++n) co_yield n;
}

generator<double, double> average() {
    double sum = co_yield 0.0;
    int count = 1;
    for (;;) {
        sum += co_yield sum / count;
        ++count;
    }
}

generator<void, std::string> collect(std::vector<std::string>& into, counted = {}) {
    for (;;) into.push_back(co_yield {});
}

}  // namespace

TEST_CASE("next gives one value after the other and then nothing, again and again") {
    auto numbers = count_to(2);
    CHECK_FALSE(numbers.done());
    CHECK(numbers.next() == 1);
    CHECK(numbers.next() == 2);
    CHECK_FALSE(numbers.next());
    CHECK(numbers.done());
    CHECK_FALSE(numbers.next());
}

TEST_CASE("a generator is a range") {
    std::vector<int> got;
    for (int n : count_to(4)) got.push_back(n);
    CHECK(got == std::vector{1, 2, 3, 4});
    static_assert(std::ranges::input_range<generator<int>>);
    auto numbers = count_to(0);
    CHECK(numbers.begin() == numbers.end());
}

TEST_CASE("values are sent to where the generator waits, and the next yield comes back") {
    auto mean = average();
    CHECK(mean.next() == 0.0);
    CHECK(mean.send(10) == 10.0);
    CHECK(mean.send(20) == 15.0);
    std::vector<std::string> texts;
    auto sink = collect(texts);
    CHECK(sink.next());
    CHECK(sink.send("a"));
    CHECK(sink.send("b"));
    CHECK(texts == std::vector<std::string>{"a", "b"});
}

TEST_CASE("send before the first next is an error that says what to do; next where a value is due, too") {
    auto mean = average();
    CHECK(contains(text_thrown_by([&] { mean.send(1); }), "call next() first"));
    CHECK(mean.next() == 0.0);
    CHECK(contains(text_thrown_by([&] { mean.next(); }), "call send(value)"));
    CHECK(mean.send(4) == 4.0);
}

TEST_CASE("close throws generator_exit at the yield, so that handlers run") {
    bool cleaned = false;
    auto g = [](bool& cleans) -> generator<int> {
        try {
            co_yield 1;
            co_yield 2;
        } catch (const generator_exit&) {
            cleans = true;
            throw;
        }
    }(cleaned);
    g.next();
    g.close();
    CHECK(cleaned);
    CHECK(g.done());
    g.close();
    CHECK_FALSE(g.next());
}

TEST_CASE("a generator that yields during close has an error, and has ended all the same") {
    auto g = []() -> generator<int> {
        for (;;) {
            bool asked_to_end = false;
            try {
                co_yield 1;
            } catch (const generator_exit&) {
                asked_to_end = true;
            }
            if (asked_to_end) co_yield 2;
        }
    }();
    g.next();
    CHECK(contains(text_thrown_by([&] { g.close(); }), "ignored generator_exit"));
    CHECK(g.done());
    g.close();
}

TEST_CASE("a generator that returns during close, or throws something else") {
    auto returns = []() -> generator<int> {
        try {
            co_yield 1;
        } catch (const generator_exit&) {
        }
    }();
    returns.next();
    returns.close();
    auto throws = []() -> generator<int> {
        try {
            co_yield 1;
        } catch (const generator_exit&) {
            throw std::runtime_error("cannot clean up");
        }
    }();
    throws.next();
    CHECK(text_thrown_by([&] { throws.close(); }) == "cannot clean up");
    CHECK(throws.done());
}

TEST_CASE("close of a generator that has not started only destroys it") {
    counted::reset();
    std::vector<std::string> texts;
    {
        auto g = collect(texts);
        CHECK(counted::live == 1);
        g.close();
        CHECK(counted::live == 0);
        CHECK_FALSE(g.next());
    }
    CHECK(counted::destroyed_twice == 0);
}

TEST_CASE("the destructor runs destructors where it is suspended, not handlers") {
    counted::reset();
    bool handled = false;
    {
        auto g = [](bool& handles) -> generator<int> {
            const counted local;
            try {
                co_yield 1;
            } catch (...) {
                handles = true;
                throw;
            }
        }(handled);
        g.next();
        CHECK(counted::live == 1);
    }
    CHECK(counted::live == 0);
    CHECK_FALSE(handled);
}

TEST_CASE("an exception thrown in can be handled there, and one it throws ends it") {
    auto g = []() -> generator<int> {
        try {
            co_yield 1;
        } catch (const std::runtime_error&) {
        }
        co_yield 2;
        throw std::logic_error("mine");
    }();
    g.next();
    CHECK(g.throw_in(std::runtime_error("x")) == 2);
    CHECK_THROWS_WITH_AS(g.next(), "mine", std::logic_error);
    CHECK(g.done());
    CHECK_FALSE(g.next());
    auto not_started = count_to(3);
    CHECK_THROWS_WITH_AS(not_started.throw_in(std::runtime_error("right back")), "right back",
                         std::runtime_error);
    CHECK(not_started.done());
}

TEST_CASE("a generator that runs cannot be run, sent to or closed") {
    generator<int>* self = nullptr;
    std::vector<std::string> texts;
    auto g = [](generator<int>*& me, std::vector<std::string>& notes) -> generator<int> {
        notes.push_back(text_thrown_by([&] { me->next(); }));
        notes.push_back(text_thrown_by([&] { me->close(); }));
        notes.push_back(text_thrown_by([&] { me->throw_in(std::runtime_error("x")); }));
        co_yield 1;
    }(self, texts);
    self = &g;
    CHECK(g.next() == 1);
    for (const auto& text : texts) CHECK(contains(text, "it is running"));
    CHECK(texts.size() == 3);
}

TEST_CASE("a generator can be moved, also between two values, and yields what can only be moved") {
    auto a = []() -> generator<std::unique_ptr<int>> {
        for (int i = 1;; ++i) co_yield std::make_unique<int>(i);
    }();
    CHECK(**a.next() == 1);
    auto b = std::move(a);
    CHECK(**b.next() == 2);
    CHECK(a.done());  // NOLINT(bugprone-use-after-move): that is what is asked
    CHECK_FALSE(a.next());
    a = std::move(b);
    CHECK(**a.next() == 3);
}

TEST_CASE("a generator that its own body destroys or moves ends the program, and says why") {
    // Bug: the frame was gone when the body went on.
    const auto destroyed = death_by([] {
        std::optional<generator<int>> g;
        g.emplace([](std::optional<generator<int>>& me) -> generator<int> {
            me.reset();
            co_yield 1;
        }(g));
        g->next();
    });
    CHECK(destroyed.signal == SIGABRT);
    const auto moved = death_by([] {
        generator<int>* self = nullptr;
        auto g = [](generator<int>*& me) -> generator<int> {
            auto other = std::move(*me);
            co_yield 1;
        }(self);
        self = &g;
        g.next();
    });
    CHECK(moved.signal == SIGABRT);
#ifndef NDEBUG
    CHECK_MESSAGE(contains(destroyed.errors, "moved or destroyed by its own body"), destroyed.errors);
    CHECK_MESSAGE(contains(moved.errors, "moved or destroyed by its own body"), moved.errors);
#endif
}

TEST_CASE("a destructor that throws while its generator is destroyed ends the program") {
    // Bug: the frame that was being destroyed went on to its final suspension.
    struct throws {
        ~throws() noexcept(false) { throw std::runtime_error("from a destructor"); }
    };
    const auto its_end = death_by([] {
        auto g = []() -> generator<int> {
            const throws local;
            co_yield 1;
        }();
        g.next();
    });
    CHECK(its_end.signal == SIGABRT);
    // In a body that runs to its end it is an error like others.
    auto g = []() -> generator<int> {
        const throws local;
        co_yield 1;
    }();
    g.next();
    CHECK(text_thrown_by([&] { g.next(); }) == "from a destructor");
}
