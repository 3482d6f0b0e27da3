#include <doctest/doctest.h>

#include <memory>
#include <string>

#include <simul/core/outcome.hpp>

#include "core/support.hpp"

using namespace simul;
using namespace simul::testing_core;

TEST_CASE("a new outcome holds nothing, and asking it for a value throws") {
    outcome<int> nothing;
    CHECK(nothing.how() == completion::none);
    CHECK_FALSE(nothing);
    CHECK_THROWS_AS(nothing.value(), canceled_error);
}

TEST_CASE("an outcome gives its value, throws its error, or says that the work was canceled") {
    outcome<int> o;
    o.set_value(3);
    CHECK(o.has_value());
    CHECK(o.value() == 3);
    o.set_error(std::make_exception_ptr(std::runtime_error("no")));
    CHECK(o.has_error());
    CHECK(o.error() != nullptr);
    CHECK_THROWS_WITH_AS(o.value(), "no", std::runtime_error);
    o.set_canceled();
    CHECK(o.canceled());
    CHECK(o.error() == nullptr);
    CHECK_THROWS_AS(std::move(o).value(), canceled_error);
}

TEST_CASE("outcomes of nothing, of references and of what can only be moved") {
    outcome<void> done;
    done.set_value();
    CHECK(done.has_value());
    done.value();
    int n = 1;
    outcome<int&> reference;
    reference.set_value(n);
    CHECK(&reference.value() == &n);
    CHECK(&std::move(reference).value() == &n);
    outcome<std::unique_ptr<int>> owner;
    owner.set_value(std::make_unique<int>(2));
    auto moved = std::move(owner);
    CHECK(*std::move(moved).value() == 2);
}

TEST_CASE("an outcome destroys what it holds exactly once, wherever it is moved") {
    counted::reset();
    {
        outcome<counted> a;
        a.set_value();
        outcome<counted> b = std::move(a);
        outcome<counted> c;
        c = std::move(b);
        outcome<counted>& same = c;
        c = std::move(same);
        CHECK(c.has_value());
        c.set_canceled();
        CHECK(c.canceled());
        b.set_error(std::make_exception_ptr(1));
    }
    CHECK(counted::live == 0);
    CHECK(counted::destroyed_twice == 0);
}

TEST_CASE("an error that is taken leaves no share of the exception behind") {
    struct counting {
        explicit counting(std::shared_ptr<int> shared) : mine(std::move(shared)) {}
        std::shared_ptr<int> mine;
    };
    auto shared = std::make_shared<int>(1);
    outcome<int> o;
    o.set_error(std::make_exception_ptr(counting(shared)));
    CHECK(shared.use_count() == 2);
    CHECK_THROWS_AS(o.value(), counting);  // only looked at: it can be thrown again
    CHECK(shared.use_count() == 2);
    CHECK_THROWS_AS(std::move(o).value(), counting);
    CHECK(shared.use_count() == 1);
    CHECK(o.how() == completion::none);
}

TEST_CASE("a value whose constructor throws leaves the outcome empty") {
    struct thrower {
        explicit thrower(int) { throw std::runtime_error("constructor"); }
    };
    outcome<thrower> o;
    CHECK_THROWS_AS(o.set_value(1), std::runtime_error);
    CHECK(o.how() == completion::none);
}
