#pragma once

#include <simul/core/intrusive_list.hpp>
#include <simul/core/scheduler.hpp>

/// How an object that lives outside of tasks (a stream, a listener, a client) belongs to a loop.
///
/// Theory. Such an object may outlive its loop: `http::client web; run(...);` is the natural way to write it.
/// So the loop knows its members and tells them when it ends. A member that only has to know whether its loop
/// is still there holds a `home`; one that has something under way there (a read, a timer) is a `loop_member`
/// and ends it. Afterwards it belongs to no loop, and the next one that uses it may be another.
/// Members are told in the opposite order of joining, so what an object is built on is still in place.
/// Joining and leaving are a few stores; using a loop costs what a plain pointer costs.
///
/// Threads: only the loop's, until it has ended.
namespace simul::detail {

struct loop_member_tag;

class loop_member : public list_node<loop_member_tag> {
  public:
    /// The loop ends, and the member has left it already. Whatever is under way there must be over when this
    /// returns; the kernel and the timers can still be used, and no task runs any more.
    virtual void loop_ended() noexcept = 0;

  protected:
    loop_member() = default;
    ~loop_member() { unlink(); }

    /// Makes it hear of the end of `loop`, and of no other's.
    void join(scheduler& loop) noexcept;
};

/// A pointer to the loop that an object belongs to; null before it has one, and when that loop has ended.
class home final : private loop_member {
  public:
    home() = default;
    home(home&& other) noexcept { take(other); }
    home& operator=(home&& other) noexcept {
        if (this != &other) take(other);
        return *this;
    }

    scheduler* get() const noexcept { return on_; }
    void set(scheduler& loop) noexcept {
        if (on_ == &loop) return;
        on_ = &loop;
        join(loop);
    }
    void clear() noexcept {
        on_ = nullptr;
        unlink();
    }

  private:
    void take(home& other) noexcept {
        scheduler* const theirs = other.on_;
        other.clear();
        clear();
        if (theirs != nullptr) set(*theirs);
    }
    void loop_ended() noexcept override { on_ = nullptr; }

    scheduler* on_ = nullptr;
};

}  // namespace simul::detail
