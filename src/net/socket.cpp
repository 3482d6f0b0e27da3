#include <simul/net/socket.hpp>

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>

#include <simul/base/error.hpp>
#include <simul/loop/loop.hpp>

namespace simul::detail {

void descriptor::close() noexcept {
    if (fd_ < 0) return;
    forget();
    ::close(std::exchange(fd_, -1));
}

void descriptor::forget() noexcept {
    if (on_.get() == nullptr) return;
    loop_access::io(loop_access::of(*on_.get())).forget(fd_);
    on_.clear();
}

int descriptor::release() noexcept {
    if (fd_ >= 0) forget();
    return std::exchange(fd_, -1);
}

void set_socket_option(int fd, int level, int name, int value, const char* what, const std::string& subject) {
    if (::setsockopt(fd, level, name, &value, sizeof value) != 0)
        throw_errno(errno, fmt::format("set {} of {}", what, subject));
}

// --- streams

int socket_stream::release() {
    require_idle("release");
    return socket_.release();
}

task<> socket_stream::shutdown_write() {
    require_idle("shut down", true);
    if (!socket_.open()) throw_failure("shut down", -EBADF);
    // ENOTCONN: the peer has reset the connection, so there is nobody left to be told.
    if (::shutdown(socket_.get(), SHUT_WR) != 0 && errno != ENOTCONN) throw_failure("shut down", -errno);
    co_return;
}

task<> socket_stream::close() {
    require_idle("close");
    socket_.close();
    co_return;
}

bool socket_stream::begin_read(io_op& op) noexcept {
    op.kind = io_kind::recv;
    op.fd = socket_.get();
    op.flags = 0;
    socket_.used_on(*on());
    return submit_io(*on(), op);
}
void socket_stream::cancel_read(io_op& op) noexcept { cancel_io(*on(), op); }

bool socket_stream::begin_write(io_op& op) noexcept {
    op.kind = io_kind::send;
    op.fd = socket_.get();
    op.flags = 0;
    socket_.used_on(*on());
    return submit_io(*on(), op);
}
void socket_stream::cancel_write(io_op& op) noexcept { cancel_io(*on(), op); }

void socket_stream::throw_failure(const char* call, int result) const {
    if (result == -EBADF && !socket_.open())
        throw std::system_error(make_error_code(errc::closed), fmt::format("{} {}", call, describe()));
    stream::throw_failure(call, result);
}

// --- accepting

namespace {

/// Linux hands errors that the new connection already has to accept(). They concern that one only.
bool concerns_one_connection(int result) noexcept {
    switch (-result) {
        case ECONNABORTED:
        case EINTR:
        case EPROTO:
        case ENOPROTOOPT:
        case ENETDOWN:
        case ENETUNREACH:
        case EHOSTDOWN:
        case EHOSTUNREACH:
        case ENONET:
        case EPERM:  // a firewall's rule
            return true;
        default:
            return false;
    }
}

}  // namespace

accept_operation_base::~accept_operation_base() = default;

bool accept_operation_base::begin() {
    from_->bind(on());
    kind = io_kind::accept;
    fd = from_->socket_.get();
    if (fd < 0)
        throw std::system_error(make_error_code(errc::closed),
                                from_->describe().empty()
                                    ? std::string("accept on a listener that was moved from")
                                    : fmt::format("accept on {}", from_->describe()));
    if (!from_->kept_.empty()) {
        accepted_ = std::move(from_->kept_.front());
        from_->kept_.pop_front();
        io_op::result = accepted_.get();
    } else if (!advance()) {
        from_->waiting_.push_back(*this);
        return true;
    }
    if (++from_->at_once_ % stream_access::at_once_max != 0) return false;
    resume();
    return true;
}

bool accept_operation_base::advance() noexcept {
    do {
        if (!submit_io(on(), *this)) return false;
    } while (!took());
    return true;
}

bool accept_operation_base::took() noexcept {
    if (io_op::result >= 0) {
        accepted_ = descriptor(io_op::result);
        return true;
    }
    return !concerns_one_connection(io_op::result);
}

void accept_operation_base::on_cancel() noexcept { cancel_io(on(), *this); }

void accept_operation_base::on_cancel_late() noexcept {
    if (!accepted_.open()) return;  // an error stands, or was it given back already?
    from_->keep(std::move(accepted_));
    revoke();
}

void accept_operation_base::completed() noexcept {
    list_node<accept_tag>::unlink();
    if (canceled()) {
        if (took() && accepted_.open()) from_->keep(std::move(accepted_));
        stop();
        return;
    }
    if (io_op::result == -ECANCELED && !from_->kept_.empty()) {  // serve_next wants us to take that one
        accepted_ = std::move(from_->kept_.front());
        from_->kept_.pop_front();
        io_op::result = accepted_.get();
    } else if (io_op::result == -ECANCELED || !took()) {
        if (!advance()) {
            from_->waiting_.push_back(*this);
            return;
        }
    }
    resume();
    from_->serve_next();
}

descriptor accept_operation_base::finish() {
    if (io_op::result >= 0) return std::move(accepted_);
    const int error = -io_op::result;
    std::string what = fmt::format("accept on {}", from_->describe());
    if (error == EMFILE || error == ENFILE)
        what +=
            ": no descriptor is free (close connections, or raise the limit: ulimit -n); the listener goes "
            "on";
    throw_io_error(io_op::result, what.c_str());
}

socket_listener::socket_listener(socket_listener&& other) noexcept
    : socket_(std::move(other.socket_)),
      name_(std::move(other.name_)),
      on_(std::move(other.on_)),
      kept_(std::move(other.kept_)),
      at_once_(other.at_once_) {
    assert(other.waiting_.empty() && "a listener was moved while a task accepts from it");
}

socket_listener::~socket_listener() {
    assert(waiting_.empty() && "a listener was destroyed while a task accepts from it");
}

void socket_listener::close() {
    if (!waiting_.empty())
        throw std::system_error(
            make_error_code(errc::wrong_state),
            fmt::format("close the listener on {}: a task accepts from it; cancel that task first", name_));
    kept_.clear();
    socket_.close();
}

void socket_listener::bind(scheduler& loop) {
    if (on_.get() != nullptr && on_.get() != &loop)
        throw std::system_error(
            make_error_code(errc::wrong_loop),
            fmt::format("accept on {}: the listener is used by another event loop already; "
                        "give each loop its own (reuse_port)",
                        name_));
    on_.set(loop);
    socket_.used_on(loop);
}

void socket_listener::keep(descriptor accepted) noexcept {
    try {
        kept_.push_front(std::move(accepted));
    } catch (const std::bad_alloc&) {
        return;  // closed: the peer sees a reset
    }
    serve_next();
}

// Somebody may wait in the kernel while a connection lies here: it is asked to come back for it.
void socket_listener::serve_next() noexcept {
    if (!kept_.empty() && !waiting_.empty()) cancel_io(*on_.get(), waiting_.front());
}

}  // namespace simul::detail
