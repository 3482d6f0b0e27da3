#include <simul/jobs/cron_schedule.hpp>

#include <simul/jobs/error.hpp>

#include <date/tz.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace simul {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::int64_t minutes_of_day = 24 * 60;
/// The longest pause there is: from 29 February 2096 to that of 2104.
constexpr std::int64_t horizon_days = 9 * 366;

constexpr std::array<std::string_view, 12> month_names{"jan", "feb", "mar", "apr", "may", "jun",
                                                       "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> weekday_names{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct field {
    std::string_view name;
    int first;
    int last;
    std::string_view allowed;
};
constexpr std::array<field, 5> fields{{{"minute", 0, 59, "0-59"},
                                       {"hour", 0, 23, "0-23"},
                                       {"day of the month", 1, 31, "1-31"},
                                       {"month", 1, 12, "1-12 or jan-dec"},
                                       {"day of the week", 0, 7, "0-7 or sun-sat"}}};

struct shorthand {
    std::string_view name;
    std::string_view meaning;
};
constexpr std::array<shorthand, 7> shorthands{{{"@yearly", "0 0 1 1 *"},
                                               {"@annually", "0 0 1 1 *"},
                                               {"@monthly", "0 0 1 * *"},
                                               {"@weekly", "0 0 * * 0"},
                                               {"@daily", "0 0 * * *"},
                                               {"@midnight", "0 0 * * *"},
                                               {"@hourly", "0 * * * *"}}};

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
    throw_job_error(job_errc::invalid_option,
                    fmt::format("cron schedule '{}': {}", escape_controls(text), why));
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

std::optional<int> number_of(const field& f, std::string_view word) {
    const std::string small = lower(word);
    if (f.name == "month")
        for (std::size_t i = 0; i < month_names.size(); ++i)
            if (small == month_names[i]) return static_cast<int>(i) + 1;
    if (f.name == "day of the week")
        for (std::size_t i = 0; i < weekday_names.size(); ++i)
            if (small == weekday_names[i]) return static_cast<int>(i);
    int n = 0;
    auto [end, ec] = std::from_chars(word.data(), word.data() + word.size(), n);
    if (ec != std::errc() || end != word.data() + word.size() || n < f.first || n > f.last)
        return std::nullopt;
    return n;
}

// One field as bits; bit 7 of the weekdays is Sunday once more.
std::uint64_t read_field(std::string_view text, const field& f, std::string_view words) {
    std::uint64_t bits = 0;
    auto bad = [&](std::string_view part) {
        refuse(text, fmt::format("'{}' is no {} ({}, *, ranges a-b, steps a-b/n, lists with commas)",
                                 escape_controls(part), f.name, f.allowed));
    };
    std::size_t at = 0;
    for (bool more = true; more;) {
        const std::size_t end = std::min(words.find(',', at), words.size());
        more = end != words.size();
        const std::string_view part = words.substr(at, end - at);
        at = end + 1;
        std::string_view range = part.substr(0, part.find('/'));
        int step = 1;
        const bool stepped = range.size() != part.size();
        if (stepped) {
            const std::string_view digits = part.substr(range.size() + 1);
            auto [stop, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), step);
            if (ec != std::errc() || stop != digits.data() + digits.size() || step < 1 || step > f.last)
                bad(part);
        }
        int first = f.first;
        int last = f.name == "day of the week" ? 6 : f.last;
        if (range != "*") {
            const std::size_t dash = range.find('-');
            const auto from = number_of(f, range.substr(0, dash));
            if (!from) bad(part);
            first = *from;
            if (dash != range.npos) {
                const auto to = number_of(f, range.substr(dash + 1));
                if (!to) bad(part);
                last = *to;
                // "fri-sun": Sunday is the seventh day too.
                if (f.name == "day of the week" && last == 0 && first > 0) last = 7;
                if (last < first) bad(part);
            } else if (!stepped) {
                last = first;
            }
        }
        for (int n = first; n <= last; n += step) bits |= std::uint64_t{1} << n;
    }
    return bits;
}

std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> words;
    for (std::size_t at = 0; (at = text.find_first_not_of(" \t", at)) != text.npos;) {
        const std::size_t end = std::min(text.find_first_of(" \t", at), text.size());
        words.push_back(text.substr(at, end - at));
        at = end;
    }
    return words;
}

const date::time_zone* find_zone(std::string_view text, std::string_view zone) {
    try {
        return zone == "local" ? date::current_zone() : date::locate_zone(std::string(zone));
    } catch (const std::exception&) {  // its message names files of the database
        refuse(text,
               fmt::format("there is no time zone '{}' in this system's database (tzdata); write a name like "
                           "Europe/Berlin, UTC or local",
                           escape_controls(zone)));
    }
}

}  // namespace

cron_schedule::cron_schedule(std::string_view text, std::string_view zone) : text_(text) {
    std::string_view meaning = text;
    for (const shorthand& s : shorthands)
        if (lower(text) == s.name) meaning = s.meaning;
    if (meaning.starts_with('@')) {
        std::string known;
        for (const shorthand& s : shorthands) known += fmt::format("{}{}", known.empty() ? "" : ", ", s.name);
        refuse(text, fmt::format("that word is not known ({})", known));
    }
    read(meaning);
    place_ = find_zone(text, zone);
    zone_ = place_->name();
}

void cron_schedule::read(std::string_view text) {
    const std::vector<std::string_view> words = words_of(text);
    if (words.size() != fields.size())
        refuse(text_,
               fmt::format("it has {} fields; five are needed: minute, hour, day of the month, month, day of "
                           "the week (\"30 2 * * *\" is 02:30 each day)",
                           words.size()));
    std::array<std::uint64_t, 5> bits{};
    for (std::size_t i = 0; i < fields.size(); ++i) bits[i] = read_field(text_, fields[i], words[i]);
    minutes_ = bits[0];
    hours_ = static_cast<std::uint32_t>(bits[1]);
    days_ = static_cast<std::uint32_t>(bits[2]);
    months_ = static_cast<std::uint16_t>(bits[3]);
    weekdays_ = static_cast<std::uint8_t>((bits[4] | (bits[4] >> 7)) & 0x7f);
    any_day_ = words[2].starts_with('*');
    any_weekday_ = words[4].starts_with('*');
    in_real_time_ = words[0].starts_with('*') || words[1].starts_with('*');
    // 1970 begins a span with every kind of day that the calendar has in nine years.
    if (!first_local(0, horizon_days * minutes_of_day))
        refuse(text_, "it never occurs, because no such day is in the calendar");
}

// Where one of the two fields begins with a star (`*/2` does too) both must fit, as in cron.
bool cron_schedule::matches_day(std::int64_t local_day) const noexcept {
    const date::local_days day{date::days(local_day)};
    const date::year_month_day ymd(day);
    if ((months_ >> static_cast<unsigned>(ymd.month()) & 1) == 0) return false;
    const bool fits_day = (days_ >> static_cast<unsigned>(ymd.day()) & 1) != 0;
    const bool fits_weekday = (weekdays_ >> date::weekday(day).c_encoding() & 1) != 0;
    if (any_day_ || any_weekday_) return fits_day && fits_weekday;
    return fits_day || fits_weekday;
}

// The first minute that fits from `from` up to and without `limit`, in minutes of local time since 1970.
std::optional<std::int64_t> cron_schedule::first_local(std::int64_t from, std::int64_t limit) const noexcept {
    std::int64_t day = from / minutes_of_day - (from % minutes_of_day < 0 ? 1 : 0);
    auto minute_of_day = static_cast<int>(from - day * minutes_of_day);
    for (; day * minutes_of_day < limit; ++day, minute_of_day = 0) {
        if (!matches_day(day)) continue;
        for (int hour = minute_of_day / 60; hour < 24; ++hour) {
            if ((hours_ >> hour & 1) == 0) continue;
            for (int minute = hour == minute_of_day / 60 ? minute_of_day % 60 : 0; minute < 60; ++minute) {
                if ((minutes_ >> minute & 1) == 0) continue;
                const std::int64_t found = day * minutes_of_day + hour * 60 + minute;
                if (found < limit) return found;
                return std::nullopt;
            }
        }
    }
    return std::nullopt;
}

wall_time cron_schedule::next(wall_time after) const {
    const date::sys_seconds from{std::chrono::floor<minutes>(after) + minutes(1)};
    const date::sys_seconds end = from + date::days(horizon_days);
    auto local_minutes = [](date::sys_seconds t, seconds offset) {
        return std::chrono::ceil<minutes>(t.time_since_epoch() + offset).count();
    };
    // In each stretch of constant offset local time is real time, shifted.
    for (date::sys_seconds at = from; at < end;) {
        const date::sys_info here = place_->get_info(at);
        std::int64_t begin = local_minutes(at, here.offset);
        if (!in_real_time_ && at - here.begin < date::days(2)) {  // no change of a clock is longer
            const seconds before = place_->get_info(here.begin - seconds(1)).offset;
            const std::int64_t was = local_minutes(here.begin, before);
            // What the change left out occurs at its moment, once; what came before it does not come again.
            if (at == here.begin && was < begin && first_local(was, begin)) return wall_time(at);
            begin = std::max(begin, was);
        }
        const date::sys_seconds stop = std::min(here.end, end);
        if (const auto found = first_local(begin, local_minutes(stop, here.offset)))
            return wall_time(date::sys_seconds(minutes(*found)) - here.offset);
        at = stop;
    }
    // Not reached: a schedule that never occurs is refused when it is read.
    throw_job_error(job_errc::invalid_option,
                    fmt::format("cron schedule '{}' does not occur in nine years", text_));
}

}  // namespace simul
