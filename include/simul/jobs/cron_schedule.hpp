#pragma once

#include <simul/jobs/record.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace date {
class time_zone;
}

namespace simul {

/// When something recurs, as crontab(5) writes it, in a time zone.
///
///     cron_schedule nightly("30 2 * * *", "Europe/Berlin");
///     wall_time first = nightly.next(now);
///
/// Five fields: minute 0-59, hour 0-23, day of the month 1-31, month 1-12 or jan-dec, day of the week 0-7 or
/// sun-sat (0 and 7 are Sunday). Each is `*`, a number, a range `9-17`, or a list of them with commas; a
/// range or `*` may have a step: `*/15`, `9-17/2`. `5/15` is `5-59/15`. Or one of @yearly (@annually),
/// @monthly,
/// @weekly, @daily (@midnight), @hourly. Where both days are restricted, either one is enough.
///
/// When clocks change, as with Vixie's cron: a schedule whose minute and hour do not begin with `*` is meant
/// for a time of the day. If that time is left out, it occurs once at the end of the gap; if it comes twice,
/// it occurs the first time. Every other schedule is meant for real time: `*/20 * * * *` occurs every 20
/// minutes.
///
/// A value; copies are cheap. Threads: any.
class cron_schedule {
  public:
    /// `zone`: a name of the system's time zones ("Europe/Berlin"), "UTC", or "local" for this machine's.
    /// Throws: job_errc::invalid_option, naming the field that cannot be read and what it may be; also for
    ///         what can never occur ("0 0 30 2 *") and for a zone that is not known.
    explicit cron_schedule(std::string_view text, std::string_view zone = "UTC");

    /// The first time of the schedule that is later than `after`, in whole minutes.
    wall_time next(wall_time after) const;

    const std::string& text() const noexcept { return text_; }
    /// The zone's full name, also where "local" was asked for.
    const std::string& zone() const noexcept { return zone_; }

    friend bool operator==(const cron_schedule& a, const cron_schedule& b) noexcept {
        return a.text_ == b.text_ && a.zone_ == b.zone_;
    }

  private:
    void read(std::string_view text);
    bool matches_day(std::int64_t local_day) const noexcept;
    std::optional<std::int64_t> first_local(std::int64_t from, std::int64_t limit) const noexcept;

    std::string text_;
    std::string zone_;
    std::uint64_t minutes_ = 0;  // bit n: minute n
    std::uint32_t hours_ = 0;
    std::uint32_t days_ = 0;
    std::uint16_t months_ = 0;
    std::uint8_t weekdays_ = 0;
    bool any_day_ = true;
    bool any_weekday_ = true;
    bool in_real_time_ = false;
    const date::time_zone* place_ = nullptr;  // lives as long as the program
};

}  // namespace simul
