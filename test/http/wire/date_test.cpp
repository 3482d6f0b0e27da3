#include <doctest/doctest.h>

#include <chrono>
#include <simul/http/wire/date.hpp>
#include <string_view>

using namespace simul::http;
using namespace std::chrono;
using namespace std::chrono_literals;

namespace {

constexpr sys_seconds sample = sys_days(1994y / November / 6) + 8h + 49min + 37s;

}  // namespace

TEST_CASE("dates are written in the one form that HTTP generates") {
    CHECK(format_date(sample) == "Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK(format_date(sys_seconds{}) == "Thu, 01 Jan 1970 00:00:00 GMT");
    CHECK(format_date(sys_days(2024y / February / 29) + 23h + 59min + 59s) ==
          "Thu, 29 Feb 2024 23:59:59 GMT");
    CHECK(format_date(sys_days(1969y / December / 31)) == "Wed, 31 Dec 1969 00:00:00 GMT");
}

TEST_CASE("dates are read in the three forms of RFC 9110") {
    CHECK(parse_date("Sun, 06 Nov 1994 08:49:37 GMT") == sample);
    CHECK(parse_date("Sunday, 06-Nov-94 08:49:37 GMT") == sample);
    CHECK(parse_date("Sun Nov  6 08:49:37 1994") == sample);
    CHECK(parse_date("Sun Nov 16 08:49:37 1994") == sample + days(10));
}

TEST_CASE("two digits of a year mean the nearer century") {
    const sys_seconds now = sys_days(2026y / January / 1);
    CHECK(parse_date("Sunday, 06-Nov-76 08:49:37 GMT", now) ==
          sys_days(2076y / November / 6) + 8h + 49min + 37s);
    CHECK(parse_date("Sunday, 06-Nov-77 08:49:37 GMT", now) ==
          sys_days(1977y / November / 6) + 8h + 49min + 37s);
}

TEST_CASE("every second of a leap year comes back") {
    for (sys_seconds time = sys_days(2024y / January / 1); time < sys_days(2025y / January / 1);
         time += 7h + 13min + 11s) {
        REQUIRE(parse_date(format_date(time)) == time);
    }
}

TEST_CASE("what is no HTTP date is nothing") {
    for (const std::string_view bad :
         {"", "now", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
          "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
          "Sun, 06 Nov 1994 08:60:37 GMT", "Son, 06 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
          "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, +6 Nov 1994 08:49:37 GMT",
          "Sunday, 06-Nov-1994 08:49:37 GMT", "Sun Nov  6 08:49:37 94", "0", "-1"}) {
        CAPTURE(bad);
        CHECK(parse_date(bad) == std::nullopt);
    }
}
