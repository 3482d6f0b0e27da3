#pragma once

#include <cstddef>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <simul/core/leaf.hpp>
#include <simul/core/task.hpp>
#include <simul/loop/home.hpp>
#include <simul/loop/io.hpp>

/// Connections: what TCP, Unix sockets, TLS and the in-memory twin have in common.
///
/// Theory. The seam between a stream and who reads from it has the shape of the loop's own seam
/// (loop/io.hpp): an operation that lives in the awaiting frame is started, and is over at once or later. So
/// a read through `stream&` costs one virtual call and no coroutine frame, for a socket it *is* the kernel's
/// operation, and layers (TLS) are state machines that pass completions upwards.
///
/// Invariants: (1) at most one read and one write of a stream are under way; (2) an operation that is under
/// way has a task that waits for it, so when nobody waits the stream may be destroyed.
namespace simul {

class stream;

namespace detail {

/// The way into a stream's protected part, for operations and for streams on top of streams.
struct stream_access;

class [[nodiscard("await it: co_await stream.read_some(...)")]] read_operation final
    : public leaf_operation<read_operation>,
      private io_op {
  public:
    read_operation(stream& from, std::span<char> into) noexcept : from_(&from) {
        buffer = into.data();
        size = into.size();
    }
    read_operation(read_operation&& other) noexcept
        : read_operation(*other.from_, {static_cast<char*>(other.buffer), other.size}) {}

    bool ready() const noexcept { return false; }
    bool start();
    std::size_t result() const {
        if (io_op::result < 0) throw_failure();
        return static_cast<std::size_t>(io_op::result);
    }
    const char* describe() const noexcept override { return "read from a stream"; }

  private:
    [[noreturn]] void throw_failure() const;
    void on_cancel() noexcept override;
    void completed() noexcept override;

    stream* from_;
};

class [[nodiscard("await it: co_await stream.write_all(...)")]] write_operation_base : public leaf,
                                                                                       private io_op {
  public:
    const char* describe() const noexcept override { return "write to a stream"; }

  protected:
    write_operation_base(stream& to, std::string_view data, bool all) noexcept
        : to_(&to), rest_(data), all_(all) {}
    write_operation_base(write_operation_base&& other) noexcept
        : write_operation_base(*other.to_, other.rest_, other.all_) {}
    ~write_operation_base() = default;

    bool nothing_to_do() const noexcept { return rest_.empty(); }
    bool begin();
    std::size_t finish() const {
        if (io_op::result < 0) throw_failure();
        return written_;
    }

  private:
    [[noreturn]] void throw_failure() const;
    bool advance() noexcept;
    bool took() noexcept;
    void on_cancel() noexcept override;
    void completed() noexcept override;
    void give_up() noexcept;

    stream* to_;
    std::string_view rest_;
    std::size_t written_ = 0;
    bool all_;
};

/// The awaiter protocol over leaf, as in leaf_operation, with the work in the base.
template <class Result>
class [[nodiscard("await it: co_await stream.write_all(...)")]] write_operation final
    : public write_operation_base {
  public:
    write_operation(stream& to, std::string_view data) noexcept
        : write_operation_base(to, data, std::is_void_v<Result>) {}
    write_operation(write_operation&&) noexcept = default;

    bool await_ready() const noexcept { return !canceled() && nothing_to_do(); }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise>) {
        static_assert(std::is_base_of_v<promise_base, Promise>,
                      "this operation can only be awaited in a simul::task or simul::async_generator");
        if (canceled())
            stop();
        else if (!begin())
            return false;
        enter_scope();
        return true;
    }
    Result await_resume() const { return static_cast<Result>(finish()); }
};

}  // namespace detail

/// A two-way connection of bytes: TCP, Unix socket, TLS, or in memory.
///
/// In flight together: one read and one write; a second of the same kind throws errc::wrong_state.
/// Lifetime: movable and destructible only while nothing is in flight. The destructor closes at once,
///           without ceremony; `co_await close()` is the polite end.
/// Threads:  it belongs to the loop that first uses it; from another one it throws errc::wrong_loop. When
///           that loop has ended, it may be destroyed anywhere, or belong to the next that uses it.
/// Errors:   std::system_error whose text names call and peer ("read from 10.0.0.1:443: ..."). A connection
///           that broke is condition::disconnected.
class stream {
  public:
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;
    virtual ~stream();

    /// Waits until some bytes have come, and gives their number; 0: the peer has ended its side.
    ///
    /// Lifetime: `into` must live until it returns; a canceled read does not touch it afterwards.
    /// Cancel:   nothing is lost; bytes that were not handed out are given to the next read.
    /// Throws:   EINVAL for an empty `into`, since 0 would look like the end.
    auto read_some(std::span<char> into) noexcept { return detail::read_operation(*this, into); }

    /// Writes all of `data`; returns when the transport has taken it (the peer may not have read it yet).
    ///
    /// Back-pressure: waits while the peer reads too slowly.
    /// Lifetime: `data` must live until it returns.
    /// Cancel:   how much has left is unknown then, so later writes throw net_errc::write_canceled; reading
    ///           goes on.
    auto write_all(std::string_view data) noexcept { return detail::write_operation<void>(*this, data); }

    /// Writes some of `data`, at least one byte unless it is empty; gives their number. Cancel: either it has
    /// written, then its result stands, or it has not.
    auto write_some(std::string_view data) noexcept {
        return detail::write_operation<std::size_t>(*this, data);
    }

    /// Ends our side; the peer reads 0. Reading goes on. No write may be in flight.
    virtual task<> shutdown_write() = 0;

    /// The polite end: says goodbye where the protocol has a word for it (TLS), and closes. Afterwards every
    /// operation throws errc::closed; closing again does nothing. While something is in flight:
    /// errc::wrong_state. Errors of saying goodbye are not thrown: the connection is gone either way.
    virtual task<> close() = 0;

    /// The peer in messages: "10.0.0.1:443", "/run/redis.sock", "example.org:443 (TLS)".
    virtual std::string describe() const = 0;

  protected:
    stream() = default;
    stream(stream&& other) noexcept;
    stream& operator=(stream&& other) noexcept;

    // The seam, for those who write a stream. `op.buffer` and `op.size` (never 0) are given.

    /// Starts a read. True: over at once, and op.result is set (bytes, 0 at the end, or -errno). Else
    /// op.completed() is called later. completed() may start the next operation.
    virtual bool begin_read(detail::io_op& op) noexcept = 0;
    /// Ends it early: leads to completed(), now or later, with -ECANCELED, or with the result if that came
    /// first.
    virtual void cancel_read(detail::io_op& op) noexcept = 0;
    /// The same for a write of at least one byte.
    virtual bool begin_write(detail::io_op& op) noexcept = 0;
    virtual void cancel_write(detail::io_op& op) noexcept = 0;
    /// Throws for a negative result. `call`: "read from", "write to".
    [[noreturn]] virtual void throw_failure(const char* call, int result) const;

    /// The loop it belongs to; null before its first use.
    detail::scheduler* on() const noexcept { return on_.get(); }
    /// Makes it belong to `loop`; throws errc::wrong_loop if it belongs to another one.
    void bind(detail::scheduler& loop) {
        if (on_.get() != &loop) bind_first(loop);
    }
    /// It belongs to `loop` now. A stream on top of another one binds that too.
    virtual void bound(detail::scheduler& loop) { static_cast<void>(loop); }
    bool in_flight() const noexcept { return reader_ != nullptr || writer_ != nullptr; }
    /// Throws errc::wrong_state if something is in flight (only a write matters for `shutdown_write`).
    void require_idle(const char* call, bool only_write = false) const;
    /// Writes of this stream have lost their place.
    void refuse_writes() noexcept { write_canceled_ = true; }
    bool writes_refused() const noexcept { return write_canceled_; }

  private:
    friend detail::stream_access;
    void bind_first(detail::scheduler& loop);

    detail::home on_;
    detail::io_op* reader_ = nullptr;
    detail::io_op* writer_ = nullptr;
    unsigned at_once_ = 0;
    bool write_canceled_ = false;
};

namespace detail {

struct stream_access {
    /// So many operations complete at once before one goes through the ready queue, so that a stream that is
    /// always ready lets the others run.
    static constexpr unsigned at_once_max = 64;

    static void claim_read(stream& s, scheduler& on, io_op& op);
    static void claim_write(stream& s, scheduler& on, io_op& op);
    static void release_read(stream& s) noexcept { s.reader_ = nullptr; }
    static void release_write(stream& s) noexcept { s.writer_ = nullptr; }
    static bool others_first(stream& s) noexcept { return ++s.at_once_ % at_once_max == 0; }

    static void bind(stream& s, scheduler& on) { s.bind(on); }
    static bool begin_read(stream& s, io_op& op) noexcept { return s.begin_read(op); }
    static void cancel_read(stream& s, io_op& op) noexcept { s.cancel_read(op); }
    static bool begin_write(stream& s, io_op& op) noexcept { return s.begin_write(op); }
    static void cancel_write(stream& s, io_op& op) noexcept { s.cancel_write(op); }
    static void refuse_writes(stream& s) noexcept { s.refuse_writes(); }
    [[noreturn]] static void throw_failure(const stream& s, const char* call, int result) {
        s.throw_failure(call, result);
        std::abort();  // not reached; g++ does not believe a virtual function that it never returns
    }
};

}  // namespace detail
}  // namespace simul
