#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <vector>

#include <simul/base/error.hpp>
#include <simul/loop/io.hpp>

/// Completions out of readiness.
///
/// Theory. An operation is tried at once; if it would block, it joins the queue of its descriptor and is
/// tried again when epoll reports an edge. A descriptor is registered once, edge-triggered, for both
/// directions, when it first blocks. Facts about epoll that matter here:
///   * An edge is reported only if something happens after the last "would block", so an operation is parked
///   only
///     after it was really tried, and on an event all parked ones are tried until one blocks.
///   * Registration belongs to the open file description: closing a descriptor removes it only if no
///   duplicate lives
///     (a forked child has them all), so forget() removes it by hand before the number is reused.
///   * A descriptor that others own (io_kind::poll) may be closed behind our back, so it is registered only
///   while
///     somebody waits for it.
///   * A recv from TCP that gives less than was asked for has emptied the socket, so the next one need not be
///     tried before an event has come: that saves the call that would block after each message. It does not
///     hold when the connection has ended (the end may have been reported together with the last bytes) and
///     when there is urgent data (recv stops there), so such a descriptor is always tried; nor for Unix
///     sockets, where recv stops at passed descriptors.
///   * Regular files cannot be registered (EPERM): they are always ready.
namespace simul::detail {
namespace {

class epoll_backend final : public backend {
  public:
    epoll_backend() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        if (epoll_ < 0) throw_errno(errno, "epoll_create1");
        event_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        epoll_event event{};
        event.events = EPOLLIN | EPOLLET;
        event.data.fd = event_;
        if (event_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, event_, &event) != 0) {
            const int error = errno;
            if (event_ >= 0) ::close(event_);
            ::close(epoll_);
            throw_errno(error, "eventfd");
        }
    }
    ~epoll_backend() override {
        ::close(event_);
        ::close(epoll_);
    }

    const char* name() const noexcept override { return "epoll"; }

    bool submit(io_op& op) noexcept override {
        if (op.fd < 0) {
            op.result = -EBADF;
            return true;
        }
        if (static_cast<std::size_t>(op.fd) >= table_.size()) {
            try {
                table_.resize(std::max<std::size_t>(64, static_cast<std::size_t>(op.fd) * 2));
            } catch (...) {  // only bad_alloc: the operation gets it as its result
                op.result = -ENOMEM;
                return true;
            }
        }
        entry& at = table_[static_cast<std::size_t>(op.fd)];
        prepare(op, at);
        queue& waiting = writes(op) ? at.writers : at.readers;
        const bool try_now = op.kind == io_kind::poll || (waiting.empty() && !at.known_empty(op));
        if (try_now && attempt(op, true)) {
            at.took(op);
            return true;
        }
        if (!watch(op.fd, at)) {  // EPERM: it cannot be waited for, so it does not block
            const int error = errno;
            if (error == EPERM && op.kind == io_kind::poll)
                op.result = op.flags & (POLLIN | POLLOUT);
            else
                op.result = -error;
            return true;
        }
        if (op.kind == io_kind::recv) at.look_at(op.fd);
        waiting.push_back(op);
        ++pending_;
        // The registration itself reports what is ready now; a descriptor registered before may have become
        // so since.
        if (op.kind == io_kind::poll && attempt(op, true)) {
            op.unlink();
            --pending_;
            unwatch_foreign(op.fd);
            return true;
        }
        return false;
    }

    void cancel(io_op& op) noexcept override {
        if (!op.linked()) return;
        finish(op, -ECANCELED);
    }

    void wait(std::optional<time_point> until, bool) noexcept override {
        std::array<epoll_event, 128> events;
        const int count = wait_events(events.data(), static_cast<int>(events.size()), until);
        for (int i = 0; i < count; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            const int fd = event.data.fd;
            if (fd == event_) {
                std::uint64_t value = 0;
                [[maybe_unused]] auto got = ::read(event_, &value, sizeof value);
                continue;
            }
            entry& at = table_[static_cast<std::size_t>(fd)];
            at.emptied = false;
            if ((event.events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP | EPOLLPRI)) != 0) at.always_try = true;
            const bool broken = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
            if (broken || (event.events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI)) != 0)
                try_all(fd, &entry::readers);
            if (broken || (event.events & EPOLLOUT) != 0) try_all(fd, &entry::writers);
        }
    }

    void wake() noexcept override {
        const std::uint64_t one = 1;
        [[maybe_unused]] auto put = ::write(event_, &one, sizeof one);
    }

    void forget(int fd) noexcept override {
        if (fd < 0 || static_cast<std::size_t>(fd) >= table_.size()) return;
        entry& at = table_[static_cast<std::size_t>(fd)];
        if (at.registered) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
        at.registered = at.prepared = at.looked_at = at.emptied = at.always_try = false;
    }

    std::size_t pending() const noexcept override { return pending_; }
    int descriptor() const noexcept override { return epoll_; }
    time_point now() const noexcept override { return clock::now(); }

  private:
    using queue = intrusive_list<io_op, io_tag>;
    struct entry {
        queue readers;
        queue writers;
        bool registered = false;
        bool prepared = false;
        bool looked_at = false;   ///< always_try is right
        bool emptied = false;     ///< the last recv was a short one, and no event has come since
        bool always_try = false;  ///< a short recv says nothing

        bool known_empty(const io_op& op) const noexcept {
            return emptied && registered && op.kind == io_kind::recv;
        }
        void took(const io_op& op) noexcept {
            if (op.kind != io_kind::recv) return;
            emptied = registered && looked_at && !always_try && op.flags == 0 && op.result > 0 &&
                      static_cast<std::size_t>(op.result) < op.size;
        }
        void look_at(int fd) noexcept {
            if (looked_at) return;
            looked_at = true;
            int protocol = 0;
            socklen_t size = sizeof protocol;
            if (::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0 || protocol != IPPROTO_TCP)
                always_try = true;
        }

        entry() = default;
        // Only tables without waiters in them move: intrusive lists hold addresses, so they are relinked.
        entry(entry&& other) noexcept
            : registered(other.registered),
              prepared(other.prepared),
              looked_at(other.looked_at),
              emptied(other.emptied),
              always_try(other.always_try) {
            readers.splice_back(other.readers);
            writers.splice_back(other.writers);
        }
    };

    static bool writes(const io_op& op) noexcept {
        switch (op.kind) {
            case io_kind::send:
            case io_kind::sendmsg:
            case io_kind::connect:
            case io_kind::write:
                return true;
            case io_kind::poll:
                return (op.flags & POLLOUT) != 0;
            default:
                return false;
        }
    }

    // These have no "do not wait" flag of their own, so the descriptor gets it.
    static void prepare(const io_op& op, entry& at) noexcept {
        if (at.prepared) return;
        if (op.kind != io_kind::accept && op.kind != io_kind::connect && op.kind != io_kind::read &&
            op.kind != io_kind::write)
            return;
        const int flags = ::fcntl(op.fd, F_GETFL);
        if (flags >= 0 && (flags & O_NONBLOCK) == 0) ::fcntl(op.fd, F_SETFL, flags | O_NONBLOCK);
        at.prepared = true;
    }

    /// Tries the operation; false if it would block.
    static bool attempt(io_op& op, bool first) noexcept {
        for (;;) {
            long done = -1;
            switch (op.kind) {
                case io_kind::recv:
                    done = ::recv(op.fd, op.buffer, op.size, op.flags | MSG_DONTWAIT);
                    break;
                case io_kind::send:
                    done = ::send(op.fd, op.buffer, op.size, op.flags | MSG_DONTWAIT | MSG_NOSIGNAL);
                    break;
                case io_kind::recvmsg:
                    done = ::recvmsg(op.fd, static_cast<msghdr*>(op.buffer), op.flags | MSG_DONTWAIT);
                    break;
                case io_kind::sendmsg:
                    done = ::sendmsg(op.fd, static_cast<msghdr*>(op.buffer),
                                     op.flags | MSG_DONTWAIT | MSG_NOSIGNAL);
                    break;
                case io_kind::accept:
                    done = ::accept4(op.fd, nullptr, nullptr, SOCK_CLOEXEC);
                    break;
                case io_kind::read:
                    done = ::read(op.fd, op.buffer, op.size);
                    break;
                case io_kind::write:
                    done = ::write(op.fd, op.buffer, op.size);
                    break;
                case io_kind::connect:
                    if (first) {
                        done = ::connect(op.fd, static_cast<const sockaddr*>(op.buffer),
                                         static_cast<socklen_t>(op.size));
                    } else {
                        int error = 0;
                        socklen_t size = sizeof error;
                        pollfd state{op.fd, POLLOUT, 0};
                        if (::poll(&state, 1, 0) == 0) return false;
                        ::getsockopt(op.fd, SOL_SOCKET, SO_ERROR, &error, &size);
                        op.result = -error;
                        return true;
                    }
                    break;
                case io_kind::poll: {
                    pollfd state{op.fd, static_cast<short>(op.flags), 0};
                    done = ::poll(&state, 1, 0);
                    if (done == 0) return false;
                    if (done > 0) done = (state.revents & POLLNVAL) != 0 ? -EBADF : state.revents;
                    if (done < 0 && done == -EBADF) {
                        op.result = -EBADF;
                        return true;
                    }
                    break;
                }
            }
            if (done >= 0) {
                op.result = static_cast<int>(std::min<long>(done, INT_MAX));
                return true;
            }
            const int error = errno;
            if (error == EINTR) {
                if (op.kind == io_kind::connect) return false;  // it goes on by itself
                continue;
            }
            if (error == EAGAIN || error == EWOULDBLOCK || error == EINPROGRESS) {
                // A Unix socket whose backlog is full says EAGAIN to connect and tells nothing later.
                if (op.kind == io_kind::connect && error == EAGAIN) {
                    op.result = -ECONNREFUSED;
                    return true;
                }
                return false;
            }
            op.result = -error;
            return true;
        }
    }

    bool watch(int fd, entry& at) noexcept {
        if (at.registered) return true;
        epoll_event event{};
        event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
        event.data.fd = fd;
        if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0 &&
            (errno != EEXIST || ::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event) != 0))
            return false;
        return at.registered = true;
    }

    /// A descriptor of others is let go when nobody waits for it any more.
    void unwatch_foreign(int fd) noexcept {
        entry& at = table_[static_cast<std::size_t>(fd)];
        if (at.registered && at.readers.empty() && at.writers.empty()) forget(fd);
    }

    void finish(io_op& op, int result) noexcept {
        op.unlink();
        --pending_;
        if (op.kind == io_kind::poll) unwatch_foreign(op.fd);
        op.result = result;
        op.completed();
    }

    // completed() may submit, so nothing of the table is held over it, and the walk is over a list of its
    // own.
    void try_all(int fd, queue entry::* which) noexcept {
        const auto index = static_cast<std::size_t>(fd);
        queue waiting;
        queue blocked;
        waiting.splice_back(table_[index].*which);
        while (io_op* op = waiting.pop_front()) {
            if (attempt(*op, false)) {
                table_[index].took(*op);
                finish(*op, op->result);
                continue;
            }
            blocked.push_back(*op);
            if (op->kind != io_kind::poll) break;
        }
        blocked.splice_back(waiting);
        blocked.splice_back(table_[index].*which);  // what was submitted meanwhile comes after it
        (table_[index].*which).splice_back(blocked);
        // It may have looked as if nobody waited.
        if (!(table_[index].*which).empty()) watch(fd, table_[index]);
    }

    int wait_events(epoll_event* events, int size, std::optional<time_point> until) noexcept {
        int count = 0;
        do {
            if (!until) {
                count = ::epoll_wait(epoll_, events, size, -1);
            } else {
                const duration left = *until == time_point::min() ? duration::zero() : *until - clock::now();
                if (left <= duration::zero()) {
                    count = ::epoll_wait(epoll_, events, size, 0);
                } else {
                    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
                    timespec time{};
                    time.tv_sec = static_cast<time_t>(seconds.count());
                    time.tv_nsec = static_cast<long>((left - seconds).count());
                    count = ::epoll_pwait2(epoll_, events, size, &time, nullptr);
                    if (count < 0 &&
                        (errno == ENOSYS || errno == EPERM)) {  // before Linux 5.11, or forbidden
                        const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
                        count = ::epoll_wait(epoll_, events, size,
                                             static_cast<int>(std::min<long long>(ms, INT_MAX)));
                    }
                }
            }
        } while (count < 0 && errno == EINTR);
        return count;
    }

    int epoll_;
    int event_ = -1;
    std::size_t pending_ = 0;
    std::vector<entry> table_;
};

}  // namespace

std::unique_ptr<backend> make_epoll_backend() { return std::make_unique<epoll_backend>(); }

}  // namespace simul::detail
