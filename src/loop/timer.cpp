#include <simul/loop/timer.hpp>

#include <algorithm>
#include <bit>

namespace simul::detail {

void timer_wheel::arm(timer& t) noexcept {
    ++count_;
    insert(t);
}

void timer_wheel::insert(timer& t) noexcept {
    const std::uint64_t tick = t.deadline.time_since_epoch().count() < 0 ? 0 : tick_of(t.deadline);
    if (tick <= current_) {
        insert_near(t);
        return;
    }
    const int level = (63 - std::countl_zero(tick ^ current_)) / level_bits;
    const unsigned slot = static_cast<unsigned>(tick >> (level * level_bits)) % slots;
    wheel_[static_cast<std::size_t>(level)][slot].push_back(t);
    occupied_[static_cast<std::size_t>(level)] |= std::uint64_t{1} << slot;
}

void timer_wheel::insert_near(timer& t) noexcept {
    list_node<timer_tag>* at = near_.end_node();
    while (at->prev != near_.end_node() && static_cast<timer*>(at->prev)->deadline > t.deadline)
        at = at->prev;
    list::insert_before(*at, t);
}

void timer_wheel::sort_into_near(list& batch) noexcept {
    bool sorted = true;
    time_point last = time_point::min();
    batch.for_each([&](timer& t) {
        sorted = sorted && last <= t.deadline;
        last = t.deadline;
    });
    if (!sorted) {
        try {
            scratch_.clear();
            batch.for_each([&](timer& t) { scratch_.push_back({t.deadline, scratch_.size(), &t}); });
            std::sort(scratch_.begin(), scratch_.end(), [](const entry& a, const entry& b) {
                return a.deadline != b.deadline ? a.deadline < b.deadline : a.order < b.order;
            });
            for (const entry& each : scratch_) {
                each.what->unlink();
                batch.push_back(*each.what);
            }
            if (scratch_.capacity() > 4096) scratch_ = {};
        } catch (...) {  // no memory for sorting: insert one by one
            while (timer* t = batch.pop_front()) insert_near(*t);
            return;
        }
    }
    near_.splice_back(batch);
}

std::optional<timer_wheel::position> timer_wheel::next_slot() noexcept {
    for (int level = 0; level < levels; ++level) {
        auto& bits = occupied_[static_cast<std::size_t>(level)];
        const int shift = level * level_bits;
        while (bits != 0) {
            // All timers of a level lie in the part of the turn that is still to come (invariant 1), so the
            // lowest bit is the next.
            const unsigned slot = static_cast<unsigned>(std::countr_zero(bits));
            if (wheel_[static_cast<std::size_t>(level)][slot].empty()) {
                bits &= ~(std::uint64_t{1} << slot);
                continue;
            }
            const int above = shift + level_bits;
            const std::uint64_t turn = above >= 64 ? 0 : (current_ >> above) << above;
            return position{level, slot, turn | (std::uint64_t{slot} << shift)};
        }
    }
    return std::nullopt;
}

std::optional<time_point> timer_wheel::next() noexcept {
    if (!near_.empty()) return near_.front().deadline;
    if (count_ == 0) return std::nullopt;
    auto slot = next_slot();
    if (!slot) return std::nullopt;
    if (slot->level == 0) {  // the exact deadline is worth a short look: it saves a wake-up
        constexpr int looks_max = 8;
        list& timers = wheel_[0][slot->slot];
        time_point first = time_point::max();
        int looks = 0;
        timer* t = timers.first();
        for (; t != nullptr && looks < looks_max; t = timers.after(*t), ++looks)
            first = std::min(first, t->deadline);
        if (t == nullptr) return first;
    }
    return time_point(duration(static_cast<duration::rep>(slot->tick << tick_bits)));
}

void timer_wheel::advance(time_point now) noexcept {
    const std::uint64_t until = tick_of(now);
    while (current_ < until) {
        auto slot = count_ == 0 ? std::nullopt : next_slot();
        if (!slot || slot->tick > until) {
            current_ = until;
            break;
        }
        current_ = slot->tick;
        list batch;
        batch.splice_back(wheel_[static_cast<std::size_t>(slot->level)][slot->slot]);
        occupied_[static_cast<std::size_t>(slot->level)] &= ~(std::uint64_t{1} << slot->slot);
        if (slot->level == 0) {
            sort_into_near(batch);
        } else {
            list due;
            while (timer* t = batch.pop_front()) {
                if (tick_of(t->deadline) <= current_)
                    due.push_back(*t);
                else
                    insert(*t);
            }
            sort_into_near(due);
        }
    }
    // A limit waits in a list of its own, from which what fires before it may still disarm it.
    list limits;
    while (!near_.empty() && near_.front().deadline <= now) {
        timer* due = near_.pop_front();
        if (due->is_limit) {
            limits.push_back(*due);
            continue;
        }
        --count_;
        due->fired();
    }
    while (timer* limit = limits.pop_front()) {
        --count_;
        limit->fired();
    }
}

}  // namespace simul::detail
