#include "processes/worker_link.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <simul/base/error.hpp>
#include <simul/processes/error.hpp>
#include "processes/message.hpp"
#include "processes/zygote_link.hpp"

namespace simul::detail {
namespace {

constexpr auto kill_wait_max = std::chrono::seconds(1);

std::pair<owned_fd, owned_fd> socket_pair(int type) {
    int pair[2];
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) != 0)
        throw_errno(errno, "socketpair for a worker");
    return {owned_fd(pair[0]), owned_fd(pair[1])};
}

}  // namespace

worker_link worker_link::start(std::string_view name) {
    auto [channel, worker_channel] = socket_pair(SOCK_STREAM);
    auto [status, zygote_status] = socket_pair(SOCK_SEQPACKET);
    request_worker(name, worker_channel.get(), zygote_status.get());
    return {std::move(channel), std::move(status)};
}

void worker_link::update() {
    while (!ended()) {
        const received report = receive_message(status_.get(), wait::no);
        if (report.what == received::kind::nothing_yet) return;
        if (report.what == received::kind::end)
            zygote_died_ = true;
        else
            handle(report.frame);
    }
}

void worker_link::handle(const wire::frame& frame) {
    if (frame.type == wire::frame_type::started) {
        pid_ = wire::decode_started(frame.payload).pid;
    } else if (frame.type == wire::frame_type::start_failed) {
        failed_ = wire::decode_start_failed(frame.payload);
    } else if (frame.type == wire::frame_type::exited) {
        const auto message = wire::decode_exited(frame.payload);
        exit_ = message.signal != 0 ? exit_status::killed(message.signal, message.core_dumped)
                                    : exit_status::exited(message.code);
        unread_ = message.unread;
        status_known_ = true;
    }
}

bool worker_link::wait_report(time_point deadline) const {
    for (;;) {
        // Rounded up: 0 would turn the last fraction of a millisecond into a busy loop.
        int timeout_ms = -1;
        if (deadline != time_point::max()) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock::now()).count();
            timeout_ms = static_cast<int>(std::clamp<long long>(left, 0, 1'000'000'000));
        }
        pollfd entry{status_.get(), POLLIN, 0};
        const int ready = ::poll(&entry, 1, timeout_ms);
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) throw_errno(errno, "poll the status of a worker");
        if (clock::now() >= deadline) return false;
    }
}

exit_status worker_link::status() const {
    if (failed_) throw_errno(failed_->error, failed_->what);
    if (zygote_died_)
        throw std::system_error(process_errc::zygote_died,
                                fmt::format("worker {}: the zygote is gone, and its workers with it", pid_));
    return exit_;
}

void worker_link::send_signal(int number) noexcept {
    if (!ended()) send_message(status_.get(), wire::encode(wire::signal_message{number}), {}, wait::no);
}

void worker_link::kill_and_wait() noexcept {
    if (!status_) return;
    try {
        update();
        send_signal(SIGKILL);
        const time_point deadline = clock::now() + kill_wait_max;
        while (!ended() && wait_report(deadline)) update();
    } catch (const std::exception&) {  // closing the socket, which follows, kills it all the same
    }
}

}  // namespace simul::detail
