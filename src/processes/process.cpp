#include <simul/processes/process.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <exception>
#include <string>
#include <system_error>

#include <simul/base/error.hpp>
#include <simul/base/log.hpp>
#include <simul/loop/readiness.hpp>
#include <simul/processes/error.hpp>
#include "processes/message.hpp"
#include "processes/remote_exception.hpp"
#include "processes/worker_link.hpp"

namespace simul {

struct process::state {
    explicit state(detail::worker_link started) : link(std::move(started)) {}

    /// Takes what the child has sent: an exception, or nothing. Once, when it has ended.
    void take_answer();
    /// How it ended; throws what it threw.
    exit_status result() const {
        if (error) std::rethrow_exception(error);
        return link.status();
    }

    detail::worker_link link;
    pid_t owner = ::getpid();
    bool answer_taken = false;
    bool reported = false;  ///< somebody has seen how it ended
    std::exception_ptr error;
};

void process::state::take_answer() {
    if (std::exchange(answer_taken, true)) return;
    detail::wire::frame_reader reader;
    for (;;) {
        while (auto frame = reader.next())
            if (frame->type == detail::wire::frame_type::error)
                error = detail::make_exception(detail::wire::decode_error(frame->payload));
        const std::span<char> room = reader.prepare();
        const ssize_t size = ::recv(link.channel(), room.data(), room.size(), MSG_DONTWAIT);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return;
        reader.commit(static_cast<std::size_t>(size));
    }
}

process::process(encoded_call call)
    : state_(std::make_unique<state>(detail::worker_link::start("simul-process"))) {
    // The socket holds a few hundred kilobytes; more is written when the child reads, which is at once. If it
    // dies before, whoever joins hears of it.
    detail::write_all(state_->link.channel(), call.frame);
}

process::process(process&&) noexcept = default;

process& process::operator=(process&& other) noexcept {
    if (this != &other) {
        process old(std::move(*this));
        state_ = std::move(other.state_);
    }
    return *this;
}

process::~process() {
    if (!state_ || state_->owner != ::getpid()) return;  // moved from, or a copy in a forked child
    const bool ran = !state_->link.ended();
    state_->link.kill_and_wait();
    if (ran || state_->reported) return;
    try {
        state_->take_answer();
        if (state_->error) std::rethrow_exception(state_->error);
    } catch (const std::exception& e) {
        log(log_level::warning, "processes: process {} failed and nobody joined it: {}", state_->link.pid(),
            e.what());
    }
}

process::state& process::get(const char* call) const {
    if (!state_)
        throw std::system_error(
            make_error_code(errc::wrong_state),
            std::string("process::") + call + ": it was moved from; use the one that it was moved to");
    return *state_;
}

bool process::ended(const char* call) {
    state& of = get(call);
    of.link.update();
    if (!of.link.ended()) return false;
    of.take_answer();
    return true;
}

std::optional<exit_status> process::status() {
    if (!ended("status")) return std::nullopt;
    state_->reported = true;
    return state_->result();
}

task<exit_status> process::join() {
    while (!ended("join")) co_await wait_readable(state_->link.status_socket());
    state_->reported = true;
    co_return state_->result();
}

exit_status process::wait() {
    while (!ended("wait")) state_->link.wait_report(time_point::max());
    state_->reported = true;
    return state_->result();
}

std::optional<exit_status> process::wait_for(duration limit) {
    const time_point deadline = clock::now() + limit;
    while (!ended("wait_for"))
        if (!state_->link.wait_report(deadline)) return std::nullopt;
    return status();
}

pid_t process::pid() {
    detail::worker_link& link = get("pid").link;
    for (link.update(); link.pid() == 0 && !link.ended(); link.update()) link.wait_report(time_point::max());
    if (link.pid() == 0) link.status();  // throws: it never started
    return link.pid();
}

void process::send_signal(int number) {
    if (!ended("send_signal")) state_->link.send_signal(number);
}

void process::terminate() { send_signal(SIGTERM); }
void process::kill() { send_signal(SIGKILL); }

}  // namespace simul
