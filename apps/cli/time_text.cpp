#include "time_text.hpp"

#include <simul/jobs/error.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace simul::cli {
namespace {

class time_reader {
  public:
    explicit time_reader(std::string_view text) : text_(text) {}

    std::optional<wall_time> read() {
        std::tm t{};
        std::int64_t micros = 0;
        if (!number(4, t.tm_year) || !take('-') || !number(2, t.tm_mon) || !take('-') ||
            !number(2, t.tm_mday))
            return std::nullopt;
        if (take('T') || take('t') || take(' ')) {
            if (!number(2, t.tm_hour) || !take(':') || !number(2, t.tm_min)) return std::nullopt;
            if (take(':')) {
                if (!number(2, t.tm_sec)) return std::nullopt;
                if ((take('.') || take(',')) && !fraction(micros)) return std::nullopt;
            }
        }
        const std::chrono::year_month_day date{std::chrono::year(t.tm_year),
                                               std::chrono::month(static_cast<unsigned>(t.tm_mon)),
                                               std::chrono::day(static_cast<unsigned>(t.tm_mday))};
        if (!date.ok() || t.tm_hour > 23 || t.tm_min > 59 || t.tm_sec > 59) return std::nullopt;
        if (at_ == text_.size()) return local(t, micros);
        int offset = 0;
        if (!read_offset(offset) || at_ != text_.size()) return std::nullopt;
        return wall_time(std::chrono::sys_days(date).time_since_epoch() + std::chrono::hours(t.tm_hour) +
                         std::chrono::minutes(t.tm_min - offset) + std::chrono::seconds(t.tm_sec) +
                         std::chrono::microseconds(micros));
    }

  private:
    bool take(char c) {
        if (at_ == text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    bool is_digit() const { return at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; }
    bool number(std::size_t digits, int& n) {
        n = 0;
        for (std::size_t i = 0; i < digits; ++i, ++at_) {
            if (!is_digit()) return false;
            n = n * 10 + (text_[at_] - '0');
        }
        return true;
    }
    bool fraction(std::int64_t& micros) {
        std::int64_t unit = 100'000;
        if (!is_digit()) return false;
        for (; is_digit(); ++at_, unit /= 10) {
            if (unit == 0) return false;
            micros += (text_[at_] - '0') * unit;
        }
        return true;
    }
    // In minutes.
    bool read_offset(int& offset) {
        if (take('Z') || take('z')) return true;
        const bool west = take('-');
        if (!west && !take('+')) return false;
        int hours = 0;
        int minutes = 0;
        if (!number(2, hours)) return false;
        if (at_ != text_.size()) {
            (void)take(':');
            if (!number(2, minutes)) return false;
        }
        if (hours > 23 || minutes > 59) return false;
        offset = (hours * 60 + minutes) * (west ? -1 : 1);
        return true;
    }
    // A time that the clocks leave out is moved by mktime; of one that comes twice it takes one. What was
    // understood is printed.
    static std::optional<wall_time> local(std::tm t, std::int64_t micros) {
        t.tm_year -= 1900;
        t.tm_mon -= 1;
        t.tm_isdst = -1;
        errno = 0;
        const std::time_t seconds = std::mktime(&t);
        if (seconds == -1 && errno != 0) return std::nullopt;
        return wall_time(std::chrono::seconds(seconds) + std::chrono::microseconds(micros));
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

std::tm local_fields(wall_time t) {
    const auto seconds =
        static_cast<std::time_t>(std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count());
    std::tm fields{};
    ::localtime_r(&seconds, &fields);
    return fields;
}

}  // namespace

wall_time read_time(const std::string& text, std::string_view option) {
    if (auto t = time_reader(text).read()) return *t;
    throw_job_error(job_errc::invalid_option,
                    fmt::format("--{} is '{}'; write a time as 2026-12-24T18:00:00 (local time), or with its "
                                "offset, 2026-12-24T18:00:00+01:00 or 2026-12-24T17:00:00Z",
                                option, escape_controls(text)));
}

std::string local_time_text(wall_time t) {
    const std::tm f = local_fields(t);
    const long minutes = f.tm_gmtoff / 60;
    const long size = std::labs(minutes);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}{:02}:{:02}", f.tm_year + 1900, f.tm_mon + 1,
                       f.tm_mday, f.tm_hour, f.tm_min, f.tm_sec, minutes < 0 ? '-' : '+', size / 60,
                       size % 60);
}

std::string python_now_text(wall_time t) {
    const std::tm f = local_fields(t);
    const auto micros = (t - std::chrono::floor<std::chrono::seconds>(t)).count();
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}", f.tm_year + 1900, f.tm_mon + 1, f.tm_mday,
                       f.tm_hour, f.tm_min, f.tm_sec, micros);
}

}  // namespace simul::cli
