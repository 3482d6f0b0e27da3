#include <simul/core/call_context.hpp>

#include <doctest/doctest.h>

#include <thread>

#include <simul/base/error.hpp>

using namespace simul;

TEST_CASE("outside of a call there is no deadline and nobody cancels") {
    CHECK(!here().deadline());
    CHECK(here().time_left() == duration::max());
    CHECK(!here().canceled());
    CHECK_NOTHROW(here().throw_if_canceled());
}

TEST_CASE("a context is that of its thread, and the one before comes back") {
    std::atomic<bool> cancel{false};
    const time_point deadline = clock::now() + 1h;
    {
        detail::call_context_scope outer(call_context(deadline, &cancel));
        CHECK(here().deadline() == deadline);
        CHECK(here().time_left() > 59min);
        {
            detail::call_context_scope inner(call_context{});
            CHECK(!here().deadline());
        }
        CHECK(here().deadline() == deadline);
        std::thread([] { CHECK(!here().deadline()); }).join();
    }
    CHECK(!here().deadline());
}

TEST_CASE("a canceled caller and a passed deadline are both a cancel") {
    std::atomic<bool> cancel{false};
    detail::call_context_scope scope(call_context(time_point::max(), &cancel));
    CHECK(!here().canceled());
    cancel = true;
    CHECK(here().canceled());
    CHECK_THROWS_AS(here().throw_if_canceled(), canceled_error);

    detail::call_context_scope late(call_context(clock::now() - 1s, nullptr));
    CHECK(here().time_left() == duration::zero());
    CHECK(here().canceled());
    CHECK_THROWS_WITH(here().throw_if_canceled(), "canceled: the deadline of the call has passed");
}
