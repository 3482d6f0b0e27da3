#pragma once

#include <cassert>

#include <simul/core/leaf.hpp>

namespace simul {

/// A flag that tasks wait for. set() wakes all; it stays set until reset().
///
/// Elsewhere: asyncio.Event, manual_reset_event. Lifetime: must outlive its waiters. Threads: one loop; to
/// tell a loop something from another thread use a promise.
class async_event {
  public:
    async_event() = default;
    async_event(const async_event&) = delete;
    async_event& operator=(const async_event&) = delete;
    ~async_event() { assert(waiters_.empty() && "an async_event was destroyed while tasks wait for it"); }

    class wait_operation;
    /// Waits until it is set; at once if it is. A task woken by set() goes on even if reset() came before its
    /// turn.
    wait_operation wait() noexcept;

    inline void set() noexcept;
    void reset() noexcept { set_ = false; }
    bool is_set() const noexcept { return set_; }

  private:
    struct waiting_tag;
    bool set_ = false;
    detail::intrusive_list<wait_operation, waiting_tag> waiters_;
};

class [[nodiscard("await it: co_await event.wait()")]] async_event::wait_operation final
    : public detail::leaf_operation<wait_operation>,
      public detail::list_node<waiting_tag> {
  public:
    explicit wait_operation(async_event& event) noexcept : event_(event) {}
    ~wait_operation() { detail::list_node<waiting_tag>::unlink(); }

    bool ready() const noexcept { return event_.set_; }
    bool start() noexcept {
        event_.waiters_.push_back(*this);
        return true;
    }
    void result() const noexcept {}
    const char* describe() const noexcept override { return "wait for an async_event"; }
    void happened() noexcept { resume(); }

  private:
    void on_cancel() noexcept override {
        detail::list_node<waiting_tag>::unlink();
        stop();
    }
    async_event& event_;
};

inline async_event::wait_operation async_event::wait() noexcept { return wait_operation(*this); }

inline void async_event::set() noexcept {
    set_ = true;
    while (wait_operation* next = waiters_.pop_front()) next->happened();
}

}  // namespace simul
