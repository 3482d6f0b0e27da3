#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include <simul/base/time.hpp>
#include <simul/core/leaf.hpp>
#include <simul/loop/home.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/timer.hpp>
#include <simul/net/stream.hpp>

namespace simul::http::detail {

using simul::detail::io_op;
using simul::detail::leaf_operation;
using simul::detail::loop_access;
using simul::detail::scheduler;
using simul::detail::stream_access;

/// A stream with a buffer for what comes in, whose read can go on while nobody waits for it.
///
/// Theory. HTTP has to hear from a connection also when no task reads from it: an idle connection of a pool
/// that ends must be given up at once, a handler whose client has gone must be canceled, a response may come
/// while the request is still being sent. So the read belongs to the connection and not to who waits:
/// `fill()` waits for it, `watch()` starts it for nobody, and then `unattended()` hears of its end.
///
/// Invariants: (1) a read writes only behind end_, so input() stays valid while it is under way; (2) the
/// memory moves only while none is; (3) at most one task waits in fill() and one in send().
/// One timer serves all waiting: it is armed once and looks, when it fires, whether the time that counts has
/// moved on meanwhile, so that a request costs no arming and disarming.
class connection : private io_op, private simul::detail::timer, private simul::detail::loop_member {
  public:
    enum class filled { data, ended, timed_out, interrupted, full };
    enum class sent { all, failed, timed_out, interrupted };

    class fill_operation;
    class send_operation;

    connection(std::unique_ptr<stream> over, scheduler& on, std::size_t bytes_first);
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;
    virtual ~connection();

    /// What has come and was not consumed. Valid until the next fill() or watch().
    std::string_view input() const noexcept { return {memory_.get() + begin_, end_ - begin_}; }
    void consume(std::size_t count) noexcept { begin_ += count; }
    /// The peer has ended its side.
    bool ended() const noexcept { return ended_; }
    /// A read has failed: -errno or what the stream gives; -EOWNERDEAD: the loop has ended; 0: none.
    int failure() const noexcept { return failure_; }
    [[noreturn]] void throw_read_failure() const;
    [[noreturn]] void throw_send_failure() const {
        stream_access::throw_failure(*stream_, "write to", send_failure_);
    }

    /// Waits until more has come, at most `limit` and not beyond `latest`. A failed read throws
    /// std::system_error.
    fill_operation fill(duration limit, time_point latest = time_point::max()) noexcept;
    /// Sends all of `data`, which must live until it returns. `heed_input`: input that comes meanwhile
    /// interrupts it. After anything but `all` nothing more can be sent.
    send_operation send(std::string_view data, duration limit, time_point latest = time_point::max(),
                        bool heed_input = false) noexcept;

    /// Starts a read that nobody waits for, unless one is under way or cannot be.
    void watch() noexcept;
    /// A fill() that waits gives `interrupted`.
    void interrupt() noexcept;
    bool waits_for_input() const noexcept { return waiter_ != nullptr; }
    /// Ends a read that is under way, before it returns. For destructors of derived classes.
    void stop_reading() noexcept;

    /// From now on, `too_late()` is called if nobody waits in fill() at `at`.
    void set_idle_limit(time_point at) noexcept { set_due(at); }

    scheduler& on() const noexcept { return on_; }
    time_point now() const noexcept { return loop_access::of(on_).now(); }
    simul::stream& under() noexcept { return *stream_; }

  protected:
    /// A read that nobody waited for has ended: look at input(), ended(), failure().
    virtual void unattended() noexcept {}
    /// The time of set_idle_limit has passed.
    virtual void too_late() noexcept {}
    /// Ends the read under way; unattended() hears of it.
    void cancel_read() noexcept;
    bool reading() const noexcept { return reading_; }

  private:
    bool begin();
    bool took() noexcept;
    bool make_room() noexcept;
    void completed() noexcept override;
    void fired() noexcept override;
    void set_due(time_point at) noexcept;
    void end() noexcept;
    void loop_ended() noexcept override;

    static constexpr std::size_t buffer_bytes_max = 64 * 1024;

    scheduler& on_;
    std::unique_ptr<stream> stream_;
    std::unique_ptr<char[]> memory_;
    std::size_t capacity_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    time_point due_ = time_point::max();
    fill_operation* waiter_ = nullptr;
    send_operation* sender_ = nullptr;
    int failure_ = 0;
    int send_failure_ = 0;
    bool ended_ = false;
    bool reading_ = false;
    bool cancel_sent_ = false;
    bool grow_ = false;
};

class [[nodiscard]] connection::fill_operation final : public leaf_operation<fill_operation> {
  public:
    fill_operation(connection& from, duration limit, time_point latest) noexcept
        : from_(from), limit_(limit), latest_(latest) {}

    bool ready() noexcept {
        if (from_.failure_ == 0 && !from_.ended_) return false;
        outcome_ = filled::ended;
        return true;
    }
    bool start();
    filled result() const {
        if (from_.failure_ != 0) from_.throw_read_failure();
        return outcome_;
    }
    const char* describe() const noexcept override { return "read from an HTTP connection"; }

  private:
    friend connection;
    void on_cancel() noexcept override { from_.cancel_read(); }
    void done(int result) noexcept;
    void give(filled how) noexcept { outcome_ = how; }

    connection& from_;
    duration limit_;
    time_point latest_;
    filled outcome_ = filled::data;
};

class [[nodiscard]] connection::send_operation final : public leaf_operation<send_operation>,
                                                       private io_op,
                                                       private simul::detail::timer {
  public:
    send_operation(connection& to, std::string_view data, duration limit, time_point latest,
                   bool heed_input) noexcept
        : to_(to), rest_(data), limit_(limit), latest_(latest), heed_input_(heed_input) {}
    ~send_operation() { disarm(); }

    bool ready() const noexcept { return rest_.empty(); }
    bool start();
    sent result() const noexcept { return outcome_; }
    const char* describe() const noexcept override { return "write to an HTTP connection"; }

  private:
    friend connection;
    bool advance() noexcept;
    bool took() noexcept;
    void completed() noexcept override;
    void fired() noexcept override { stop_early(sent::timed_out); }
    void on_cancel() noexcept override { stop_early(sent::interrupted); }
    void stop_early(sent why) noexcept {
        early_ = why;
        stream_access::cancel_write(*to_.stream_, *this);
    }
    void disarm() noexcept {
        if (armed()) loop_access::timers(loop_access::of(to_.on_)).disarm(*this);
    }

    connection& to_;
    std::string_view rest_;
    duration limit_;
    time_point latest_;
    bool heed_input_;
    sent outcome_ = sent::all;
    sent early_ = sent::all;
};

inline connection::fill_operation connection::fill(duration limit, time_point latest) noexcept {
    return fill_operation(*this, limit, latest);
}
inline connection::send_operation connection::send(std::string_view data, duration limit, time_point latest,
                                                   bool heed_input) noexcept {
    return send_operation(*this, data, limit, latest, heed_input);
}

/// `from` and `limit` later, without overflow.
inline time_point later(time_point from, duration limit) noexcept {
    return limit >= time_point::max() - from ? time_point::max() : from + limit;
}

}  // namespace simul::http::detail
