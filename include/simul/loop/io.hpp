#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include <simul/base/time.hpp>
#include <simul/core/intrusive_list.hpp>
#include <simul/core/leaf.hpp>

/// The seam between the loop and the kernel.
///
/// It is shaped by completions ("this recv is done, 17 bytes") and not by readiness, since io_uring cannot be
/// expressed as readiness, while readiness is easily made into completions. Three backends: io_uring, epoll,
/// virtual. Threads: everything but wake() only on the loop's thread.
namespace simul::detail {

enum class io_kind : std::uint8_t { recv, send, recvmsg, sendmsg, accept, connect, read, write, poll };

const char* to_string(io_kind kind) noexcept;

struct io_tag;

/// One operation of the kernel. It and the memory it names must live until completed().
struct io_op : list_node<io_tag> {
    io_kind kind = io_kind::poll;
    int fd = -1;
    int flags = 0;           ///< recv, send, recvmsg, sendmsg: MSG_*; poll: POLLIN, POLLOUT
    void* buffer = nullptr;  ///< recv, send, read, write; recvmsg, sendmsg: the msghdr; connect: the sockaddr
    std::size_t size = 0;    ///< of buffer
    bool cancel_sent = false;  ///< for the backend
    int result = 0;            ///< >= 0: bytes, new descriptor (accept), events (poll); < 0: -errno

    /// The operation is over. Called by backend::wait or backend::cancel.
    virtual void completed() noexcept = 0;

  protected:
    ~io_op() = default;
};

class backend {
  public:
    virtual ~backend() = default;

    virtual const char* name() const noexcept = 0;
    /// Starts `op`. True if it is over already: then `op.result` is set and completed() is not called.
    virtual bool submit(io_op& op) noexcept = 0;
    /// Asks for an early end. Leads to completed(), now or in a later wait(), with -ECANCELED, or with the
    /// result if it came first.
    virtual void cancel(io_op& op) noexcept = 0;
    /// Hands over what was submitted, waits until `until` (nullopt: as long as it takes; a time in the past:
    /// not at all) or until something is over, and calls completed() for all that is. `hope`: other threads
    /// may wake us, so a virtual clock must not jump.
    virtual void wait(std::optional<time_point> until, bool hope) noexcept = 0;
    /// Ends a wait() early, the current or the next one. From any thread.
    virtual void wake() noexcept = 0;
    /// `fd` is going to be closed by us. Operations on it must be over.
    virtual void forget(int fd) noexcept = 0;
    /// Operations that are not over.
    virtual std::size_t pending() const noexcept = 0;
    /// A descriptor that is readable when wait() would find something.
    virtual int descriptor() const noexcept = 0;
    virtual time_point now() const noexcept = 0;
    virtual bool is_virtual() const noexcept { return false; }
};

/// They throw std::system_error if the kernel refuses.
std::unique_ptr<backend> make_uring_backend();
std::unique_ptr<backend> make_epoll_backend();
std::unique_ptr<backend> make_virtual_backend();

/// Submits and cancels on the loop that runs `on`. A virtual loop refuses: the result is -ENOTSUP.
bool submit_io(scheduler& on, io_op& op) noexcept;
void cancel_io(scheduler& on, io_op& op) noexcept;

/// Throws for a negative result of an operation: std::system_error whose text begins with `what`.
[[noreturn]] void throw_io_error(int result, const char* what);

/// The await of one io_op. Derived classes fill in the operation and turn `io_op::result` into what the await
/// gives.
///
/// Cancel: the kernel is asked to stop, and the frame stays until it has: the buffer outlives the operation.
/// If the operation was faster, its result stands.
template <class Self>
class io_operation : public leaf_operation<Self>, public io_op {
  public:
    bool ready() noexcept { return false; }
    bool start() noexcept { return !submit_io(this->on(), *this); }

  protected:
    io_operation(io_kind what, int descriptor) noexcept {
        kind = what;
        fd = descriptor;
    }
    void on_cancel() noexcept override { cancel_io(this->on(), *this); }
    const char* describe() const noexcept override { return to_string(kind); }

  private:
    void completed() noexcept override {
        if (io_op::result == -ECANCELED && this->canceled())
            this->stop();
        else
            this->resume();
    }
};

}  // namespace simul::detail
