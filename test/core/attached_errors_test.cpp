#include <doctest/doctest.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include <simul/core/attached_errors.hpp>

#include "core/support.hpp"

using namespace simul;
using namespace simul::testing_core;

namespace {
std::exception_ptr error(const std::string& text) {
    return std::make_exception_ptr(std::runtime_error(text));
}
}  // namespace

TEST_CASE("attached errors are found at the error they were attached to, in their order") {
    const auto first = error("first");
    const auto other = error("other");
    attach_error(first, error("a"));
    attach_error(first, error("b"));
    const auto found = attached_errors(first);
    REQUIRE(found.size() == 2);
    CHECK(text_thrown_by([&] { std::rethrow_exception(found[0]); }) == "a");
    CHECK(text_thrown_by([&] { std::rethrow_exception(found[1]); }) == "b");
    CHECK(attached_errors(other).empty());
    CHECK(attached_errors(nullptr).empty());
}

TEST_CASE("they are found in the handler, too, after the error was rethrown") {
    const auto first = error("first");
    attach_error(first, error("later"));
    std::size_t count = 0;
    try {
        try {
            std::rethrow_exception(first);
        } catch (...) {
            throw;
        }
    } catch (...) {
        count = attached_errors(std::current_exception()).size();
    }
    CHECK(count == 1);
}

TEST_CASE("an error is not attached to itself, and nothing is attached to nothing") {
    const auto first = error("first");
    attach_error(first, first);
    attach_error(first, nullptr);
    attach_error(nullptr, first);
    CHECK(attached_errors(first).empty());
}

TEST_CASE("only so many errors are remembered; the oldest are forgotten first") {
    const auto oldest = error("oldest");
    attach_error(oldest, error("x"));
    std::vector<std::exception_ptr> newer;
    for (std::size_t i = 0; i < attached_errors_max; ++i) {
        newer.push_back(error("newer"));
        attach_error(newer.back(), error("y"));
    }
    CHECK(attached_errors(oldest).empty());
    CHECK(attached_errors(newer.front()).size() == 1);
    CHECK(attached_errors(newer.back()).size() == 1);
}
