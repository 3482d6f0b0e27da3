#include <fmt/format.h>

#include <array>
#include <simul/http/wire/date.hpp>

namespace simul::http {
namespace {

using namespace std::chrono;

constexpr std::array<std::string_view, 7> days = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                  "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Takes from the front of a text; the first thing that does not fit makes everything after it fail.
class scanner {
  public:
    explicit scanner(std::string_view text) : rest_(text) {}

    bool ok() const noexcept { return ok_; }
    bool at_end() const noexcept { return ok_ && rest_.empty(); }

    void literal(std::string_view expected) {
        if (!ok_ || !rest_.starts_with(expected)) {
            ok_ = false;
            return;
        }
        rest_.remove_prefix(expected.size());
    }
    int number(std::size_t digits, bool space_padded = false) {
        if (!ok_ || rest_.size() < digits) return fail();
        int value = 0;
        for (std::size_t i = 0; i < digits; ++i) {
            const char c = rest_[i];
            if (c == ' ' && space_padded && i == 0) continue;
            if (c < '0' || c > '9') return fail();
            value = value * 10 + (c - '0');
        }
        rest_.remove_prefix(digits);
        return value;
    }
    template <std::size_t N>
    int one_of(const std::array<std::string_view, N>& names, std::size_t prefix = std::string_view::npos) {
        for (std::size_t i = 0; ok_ && i < N; ++i) {
            const std::string_view name = names[i].substr(0, prefix);
            if (rest_.starts_with(name)) {
                rest_.remove_prefix(name.size());
                return static_cast<int>(i);
            }
        }
        return fail();
    }
    seconds time_of_day() {
        const int hour = number(2);
        literal(":");
        const int minute = number(2);
        literal(":");
        const int second = number(2);
        if (hour > 23 || minute > 59 || second > 60) fail();  // 60: a leap second, read as the next one
        return hours(hour) + minutes(minute) + seconds(second);
    }

  private:
    int fail() {
        ok_ = false;
        return 0;
    }
    std::string_view rest_;
    bool ok_ = true;
};

std::optional<sys_seconds> make(const scanner& scan, int y, int month_index, int d, seconds of_day) {
    if (!scan.at_end()) return std::nullopt;
    const year_month_day date(year(y), month(static_cast<unsigned>(month_index + 1)),
                              day(static_cast<unsigned>(d)));
    if (!date.ok()) return std::nullopt;
    return sys_days(date) + of_day;
}

std::optional<sys_seconds> parse_fixed(std::string_view text) {  // Sun, 06 Nov 1994 08:49:37 GMT
    scanner scan(text);
    scan.one_of(days, 3);
    scan.literal(", ");
    const int d = scan.number(2);
    scan.literal(" ");
    const int m = scan.one_of(months);
    scan.literal(" ");
    const int y = scan.number(4);
    scan.literal(" ");
    const seconds of_day = scan.time_of_day();
    scan.literal(" GMT");
    return make(scan, y, m, d, of_day);
}

std::optional<sys_seconds> parse_rfc850(std::string_view text,
                                        sys_seconds now) {  // Sunday, 06-Nov-94 08:49:37 GMT
    scanner scan(text);
    scan.one_of(days);
    scan.literal(", ");
    const int d = scan.number(2);
    scan.literal("-");
    const int m = scan.one_of(months);
    scan.literal("-");
    const int two_digits = scan.number(2);
    scan.literal(" ");
    const seconds of_day = scan.time_of_day();
    scan.literal(" GMT");
    const int this_year = static_cast<int>(year_month_day(floor<std::chrono::days>(now)).year());
    int y = this_year - this_year % 100 + two_digits;
    if (y > this_year + 50) y -= 100;
    return make(scan, y, m, d, of_day);
}

std::optional<sys_seconds> parse_asctime(std::string_view text) {  // Sun Nov  6 08:49:37 1994
    scanner scan(text);
    scan.one_of(days, 3);
    scan.literal(" ");
    const int m = scan.one_of(months);
    scan.literal(" ");
    const int d = scan.number(2, true);
    scan.literal(" ");
    const seconds of_day = scan.time_of_day();
    scan.literal(" ");
    const int y = scan.number(4);
    return make(scan, y, m, d, of_day);
}

}  // namespace

std::string format_date(sys_seconds time) {
    const auto midnight = floor<std::chrono::days>(time);
    const year_month_day date(midnight);
    const hh_mm_ss of_day(time - midnight);
    return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                       days[weekday(midnight).c_encoding()].substr(0, 3), static_cast<unsigned>(date.day()),
                       months[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                       of_day.hours().count(), of_day.minutes().count(), of_day.seconds().count());
}

std::optional<sys_seconds> parse_date(std::string_view text, sys_seconds now) {
    if (const auto time = parse_fixed(text)) return time;
    if (const auto time = parse_asctime(text)) return time;
    return parse_rfc850(text, now);
}

}  // namespace simul::http
