#pragma once

#include <deque>
#include <string>
#include <utility>

#include <simul/net/stream.hpp>

/// What TCP and Unix sockets share.
namespace simul::detail {

/// A socket that is closed with its owner.
class descriptor {
  public:
    descriptor() = default;
    explicit descriptor(int fd) noexcept : fd_(fd) {}
    descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)), on_(std::move(other.on_)) {}
    descriptor& operator=(descriptor&& other) noexcept {
        if (this == &other) return *this;
        close();
        fd_ = std::exchange(other.fd_, -1);
        on_ = std::move(other.on_);
        return *this;
    }
    ~descriptor() { close(); }

    int get() const noexcept { return fd_; }
    bool open() const noexcept { return fd_ >= 0; }
    /// The loop that has to forget it before it is closed.
    void used_on(scheduler& loop) noexcept { on_.set(loop); }
    void close() noexcept;
    /// Gives it away; the loop forgets it.
    int release() noexcept;

  private:
    void forget() noexcept;

    int fd_ = -1;
    home on_;
};

class socket_stream : public stream {
  public:
    /// The descriptor, for options that have no name here; -1 when closed. It stays the stream's.
    int native_handle() const noexcept { return socket_.get(); }
    /// Takes the descriptor out, for another loop or library; the stream is closed then. Nothing may be in
    /// flight.
    int release();

    task<> shutdown_write() override;
    task<> close() override;

  protected:
    explicit socket_stream(descriptor socket) noexcept : socket_(std::move(socket)) {}
    socket_stream(socket_stream&&) noexcept = default;
    socket_stream& operator=(socket_stream&&) noexcept = default;

    bool begin_read(io_op& op) noexcept final;
    void cancel_read(io_op& op) noexcept final;
    bool begin_write(io_op& op) noexcept final;
    void cancel_write(io_op& op) noexcept final;
    [[noreturn]] void throw_failure(const char* call, int result) const override;

  private:
    descriptor socket_;
};

class socket_listener;
struct accept_tag;

class [[nodiscard("await it: co_await listener.accept()")]] accept_operation_base
    : public leaf,
      private io_op,
      private list_node<accept_tag> {
  public:
    const char* describe() const noexcept override { return "accept a connection"; }

  protected:
    explicit accept_operation_base(socket_listener& from) noexcept : from_(&from) {}
    accept_operation_base(accept_operation_base&& other) noexcept : accept_operation_base(*other.from_) {}
    ~accept_operation_base();

    bool begin();
    descriptor finish();

  private:
    friend socket_listener;
    friend intrusive_list<accept_operation_base, accept_tag>;
    bool advance() noexcept;
    bool took() noexcept;
    void on_cancel() noexcept override;
    void on_cancel_late() noexcept override;
    void completed() noexcept override;

    socket_listener* from_;
    descriptor accepted_;
};

template <class Stream>
class [[nodiscard("await it: co_await listener.accept()")]] accept_operation final
    : public accept_operation_base {
  public:
    explicit accept_operation(socket_listener& from) noexcept : accept_operation_base(from) {}
    accept_operation(accept_operation&&) noexcept = default;

    bool await_ready() const noexcept { return false; }
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
    Stream await_resume() { return Stream(finish()); }
};

class socket_listener {
  public:
    socket_listener(const socket_listener&) = delete;
    socket_listener& operator=(const socket_listener&) = delete;

    int native_handle() const noexcept { return socket_.get(); }
    /// Stops listening; connections that were not accepted are refused. No accept may be in flight.
    void close();
    /// The address in messages.
    const std::string& describe() const noexcept { return name_; }

  protected:
    socket_listener(descriptor socket, std::string name) noexcept
        : socket_(std::move(socket)), name_(std::move(name)) {}
    socket_listener(socket_listener&& other) noexcept;
    ~socket_listener();

  private:
    friend accept_operation_base;
    void bind(scheduler& loop);
    void keep(descriptor accepted) noexcept;
    void serve_next() noexcept;

    descriptor socket_;
    std::string name_;
    home on_;
    std::deque<descriptor> kept_;  ///< accepted for tasks that were canceled in that moment
    intrusive_list<accept_operation_base, accept_tag> waiting_;
    unsigned at_once_ = 0;
};

/// Options of a socket; each throws with its name and `subject`.
void set_socket_option(int fd, int level, int name, int value, const char* what, const std::string& subject);

}  // namespace simul::detail
