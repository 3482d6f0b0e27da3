#include <doctest/doctest.h>

#include <cerrno>
#include <ostream>
#include <simul/base/error.hpp>
#include <simul/base/limits.hpp>
#include <string>

using namespace simul;

namespace {

std::error_code from_errno(int err) { return {err, std::generic_category()}; }

// A module's category as the modules of the library write theirs.
class module_category_type final : public std::error_category {
  public:
    const char* name() const noexcept override { return "module"; }
    std::string message(int) const override { return "module error"; }
    std::error_condition default_error_condition(int value) const noexcept override {
        if (value == 1) return condition::retry_later;
        if (value == 2) return std::errc::connection_reset;
        return {value, *this};
    }
};
const module_category_type module_category;

}  // namespace

TEST_CASE("errno values are grouped by what the caller can do next") {
    CHECK(from_errno(EAGAIN) == condition::retry_later);
    CHECK(from_errno(EMFILE) == condition::retry_later);
    CHECK(from_errno(ECONNREFUSED) == condition::retry_later);
    CHECK(from_errno(ECONNRESET) == condition::disconnected);
    CHECK(from_errno(EPIPE) == condition::disconnected);
    CHECK(from_errno(ENOTCONN) == condition::disconnected);
    CHECK(from_errno(EHOSTUNREACH) == condition::disconnected);
    CHECK(from_errno(ETIMEDOUT) == condition::timed_out);
    CHECK(from_errno(ENOSYS) == condition::unsupported);
    CHECK(from_errno(EOPNOTSUPP) == condition::unsupported);
    CHECK(from_errno(EINVAL) == condition::invalid);
    CHECK(std::error_code(EPIPE, std::system_category()) == condition::disconnected);
}

TEST_CASE("an error code belongs to one condition or to none") {
    constexpr condition all[] = {condition::retry_later, condition::disconnected, condition::timed_out,
                                 condition::unsupported, condition::invalid};
    for (int err = 1; err < 134; ++err) {
        int matches = 0;
        for (condition c : all) matches += from_errno(err) == c;
        CHECK(matches == (condition_of_errno(err) ? 1 : 0));
    }
    CHECK_FALSE(condition_of_errno(ENOENT));
    CHECK_FALSE(condition_of_errno(EACCES));
    CHECK_FALSE(condition_of_errno(0));
}

TEST_CASE("success belongs to no condition") {
    CHECK_FALSE(std::error_code() == condition::retry_later);
    CHECK_FALSE(std::error_code() == condition::invalid);
}

TEST_CASE("the library's own errors have conditions and equal their standard twins") {
    CHECK(make_error_code(errc::timed_out) == condition::timed_out);
    CHECK(make_error_code(errc::timed_out) == std::errc::timed_out);
    CHECK(make_error_code(errc::canceled) == std::errc::operation_canceled);
    CHECK(make_error_code(errc::deadlock) == std::errc::resource_deadlock_would_occur);
    CHECK(make_error_code(errc::end_of_stream) == condition::disconnected);
    CHECK(make_error_code(errc::limit_exceeded) == condition::invalid);
    CHECK(make_error_code(errc::not_supported) == condition::unsupported);
    CHECK_FALSE(make_error_code(errc::canceled) == condition::timed_out);
    CHECK_FALSE(make_error_code(errc::closed) == std::errc::operation_canceled);
}

TEST_CASE("every error of the library has a text of its own") {
    for (int value = 1; value <= static_cast<int>(errc::not_supported); ++value)
        CHECK(simul_category().message(value).find("unknown") == std::string::npos);
    for (int value = 1; value <= static_cast<int>(condition::invalid); ++value)
        CHECK(condition_category().message(value).find("unknown") == std::string::npos);
    CHECK(simul_category().message(9999) == "unknown error 9999");
    CHECK(condition_category().message(9999) == "unknown condition 9999");
}

TEST_CASE("a module's category takes part through its default condition") {
    CHECK(std::error_code(1, module_category) == condition::retry_later);
    CHECK(std::error_code(2, module_category) == condition::disconnected);
    CHECK_FALSE(std::error_code(3, module_category) == condition::invalid);
}

TEST_CASE("throw_errno names the call and its subject") {
    try {
        throw_errno(ECONNREFUSED, "connect 10.0.0.1:443");
    } catch (const std::system_error& e) {
        CHECK(std::string(e.what()) == "connect 10.0.0.1:443: Connection refused");
        CHECK(e.code() == std::errc::connection_refused);
        CHECK(e.code() == make_error_code(std::errc::connection_refused));
        return;
    }
    FAIL("throw_errno returned");
}

TEST_CASE("a data_error says its message and nothing else") {
    const data_error error("the url has no scheme");
    CHECK(std::string(error.what()) == "the url has no scheme");
    CHECK(error.code() == condition::invalid);
    CHECK(std::string(static_cast<const std::exception&>(data_error(error)).what()) ==
          "the url has no scheme");
}

TEST_CASE("a canceled_error carries the reason") {
    CHECK(std::string(canceled_error().what()) == "canceled");
    CHECK(canceled_error().reason().empty());
    const canceled_error error("the server stops");
    CHECK(std::string(error.what()) == "canceled: the server stops");
    CHECK(error.reason() == "the server stops");
    CHECK(canceled_error(error).reason() == "the server stops");
    CHECK(error.code() == errc::canceled);
}

TEST_CASE("a remote_error tells the type and the message of the other side") {
    const remote_error error("ValueError", "no such: word");
    CHECK(std::string(error.what()) == "ValueError: no such: word");
    CHECK(error.type_name() == "ValueError");
    CHECK(error.message() == "no such: word");
    CHECK(remote_error("E", "").message().empty());
}

TEST_CASE("a limit's error names the option that sets it") {
    try {
        throw_limit_exceeded("response header of http://example.org/", "header_bytes_max", 65536);
    } catch (const std::system_error& e) {
        CHECK(e.code() == errc::limit_exceeded);
        CHECK(std::string(e.what()) ==
              "response header of http://example.org/: more than 65536 (option header_bytes_max): limit "
              "exceeded");
        return;
    }
    FAIL("throw_limit_exceeded returned");
}
