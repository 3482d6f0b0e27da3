#include <simul/jobs/cron_schedule.hpp>
#include <simul/jobs/error.hpp>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <system_error>
#include <vector>

using namespace simul;
using std::chrono::minutes;

namespace {

wall_time at(const std::string& iso) {
    auto t = from_iso(iso + ":00.000000Z");
    REQUIRE(t);
    return *t;
}

// "2026-03-29T01:00": the next times after `from`, in UTC.
std::vector<std::string> times(const cron_schedule& schedule, const std::string& from, int count) {
    std::vector<std::string> out;
    wall_time t = at(from);
    for (int i = 0; i < count; ++i) {
        t = schedule.next(t);
        out.push_back(to_iso(t).substr(0, 16));
    }
    return out;
}

using list = std::vector<std::string>;

std::string refusal(const std::string& text, const std::string& zone = "UTC") {
    try {
        cron_schedule schedule(text, zone);
    } catch (const std::system_error& e) {
        CHECK(e.code() == job_errc::invalid_option);
        return e.what();
    }
    return "accepted";
}

// A field as the set of numbers that it was made from; a star goes up to `star_last`.
struct random_field {
    std::string text;
    std::vector<bool> fits;
    bool star = false;
};

template <class Random>
random_field make_field(Random& random, int first, int last, int star_last) {
    random_field f;
    f.fits.assign(static_cast<std::size_t>(star_last) + 1, false);
    auto number = [&](int from, int to) { return std::uniform_int_distribution<int>(from, to)(random); };
    if (number(0, 2) == 0) {
        const int step = number(0, 1) == 0 ? 1 : number(1, last);
        f.text = step == 1 ? "*" : fmt::format("*/{}", step);
        f.star = true;
        for (int n = first; n <= star_last; n += step) f.fits[static_cast<std::size_t>(n)] = true;
        return f;
    }
    for (int i = number(1, 3); i > 0; --i) {
        const int a = number(first, last);
        const int b = number(a, last);
        const int step = number(1, 5);
        switch (number(0, 2)) {
            case 0:
                f.text += fmt::format("{}{}", f.text.empty() ? "" : ",", a);
                f.fits[static_cast<std::size_t>(a)] = true;
                break;
            case 1:
                f.text += fmt::format("{}{}-{}", f.text.empty() ? "" : ",", a, b);
                for (int n = a; n <= b; ++n) f.fits[static_cast<std::size_t>(n)] = true;
                break;
            default:
                f.text += fmt::format("{}{}-{}/{}", f.text.empty() ? "" : ",", a, b, step);
                for (int n = a; n <= b; n += step) f.fits[static_cast<std::size_t>(n)] = true;
        }
    }
    return f;
}

}  // namespace

TEST_CASE("a cron schedule gives the times that crontab means") {
    CHECK(times(cron_schedule("30 2 * * *"), "2026-11-22T02:29", 2) ==
          list{"2026-11-22T02:30", "2026-11-23T02:30"});
    CHECK(times(cron_schedule("30 2 * * *"), "2026-11-22T02:30", 1) == list{"2026-11-23T02:30"});
    CHECK(times(cron_schedule("*/20 9-17/4 * * mon-fri"), "2026-11-20T17:20", 4) ==
          list{"2026-11-20T17:40", "2026-11-23T09:00", "2026-11-23T09:20", "2026-11-23T09:40"});
    CHECK(times(cron_schedule("5/25 0 1 JAN *"), "2026-11-22T00:00", 4) ==
          list{"2027-01-01T00:05", "2027-01-01T00:30", "2027-01-01T00:55", "2028-01-01T00:05"});
    CHECK(times(cron_schedule("0 0 29 2 *"), "2096-02-29T00:00", 1) == list{"2104-02-29T00:00"});
    CHECK(times(cron_schedule("0 0 * * 7"), "2026-11-22T00:00", 1) == list{"2026-11-29T00:00"});
    CHECK(times(cron_schedule("0 0 * * fri-sun"), "2026-11-26T12:00", 4) ==
          list{"2026-11-27T00:00", "2026-11-28T00:00", "2026-11-29T00:00", "2026-12-04T00:00"});
    CHECK(times(cron_schedule("@hourly"), "1969-12-31T23:30", 2) ==
          list{"1970-01-01T00:00", "1970-01-01T01:00"});
    CHECK(times(cron_schedule("@weekly"), "2026-11-22T00:00", 1) == list{"2026-11-29T00:00"});
    CHECK(times(cron_schedule("@Yearly"), "2026-11-22T00:00", 1) == list{"2027-01-01T00:00"});
}

TEST_CASE("with both kinds of day restricted, either one is enough") {
    // The 13th, and each Friday.
    CHECK(times(cron_schedule("0 12 13 * fri"), "2026-11-12T12:00", 4) ==
          list{"2026-11-13T12:00", "2026-11-20T12:00", "2026-11-27T12:00", "2026-12-04T12:00"});
    // A star with a step is no restriction of its own: both must fit.
    CHECK(times(cron_schedule("0 12 */2 * fri"), "2026-11-12T12:00", 2) ==
          list{"2026-11-13T12:00", "2026-11-27T12:00"});
}

TEST_CASE("a moment between two minutes counts to the minute before") {
    const wall_time t = at("2026-11-22T10:59") + std::chrono::microseconds(59'999'999);
    CHECK(to_iso(cron_schedule("0 * * * *").next(t)) == "2026-11-22T11:00:00.000000Z");
    CHECK(to_iso(cron_schedule("* * * * *").next(t)) == "2026-11-22T11:00:00.000000Z");
}

TEST_CASE("a time of the day that the clock leaves out occurs once, when the clock has changed") {
    // Berlin, 2026-03-29: after 01:59 comes 03:00, which is 01:00 UTC.
    CHECK(times(cron_schedule("30 2 * * *", "Europe/Berlin"), "2026-03-28T00:00", 3) ==
          list{"2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"});
    CHECK(times(cron_schedule("15,45 2 * * *", "Europe/Berlin"), "2026-03-29T00:00", 2) ==
          list{"2026-03-29T01:00", "2026-03-30T00:15"});
    CHECK(times(cron_schedule("0 3 * * *", "Europe/Berlin"), "2026-03-29T00:00", 2) ==
          list{"2026-03-29T01:00", "2026-03-30T01:00"});
    // Half an hour is left out on Lord Howe Island, from 02:00 to 02:30 on 2026-10-04, 15:30 UTC the day
    // before.
    CHECK(times(cron_schedule("10 2 * * *", "Australia/Lord_Howe"), "2026-10-03T12:00", 2) ==
          list{"2026-10-03T15:30", "2026-10-04T15:10"});
}

TEST_CASE("a time of the day that comes twice occurs the first time only") {
    // Berlin, 2026-10-25: 03:00 becomes 02:00 again at 01:00 UTC.
    CHECK(times(cron_schedule("30 2 * * *", "Europe/Berlin"), "2026-10-24T12:00", 2) ==
          list{"2026-10-25T00:30", "2026-10-26T01:30"});
    CHECK(times(cron_schedule("0 2,3 * * *", "Europe/Berlin"), "2026-10-24T12:00", 3) ==
          list{"2026-10-25T00:00", "2026-10-25T02:00", "2026-10-26T01:00"});
    // Asked in the middle of the second time round.
    CHECK(times(cron_schedule("50 2 * * *", "Europe/Berlin"), "2026-10-25T01:20", 1) ==
          list{"2026-10-26T01:50"});
}

TEST_CASE("what recurs all the time goes on in real time while clocks change") {
    CHECK(times(cron_schedule("*/30 * * * *", "Europe/Berlin"), "2026-03-29T00:30", 3) ==
          list{"2026-03-29T01:00", "2026-03-29T01:30", "2026-03-29T02:00"});
    CHECK(times(cron_schedule("*/30 * * * *", "Europe/Berlin"), "2026-10-24T23:45", 5) ==
          list{"2026-10-25T00:00", "2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30",
               "2026-10-25T02:00"});
    CHECK(times(cron_schedule("15 * * * *", "Europe/Berlin"), "2026-10-25T00:00", 3) ==
          list{"2026-10-25T00:15", "2026-10-25T01:15", "2026-10-25T02:15"});
}

TEST_CASE("a schedule gives the same times as a look at every minute") {
    std::mt19937 random(20261122);
    for (int round = 0; round < 300; ++round) {
        const random_field minute = make_field(random, 0, 59, 59);
        const random_field hour = make_field(random, 0, 23, 23);
        const random_field day = make_field(random, 1, 28, 31);
        const random_field month = make_field(random, 1, 12, 12);
        const random_field weekday = make_field(random, 0, 6, 6);
        const std::string text =
            fmt::format("{} {} {} {} {}", minute.text, hour.text, day.text, month.text, weekday.text);
        const cron_schedule schedule(text);
        using namespace std::chrono;
        const auto from = floor<minutes>(sys_days(year(2026) / 1 / 1)) +
                          minutes(std::uniform_int_distribution<int>(0, 600'000)(random));
        const wall_time got = schedule.next(wall_time(from));
        auto fits = [&](sys_time<minutes> t) {
            const sys_days date = floor<days>(t);
            const year_month_day ymd(date);
            const auto of_day = (t - date).count();
            const bool on_day = day.fits[static_cast<unsigned>(ymd.day())];
            const bool on_weekday = weekday.fits[std::chrono::weekday(date).c_encoding()];
            const bool either = !day.star && !weekday.star ? on_day || on_weekday : on_day && on_weekday;
            return either && month.fits[static_cast<unsigned>(ymd.month())] &&
                   hour.fits[static_cast<std::size_t>(of_day / 60)] &&
                   minute.fits[static_cast<std::size_t>(of_day % 60)];
        };
        auto expected = from + minutes(1);
        // Whole days first: a year has half a million minutes.
        while (!fits(expected)) {
            const sys_days date = floor<days>(expected);
            const year_month_day ymd(date);
            expected = month.fits[static_cast<unsigned>(ymd.month())] ? expected + minutes(1)
                                                                      : sys_time<minutes>(date + days(1));
        }
        CHECK_MESSAGE(got == wall_time(expected), text, " after ", to_iso(wall_time(from)), ": ", to_iso(got),
                      " and not ", to_iso(wall_time(expected)));
    }
}

TEST_CASE("a cron schedule that cannot be read is refused, and the field is named") {
    CHECK(refusal("* * * *") ==
          "cron schedule '* * * *': it has 4 fields; five are needed: minute, hour, day of the month, month, "
          "day of "
          "the week (\"30 2 * * *\" is 02:30 each day)");
    CHECK(refusal("0 30 2 * * *").find("it has 6 fields") != std::string::npos);
    CHECK(refusal("60 * * * *") ==
          "cron schedule '60 * * * *': '60' is no minute (0-59, *, ranges a-b, steps a-b/n, lists with "
          "commas)");
    CHECK(refusal("0 24 * * *").find("'24' is no hour (0-23") != std::string::npos);
    CHECK(refusal("0 0 0 * *").find("'0' is no day of the month (1-31") != std::string::npos);
    CHECK(refusal("0 0 * foo *").find("'foo' is no month (1-12 or jan-dec") != std::string::npos);
    CHECK(refusal("0 0 * * 8").find("'8' is no day of the week (0-7 or sun-sat") != std::string::npos);
    CHECK(refusal("*/0 * * * *").find("'*/0' is no minute") != std::string::npos);
    CHECK(refusal("1,,2 * * * *").find("'' is no minute") != std::string::npos);
    CHECK(refusal("5-1 * * * *").find("'5-1' is no minute") != std::string::npos);
    CHECK(refusal("1-2-3 * * * *").find("'1-2-3' is no minute") != std::string::npos);
    CHECK(refusal("99999999999999999999 * * * *").find("is no minute") != std::string::npos);
    CHECK(refusal("0 0 30 2 *").find("it never occurs, because no such day is in the calendar") !=
          std::string::npos);
    CHECK(refusal("0 0 31 4,6 *").find("it never occurs") != std::string::npos);
    CHECK(refusal("@reboot").find(
              "that word is not known (@yearly, @annually, @monthly, @weekly, @daily, @midnight, "
              "@hourly)") != std::string::npos);
    CHECK(refusal("").find("it has 0 fields") != std::string::npos);
    CHECK(refusal("\x1b * * * *").find("'\\x1b' is no minute") != std::string::npos);
    CHECK(refusal("* * * * *", "Europe/Atlantis").find("there is no time zone 'Europe/Atlantis'") !=
          std::string::npos);
}

TEST_CASE("a zone is known by its name, and this machine's as local") {
    CHECK(cron_schedule("0 0 * * *", "Europe/Berlin").zone() == "Europe/Berlin");
    const cron_schedule here("0 0 * * *", "local");
    CHECK_FALSE(here.zone().empty());
    CHECK(here == cron_schedule("0 0 * * *", here.zone()));
}
