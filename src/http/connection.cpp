#include "http/connection.hpp"

#include <fmt/format.h>

#include <cassert>
#include <cerrno>
#include <new>

#include <simul/base/error.hpp>

namespace simul::http::detail {

connection::connection(std::unique_ptr<stream> over, scheduler& on, std::size_t bytes_first)
    : on_(on),
      stream_(std::move(over)),
      memory_(std::make_unique_for_overwrite<char[]>(bytes_first)),
      capacity_(bytes_first) {
    stream_access::bind(*stream_, on_);
    join(on_);
}

connection::~connection() {
    assert(waiter_ == nullptr && sender_ == nullptr && "a connection was destroyed while a task uses it");
    end();
}

void connection::end() noexcept {
    stop_reading();
    if (armed()) loop_access::timers(loop_access::of(on_)).disarm(*this);
}

// Whoever holds the connection finds it broken.
void connection::loop_ended() noexcept {
    end();
    failure_ = -EOWNERDEAD;
}

void connection::throw_read_failure() const {
    if (failure_ == -EOWNERDEAD)
        throw std::system_error(
            make_error_code(simul::errc::wrong_loop),
            fmt::format("read from {}: the event loop of this connection has ended", stream_->describe()));
    stream_access::throw_failure(*stream_, "read from", failure_);
}

void connection::stop_reading() noexcept {
    if (!reading_) return;
    cancel_read();
    // io_uring answers through its queue. The memory must not go before it has, and a destructor cannot be
    // awaited: so the answer, which is due at once, is fetched here. Other completions only post.
    while (reading_) loop_access::io(loop_access::of(on_)).wait(now() + std::chrono::milliseconds(10), true);
}

bool connection::make_room() noexcept {
    if (begin_ == end_) {
        begin_ = end_ = 0;
        if (grow_ && capacity_ < buffer_bytes_max) {
            const std::size_t larger = std::min(capacity_ * 4, buffer_bytes_max);
            if (char* memory = new (std::nothrow) char[larger]) {
                memory_.reset(memory);
                capacity_ = larger;
            }
        }
        return true;
    }
    if (end_ < capacity_) return true;
    if (begin_ == 0) return false;
    std::memmove(memory_.get(), memory_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    return true;
}

// Starts the read. True: it is over already and took() was called.
bool connection::begin() {
    buffer = memory_.get() + end_;
    size = capacity_ - end_;
    stream_access::claim_read(*stream_, on_, *this);
    reading_ = true;
    cancel_sent_ = false;
    if (!stream_access::begin_read(*stream_, *this)) return false;
    reading_ = false;
    stream_access::release_read(*stream_);
    took();
    return true;
}

bool connection::took() noexcept {
    if (result > 0) {
        end_ += static_cast<std::size_t>(result);
        grow_ = static_cast<std::size_t>(result) == size;
        return true;
    }
    if (result == 0)
        ended_ = true;
    else if (result == -ECANCELED && cancel_sent_)
        return false;
    else
        failure_ = result;
    return true;
}

void connection::completed() noexcept {
    reading_ = false;
    stream_access::release_read(*stream_);
    const bool news = took();
    if (waiter_ != nullptr) {
        due_ = time_point::max();
        std::exchange(waiter_, nullptr)->done(result);
    } else if (news) {
        if (sender_ != nullptr && sender_->heed_input_) sender_->stop_early(sent::interrupted);
        unattended();
    }
}

void connection::cancel_read() noexcept {
    if (!reading_ || cancel_sent_) return;
    cancel_sent_ = true;
    stream_access::cancel_read(*stream_, *this);
}

void connection::watch() noexcept {
    if (reading_ || ended_ || failure_ != 0 || !make_room()) return;
    try {
        if (!begin()) return;
    } catch (...) {  // the stream refuses to be read: fill() will say why
        return;
    }
    if (sender_ != nullptr && sender_->heed_input_) sender_->stop_early(sent::interrupted);
    unattended();
}

void connection::interrupt() noexcept {
    if (waiter_ == nullptr) return;
    waiter_->give(filled::interrupted);
    cancel_read();
}

void connection::set_due(time_point at) noexcept {
    due_ = at;
    if (at == time_point::max() || (armed() && deadline <= at)) return;
    auto& timers = loop_access::timers(loop_access::of(on_));
    if (armed()) timers.disarm(*this);
    deadline = at;
    timers.arm(*this);
}

void connection::fired() noexcept {
    if (due_ == time_point::max()) return;
    if (due_ > deadline) {
        set_due(due_);
        return;
    }
    due_ = time_point::max();
    if (waiter_ == nullptr) {
        too_late();
        return;
    }
    waiter_->give(filled::timed_out);
    cancel_read();
}

// --- fill

bool connection::fill_operation::start() {
    if (!from_.reading_) {
        if (!from_.make_room()) {
            outcome_ = filled::full;
            return false;
        }
        if (from_.begin()) {
            if (from_.ended_) outcome_ = filled::ended;
            if (!stream_access::others_first(*from_.stream_)) return false;
            resume();
            return true;
        }
    }
    from_.waiter_ = this;
    if (limit_ != duration::max() || latest_ != time_point::max())
        from_.set_due(std::min(later(from_.now(), limit_), latest_));
    else
        from_.due_ = time_point::max();
    return true;
}

void connection::fill_operation::done(int result) noexcept {
    if (result == -ECANCELED && from_.cancel_sent_) {
        if (canceled()) {
            stop();
            return;
        }
    } else {
        outcome_ = result == 0 ? filled::ended : filled::data;
    }
    resume();
}

// --- send

bool connection::send_operation::start() {
    stream_access::claim_write(*to_.stream_, on(), *this);
    if (!advance()) {
        to_.sender_ = this;
        if (limit_ != duration::max() || latest_ != time_point::max()) {
            deadline = std::min(later(to_.now(), limit_), latest_);
            if (deadline != time_point::max()) loop_access::timers(loop_access::of(to_.on_)).arm(*this);
        }
        return true;
    }
    stream_access::release_write(*to_.stream_);
    if (!stream_access::others_first(*to_.stream_)) return false;
    resume();
    return true;
}

bool connection::send_operation::advance() noexcept {
    do {
        buffer = const_cast<char*>(rest_.data());  // only read from
        size = rest_.size();
        if (!stream_access::begin_write(*to_.stream_, *this)) return false;
    } while (!took());
    return true;
}

// True: it is over, and outcome_ says how.
bool connection::send_operation::took() noexcept {
    if (io_op::result <= 0) {
        to_.send_failure_ = io_op::result == 0 ? -EPIPE : io_op::result;
        outcome_ = sent::failed;
        return true;
    }
    rest_.remove_prefix(static_cast<std::size_t>(io_op::result));
    return rest_.empty();
}

void connection::send_operation::completed() noexcept {
    if (early_ == sent::all) {
        if (!took()) {
            disarm();  // the limit counts from each sign of life
            if (!advance()) {
                if (limit_ != duration::max() || latest_ != time_point::max()) {
                    deadline = std::min(later(to_.now(), limit_), latest_);
                    if (deadline != time_point::max())
                        loop_access::timers(loop_access::of(to_.on_)).arm(*this);
                }
                return;
            }
        }
    } else if (io_op::result < 0 || !took()) {
        outcome_ = early_;
    }
    disarm();
    to_.sender_ = nullptr;
    stream_access::release_write(*to_.stream_);
    if (outcome_ == sent::interrupted && canceled()) {
        stream_access::refuse_writes(*to_.stream_);
        stop();
    } else {
        resume();
    }
}

}  // namespace simul::http::detail
