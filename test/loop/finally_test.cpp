#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/attached_errors.hpp>
#include <simul/core/scopes.hpp>
#include <simul/core/this_task.hpp>
#include <simul/loop/finally.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/sleep.hpp>

using namespace simul;
using namespace simul::literals;

namespace {

struct noting_loop {
    std::vector<std::string> reported;
    virtual_loop loop{{.on_error = [this](std::exception_ptr error, std::string_view) {
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& e) {
            reported.push_back(e.what());
        }
    }}};
};

task<int> value_after(duration time, int value) {
    co_await sleep_for(time);
    co_return value;
}
task<> fail(std::string text) {
    co_await sleep_for(1s);
    throw std::runtime_error(text);
}

struct resource {
    static inline int open = 0;
    int number = 0;
    task<> close() {
        co_await sleep_for(1s);
        --open;
    }
};
task<resource> open_resource(int number) {
    co_await sleep_for(1s);
    ++resource::open;
    co_return resource{number};
}

}  // namespace

TEST_CASE("the clean-up runs after a result, an error and a cancel, and may wait each time") {
    virtual_loop loop;
    int cleaned = 0;
    loop.run([&]() -> task<> {
        auto cleanup = [&]() -> task<> {
            CHECK_FALSE(this_task::canceled());
            co_await sleep_for(1s);
            ++cleaned;
        };
        CHECK(co_await finally(value_after(1s, 3), cleanup) == 3);
        CHECK(cleaned == 1);
        CHECK((co_await outcome_of(finally(fail("no"), cleanup))).has_error());
        CHECK(cleaned == 2);
        CHECK_FALSE(co_await move_on_after(1s, finally(sleep_forever(), cleanup)));
        CHECK(cleaned == 3);
    });
    CHECK(loop.elapsed() == 6s);
}

TEST_CASE("a clean-up that exceeds its budget is abandoned and reported with what it was waiting for") {
    noting_loop on;
    bool went_on = false;
    on.loop.run([&]() -> task<> {
        auto never_ends = []() -> task<> { co_await sleep_forever(); };
        CHECK(co_await finally(value_after(1s, 3), never_ends, 2s) == 3);
        CHECK_FALSE(co_await move_on_after(1s, finally(sleep_forever(), never_ends)));
        went_on = true;
    });
    CHECK(went_on);
    CHECK(on.loop.elapsed() == 3s + 1s + cleanup_budget_default);
    REQUIRE(on.reported.size() == 2);
    CHECK(on.reported[0].find("budget of 2 s") != std::string::npos);
    CHECK(on.reported[0].find("sleep") != std::string::npos);
    CHECK(on.reported[0].find("finally_test.cpp") != std::string::npos);
    CHECK(on.reported[1].find("budget of 5 s") != std::string::npos);
}

TEST_CASE("an error of the clean-up is thrown, or attached to the error of the work") {
    virtual_loop loop;
    loop.run([]() -> task<> {
        auto fails = []() -> task<> { co_await fail("cleanup"); };
        std::string text;
        try {
            co_await finally(value_after(1s, 3), fails);
        } catch (const std::runtime_error& e) {
            text = e.what();
        }
        CHECK(text == "cleanup");
        std::size_t attached = 0;
        try {
            co_await finally(fail("work"), fails);
        } catch (const std::runtime_error& e) {
            text = e.what();
            attached = attached_errors(std::current_exception()).size();
        }
        CHECK(text == "work");
        CHECK(attached == 1);
    });
}

TEST_CASE("with closes what it opened, however the body ends") {
    virtual_loop loop;
    loop.run([]() -> task<> {
        resource::open = 0;
        const int got = co_await with(open_resource(7), [](resource& r) -> task<int> {
            CHECK(resource::open == 1);
            co_return r.number;
        });
        CHECK(got == 7);
        CHECK(resource::open == 0);
        CHECK((co_await outcome_of(with(open_resource(1), [](resource&) {
                  return fail("body");
              }))).has_error());
        CHECK(resource::open == 0);
        CHECK_FALSE(co_await move_on_after(
            3s, with(open_resource(1), [](resource&) -> task<> { co_await sleep_forever(); })));
        CHECK(resource::open == 0);
    });
}

TEST_CASE("with does not run its body if opening fails or is canceled, and loses nothing that was opened") {
    virtual_loop loop;
    loop.run([]() -> task<> {
        resource::open = 0;
        bool ran = false;
        auto body = [&](resource&) -> task<> {
            ran = true;
            co_return;
        };
        auto refused = []() -> task<resource> {
            co_await fail("refused");
            co_return resource{};
        };
        CHECK((co_await outcome_of(with(refused(), body))).has_error());
        CHECK_FALSE(co_await move_on_after(500ms, with(open_resource(1), body)));
        CHECK(resource::open == 0);
        CHECK_FALSE(co_await move_on_after(500ms, with(shield(open_resource(1)), body)));
        CHECK(resource::open == 0);
        CHECK_FALSE(ran);
    });
}
