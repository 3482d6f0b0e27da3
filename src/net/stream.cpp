#include <simul/net/stream.hpp>

#include <fmt/format.h>

#include <cassert>
#include <cerrno>

#include <simul/base/error.hpp>
#include <simul/net/error.hpp>

namespace simul {

stream::~stream() {
    assert(!in_flight() && "a stream was destroyed while a task reads from or writes to it");
}

stream::stream(stream&& other) noexcept
    : on_(std::move(other.on_)), at_once_(other.at_once_), write_canceled_(other.write_canceled_) {
    assert(!other.in_flight() && "a stream was moved while a task reads from or writes to it");
}

stream& stream::operator=(stream&& other) noexcept {
    assert(!in_flight() && !other.in_flight() && "a stream was moved while a task uses it");
    on_ = std::move(other.on_);
    at_once_ = other.at_once_;
    write_canceled_ = other.write_canceled_;
    return *this;
}

void stream::bind_first(detail::scheduler& loop) {
    if (on_.get() != nullptr)
        throw std::system_error(make_error_code(errc::wrong_loop),
                                fmt::format("connection to {}: it is used by another event loop already; "
                                            "streams stay on the loop that first uses them",
                                            describe()));
    bound(loop);
    on_.set(loop);
}

void stream::require_idle(const char* call, bool only_write) const {
    const char* busy = writer_ != nullptr ? "written to" : nullptr;
    if (!only_write && reader_ != nullptr) busy = "read from";
    if (busy == nullptr) return;
    throw std::system_error(make_error_code(errc::wrong_state),
                            fmt::format("{} {}: another task waits while it is {}; cancel that task first",
                                        call, describe(), busy));
}

void stream::throw_failure(const char* call, int result) const {
    detail::throw_io_error(result, fmt::format("{} {}", call, describe()).c_str());
}

namespace detail {

namespace {
[[noreturn]] void throw_busy(const stream& s, const char* verb) {
    throw std::system_error(
        make_error_code(errc::wrong_state),
        fmt::format("{} {}: another task does that already; one at a time", verb, s.describe()));
}
}  // namespace

void stream_access::claim_read(stream& s, scheduler& on, io_op& op) {
    s.bind(on);
    if (s.reader_ != nullptr) throw_busy(s, "read from");
    if (op.size == 0)
        throw_errno(EINVAL, fmt::format("read from {}: there is no room to read into", s.describe()));
    s.reader_ = &op;
}

void stream_access::claim_write(stream& s, scheduler& on, io_op& op) {
    s.bind(on);
    if (s.writer_ != nullptr) throw_busy(s, "write to");
    if (s.write_canceled_)
        throw std::system_error(make_error_code(net_errc::write_canceled),
                                fmt::format("write to {}", s.describe()));
    s.writer_ = &op;
}

// --- read

bool read_operation::start() {
    stream_access::claim_read(*from_, on(), *this);
    if (!stream_access::begin_read(*from_, *this)) return true;
    stream_access::release_read(*from_);
    if (!stream_access::others_first(*from_)) return false;
    resume();
    return true;
}

void read_operation::on_cancel() noexcept { stream_access::cancel_read(*from_, *this); }

void read_operation::completed() noexcept {
    stream_access::release_read(*from_);
    if (io_op::result == -ECANCELED && canceled())
        stop();
    else
        resume();
}

void read_operation::throw_failure() const {
    stream_access::throw_failure(*from_, "read from", io_op::result);
}

// --- write

bool write_operation_base::begin() {
    stream_access::claim_write(*to_, on(), *this);
    if (!advance()) return true;
    stream_access::release_write(*to_);
    if (!stream_access::others_first(*to_)) return false;
    resume();
    return true;
}

// Writes until nothing is left or the stream must wait. True: over.
bool write_operation_base::advance() noexcept {
    do {
        buffer = const_cast<char*>(rest_.data());  // the kernel only reads from it
        size = rest_.size();
        if (!stream_access::begin_write(*to_, *this)) return false;
    } while (!took());
    return true;
}

bool write_operation_base::took() noexcept {
    if (io_op::result == 0) io_op::result = -EPIPE;  // a transport that takes nothing would never end
    if (io_op::result < 0) return true;
    const auto count = static_cast<std::size_t>(io_op::result);
    rest_.remove_prefix(count);
    written_ += count;
    return !all_ || rest_.empty();
}

void write_operation_base::on_cancel() noexcept { stream_access::cancel_write(*to_, *this); }

void write_operation_base::completed() noexcept {
    if (io_op::result == -ECANCELED && canceled()) {
        give_up();
        return;
    }
    if (!took()) {
        if (canceled()) {
            give_up();
            return;
        }
        if (!advance()) return;
    }
    stream_access::release_write(*to_);
    resume();
}

void write_operation_base::give_up() noexcept {
    stream_access::release_write(*to_);
    if (all_) stream_access::refuse_writes(*to_);
    stop();
}

void write_operation_base::throw_failure() const {
    stream_access::throw_failure(*to_, "write to", io_op::result);
}

}  // namespace detail
}  // namespace simul
