#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/async_event.hpp>
#include <simul/core/async_generator.hpp>
#include <simul/core/async_mutex.hpp>
#include <simul/core/async_semaphore.hpp>
#include <simul/core/channel.hpp>
#include <simul/core/race.hpp>
#include <simul/core/scopes.hpp>
#include <simul/core/task_group.hpp>
#include <simul/loop/finally.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

#include "core/support.hpp"

// Random trees of combinators against a model that is a few lines long, and a scenario that is canceled at
// each of its steps.
using namespace simul;
using namespace simul::testing_core;

namespace {

enum class kind : std::uint8_t { sleep, fail, now, all, race, timeout, move_on, group };

/// A tree of work. Times are distinct, so no two things happen at one moment and the model needs no rule for
/// that.
struct node {
    kind what = kind::now;
    std::int64_t time = 0;  // of sleep, fail, timeout, move_on
    int id = 0;
    std::vector<node> children;
};

class maker {
  public:
    explicit maker(unsigned seed) : random_(seed) {}

    node make(int depth) {
        node n;
        n.id = ++count_;
        const int choice = static_cast<int>(random_() % (depth == 0 ? 3 : 8));
        n.what = static_cast<kind>(choice);
        // The lowest bits number the node: sums of a path of distinct numbers of this form differ.
        n.time = static_cast<std::int64_t>(random_() % 1000 + 1) * 1'000'000 + n.id;
        const auto children = n.what == kind::timeout || n.what == kind::move_on ? 1 : 1 + random_() % 4;
        if (n.what >= kind::all)
            for (std::size_t i = 0; i < children; ++i) n.children.push_back(make(depth - 1));
        return n;
    }

  private:
    std::mt19937 random_;
    int count_ = 0;
};

/// What comes of a tree that starts at time 0: a value (its number) or an error (its number), and when.
struct result {
    std::int64_t at = 0;
    bool failed = false;
    int id = 0;
};

result expect(const node& n) {
    switch (n.what) {
        case kind::now:
            return {0, false, n.id};
        case kind::sleep:
            return {n.time, false, n.id};
        case kind::fail:
            return {n.time, true, n.id};
        case kind::timeout:
        case kind::move_on: {
            const result inner = expect(n.children[0]);
            if (inner.at <= n.time) return inner;
            return {n.time, n.what == kind::timeout, n.what == kind::timeout ? n.id : 0};
        }
        case kind::all:
        case kind::group: {  // the first failure, else the last to end; its value is its own number
            result got{0, false, n.id};
            for (const node& child : n.children) {
                const result each = expect(child);
                if (each.failed && (!got.failed || each.at < got.at))
                    got = each;
                else if (!each.failed && !got.failed)
                    got.at = std::max(got.at, each.at);
            }
            return got;
        }
        case kind::race: {
            result first = expect(n.children[0]);
            for (const node& child : n.children)
                if (const result each = expect(child); each.at < first.at) first = each;
            return first;
        }
    }
    return {};
}

struct failure : std::runtime_error {
    explicit failure(int number) : std::runtime_error("failure"), id(number) {}
    int id;
};

task<int> perform(const node& n, counted = {}) {
    const counted local;
    switch (n.what) {
        case kind::now:
            co_return n.id;
        case kind::sleep:
            co_await sleep_for(duration(n.time));
            co_return n.id;
        case kind::fail:
            co_await sleep_for(duration(n.time));
            throw failure(n.id);
        case kind::timeout: {
            auto how = co_await outcome_of(timeout(duration(n.time), perform(n.children[0])));
            if (how.canceled()) co_await checkpoint();
            if (how.has_error() && this_loop().now() == time_point()) co_return 0;
            try {
                co_return std::move(how).value();
            } catch (const std::system_error& e) {
                if (e.code() != make_error_code(errc::timed_out)) throw;
            }
            throw failure(n.id);
        }
        case kind::move_on:
            co_return (co_await move_on_after(duration(n.time), perform(n.children[0]))).value_or(0);
        case kind::all:
            co_await all(n.children, [](const node& child) { return perform(child); });
            co_return n.id;
        case kind::group:
            co_return co_await with_group([&n](task_group& group) -> task<int> {
                for (const node& child : n.children)
                    group.spawn([&child](counted) -> task<> { co_await perform(child); }, counted{});
                co_return n.id;
            });
        case kind::race:
            co_return (co_await race(n.children, [](const node& child) { return perform(child); })).value;
    }
    co_return 0;
}

/// Are there two ends at the same moment that matter? Only things that end at once (time 0) can be.
bool ambiguous(const node& n) {
    if (n.what == kind::race) {
        int at_once = 0;
        for (const node& child : n.children)
            if (expect(child).at == 0) ++at_once;
        if (at_once > 1) return true;
    }
    return std::any_of(n.children.begin(), n.children.end(), ambiguous);
}

}  // namespace

TEST_CASE("random trees of combinators end as a model of time says, and destroy everything exactly once") {
    int compared = 0;
    int late_errors = 0;
    for (unsigned seed = 1; seed <= 600; ++seed) {
        CAPTURE(seed);
        const node tree = maker(seed).make(4);
        if (ambiguous(tree)) continue;
        const result expected = expect(tree);
        counted::reset();
        virtual_loop loop{{.on_error = [&](std::exception_ptr, std::string_view) { ++late_errors; }}};
        result got;
        loop.run([&]() -> task<> {
            auto how = co_await outcome_of(perform(tree));
            got.at = loop.elapsed().count();
            got.failed = how.has_error();
            try {
                got.id = std::move(how).value();
            } catch (const failure& e) {
                got.id = e.id;
            }
        });
        REQUIRE(got.at == expected.at);
        REQUIRE(got.failed == expected.failed);
        REQUIRE(got.id == expected.id);
        REQUIRE(counted::live == 0);
        REQUIRE(counted::destroyed_twice == 0);
        ++compared;
    }
    CHECK(compared > 300);
    CHECK(late_errors == 0);
}

TEST_CASE("random trees that are canceled at a random step destroy everything exactly once") {
    for (unsigned seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        const node tree = maker(seed).make(4);
        counted::reset();
        {
            virtual_loop loop{{.on_error = [](std::exception_ptr, std::string_view) {}}};
            auto running =
                loop.start([&]() -> task<> { static_cast<void>(co_await outcome_of(perform(tree))); });
            stepper steps(loop);
            for (unsigned i = 0; i < (seed * 7919) % 97; ++i) steps.step();
            running.cancel();
            while (!running.done()) REQUIRE(steps.step());
        }
        REQUIRE(counted::live == 0);
        REQUIRE(counted::destroyed_twice == 0);
    }
}

namespace {

/// A bit of everything: what is held, handed over, waited for and shielded.
struct scenario {
    channel<counted> items{1};
    async_mutex mutex;
    async_semaphore semaphore{2};
    async_event event;
    int cleaned = 0;
    int to_clean = 0;

    task<> produce() {
        for (int i = 0; i < 4; ++i) {
            auto permit = co_await semaphore.acquire();
            co_await items.send(counted{});
            if (i == 2) event.set();
        }
        items.close();
    }
    task<> consume(int) {
        while (auto item = co_await items.receive()) {
            auto lock = co_await mutex.lock();
            co_await sleep_for(1ms);
        }
    }
    async_generator<counted> events() {
        co_await event.wait();
        co_yield counted{};
        co_await sleep_for(1ms);
        co_yield counted{};
    }
    task<> watch() {
        auto stream = events();
        while (auto each = co_await timeout(1h, stream.next())) {
            auto two = co_await semaphore.acquire(2);
        }
    }
    task<> transact() {
        ++to_clean;
        co_await finally(move_on_after(2ms, sleep_for(5ms)), [this]() -> task<> {
            co_await sleep_for(1ms);
            ++cleaned;
        });
    }
    task<> play() {
        co_await with_group(
            [this](task_group& group) -> task<> {
                group.spawn([this] { return produce(); });
                group.spawn([this] { return consume(1); });
                group.spawn([this] { return consume(2); });
                co_await group.start([this](started<> ready) -> task<> {
                    ready.set();
                    co_await watch();
                });
                group.spawn([this] { return transact(); });
                co_await race(event.wait(), sleep_for(1h));
                co_await group.join();
            },
            {.limit = 4});
    }
};

}  // namespace

TEST_CASE("a scenario canceled at any of its steps leaves no leak, no waiter and no lock behind") {
    int steps_of_all = 0;
    for (int step = 0;; ++step) {
        CAPTURE(step);
        counted::reset();
        bool over = false;
        {
            virtual_loop loop;
            scenario played;
            auto running = loop.start([&] { return played.play(); });
            stepper steps(loop);
            for (int i = 0; i < step && !running.done(); ++i) REQUIRE(steps.step());
            over = running.done();
            running.cancel();
            for (int i = 0; !running.done(); ++i) {
                REQUIRE(i < 1000);
                REQUIRE(steps.step());
            }
            CHECK(played.cleaned == played.to_clean);
            CHECK_FALSE(played.mutex.locked());
            CHECK(played.semaphore.available() == 2);
            CHECK(counted::live == static_cast<int>(played.items.size()));
            CHECK(loop.statistics().timers_armed == 0);
        }  // channel, mutex ... assert here that nobody waits
        REQUIRE(counted::live == 0);
        REQUIRE(counted::destroyed_twice == 0);
        if (over) {
            steps_of_all = step;
            break;
        }
    }
    CHECK(steps_of_all > 30);
}
