#include <simul/loop/finally.hpp>
#include <simul/loop/timeout.hpp>

#include <fmt/format.h>

namespace simul::detail {

void throw_timed_out(duration limit, const std::source_location&) {
    throw std::system_error(make_error_code(errc::timed_out), "no result within " + describe(limit));
}

void cleanup_operation::fired() noexcept {
    std::string tree;
    this->inner().for_each_leaf([&](leaf& waiting) {
        tree += fmt::format("\n  {}\n{}", waiting.describe(), async_stack(waiting.awaiting(), "    "));
    });
    this->on().report(
        std::make_exception_ptr(std::system_error(
            make_error_code(errc::budget_exceeded),
            "a clean-up took longer than its budget of " + describe(limit_) + " and was abandoned:" + tree)),
        "finally");
    timed_child<void>::fired();
}

}  // namespace simul::detail
