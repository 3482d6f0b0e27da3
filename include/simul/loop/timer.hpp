#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <simul/base/time.hpp>
#include <simul/core/intrusive_list.hpp>

namespace simul::detail {

struct timer_tag;

/// Something that wants to be called at a time. It lives where it is used (in an awaiter) and is never
/// copied.
struct timer : list_node<timer_tag> {
    time_point deadline{};
    /// It ends something: of all that is due at one moment it fires last, so that a result that is there
    /// counts.
    bool is_limit = false;

    /// The time has come; the timer is disarmed and may be armed again or destroyed. Only posts; runs no user
    /// code.
    virtual void fired() noexcept = 0;
    bool armed() const noexcept { return linked(); }

  protected:
    ~timer() = default;
};

/// A hierarchical timing wheel (Varghese and Lauck, 1987): arming and disarming are O(1), without allocation.
///
/// Theory. Time is cut into ticks of 2^16 ns. Level L has 64 slots of 64^L ticks each; a timer sits in the
/// level of the highest 6-bit digit in which its tick differs from the current one, so it moves down a level
/// at most eight times, always when time reaches the beginning of its slot. When the current tick is its own,
/// it goes to `near_`, which is sorted by exact deadline: so timers fire in the order of their deadlines to
/// the nanosecond (equal ones in the order they were armed), and a virtual clock can jump exactly.
/// Invariants: (1) every timer in a slot has a tick after current_; (2) near_ is sorted; all ticks in it are
/// <= current_; (3) a set occupancy bit may belong to a slot that has become empty (disarm does not look),
/// never the other way.
class timer_wheel {
  public:
    explicit timer_wheel(time_point start) noexcept : current_(tick_of(start)) {}

    void arm(timer& t) noexcept;
    void disarm(timer& t) noexcept {
        if (!t.linked()) return;
        t.unlink();
        --count_;
    }
    std::size_t size() const noexcept { return count_; }

    /// When to look again: the next deadline, or an earlier time at which it will be known better.
    std::optional<time_point> next() noexcept;

    /// Fires all that is due at `now`: in the order of the deadlines, first those that are no limits, then
    /// those that are.
    void advance(time_point now) noexcept;

  private:
    static constexpr int tick_bits = 16;
    static constexpr int level_bits = 6;
    static constexpr int levels = 8;
    static constexpr unsigned slots = 1u << level_bits;
    using list = intrusive_list<timer, timer_tag>;

    static std::uint64_t tick_of(time_point at) noexcept {
        return static_cast<std::uint64_t>(at.time_since_epoch().count()) >> tick_bits;
    }
    struct position {
        int level;
        unsigned slot;
        std::uint64_t tick;
    };
    /// The occupied slot that begins next.
    std::optional<position> next_slot() noexcept;
    void insert(timer& t) noexcept;
    void insert_near(timer& t) noexcept;
    void sort_into_near(list& batch) noexcept;

    std::uint64_t current_;
    std::size_t count_ = 0;
    list near_;
    std::array<std::uint64_t, levels> occupied_{};
    std::array<std::array<list, slots>, levels> wheel_;
    struct entry {
        time_point deadline;
        std::size_t order;
        timer* what;
    };
    std::vector<entry> scratch_;  // for sorting
};

}  // namespace simul::detail
