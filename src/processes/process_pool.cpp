#include <simul/processes/process_pool.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include <fmt/format.h>
#include <simul/base/error.hpp>
#include <simul/core/scopes.hpp>
#include <simul/core/this_task.hpp>
#include <simul/loop/readiness.hpp>
#include <simul/loop/timeout.hpp>
#include "processes/pool_core.hpp"
#include "processes/remote_exception.hpp"

namespace simul {
namespace detail {
namespace {

/// A worker that was killed while it was idle is noticed when a call is sent to it. Such a call moves on to
/// the next worker, so many times.
constexpr int moves_max = 8;

/// How the attempt to run a call in one worker ended, if not with a cancel.
struct attempt {
    enum class kind {
        answered,  ///< with a value or an error
        died,      ///< the worker ended in the middle
        not_begun  ///< the worker ended before it had the whole call
    } how = kind::died;
    wire::frame answer{};
    std::optional<worker_died> death{};
};

/// Sends all of `bytes`; false if nobody reads any more.
task<bool> send_call(worker_link& worker, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent =
            ::send(worker.channel(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        const int error = errno;
        if (sent >= 0)
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        else if (error == EPIPE || error == ECONNRESET)
            co_return false;
        else if (error == EAGAIN)
            co_await wait_writable(worker.channel());
        else if (error != EINTR)
            throw_errno(error, "send a call to a worker process");
    }
    co_return true;
}

task<attempt> receive_answer(worker_link& worker, const process_pool_options& options) {
    wire::frame_reader reader(options.message_bytes_max, "message_bytes_max");
    for (;;) {
        if (auto frame = reader.next())
            co_return attempt{.how = attempt::kind::answered, .answer = *std::move(frame)};
        const std::span<char> room = reader.prepare();
        const ssize_t size = ::recv(worker.channel(), room.data(), room.size(), MSG_DONTWAIT);
        const int error = errno;
        if (size > 0)
            reader.commit(static_cast<std::size_t>(size));
        else if (size == 0)
            co_return attempt{.how = attempt::kind::died};
        else if (error == ECONNRESET)  // so says the kernel where the other end left something unread
            co_return attempt{.how = attempt::kind::not_begun};
        else if (error == EAGAIN)
            co_await wait_readable(worker.channel());
        else if (error != EINTR)
            throw_errno(error, "receive the answer of a worker process");
    }
}

task<attempt> exchange(worker_link& worker, const std::string& call, const process_pool_options& options) {
    if (!co_await send_call(worker, call)) co_return attempt{.how = attempt::kind::not_begun};
    co_return co_await receive_answer(worker, options);
}

task<attempt> exchange_within(worker_link& worker, std::string& call, const process_pool_options& options,
                              std::optional<duration> limit) {
    if (!limit) co_return co_await exchange(worker, call, options);
    auto in_time = co_await move_on_after(*limit, exchange(worker, call, options));
    if (!in_time)
        throw std::system_error(make_error_code(errc::timed_out),
                                fmt::format("call of a worker process: more than {}", describe(*limit)));
    co_return *std::move(in_time);
}

/// Waits until the zygote has reported how the worker ended.
task<> wait_for_end(worker_link& worker) {
    for (worker.update(); !worker.ended(); worker.update()) co_await wait_readable(worker.status_socket());
}

/// A worker that is in the hands of one call: given back, or replaced.
class held_worker {
  public:
    held_worker(pool_core& pool, worker_link link) : pool_(pool), link_(std::move(link)) {}
    held_worker(const held_worker&) = delete;
    held_worker& operator=(const held_worker&) = delete;
    /// Only when the loop itself goes down in the middle of a call.
    ~held_worker() {
        if (held_) gone(true);
    }

    worker_link& link() noexcept { return link_; }
    void give_back() noexcept {
        held_ = false;
        pool_.answered();
        pool_.release(std::move(link_));
    }
    void gone(bool by_us) noexcept {
        held_ = false;
        pool_.replace(by_us);
    }

  private:
    pool_core& pool_;
    worker_link link_;
    bool held_ = true;
};

/// Throws what kept the worker from starting.
worker_died death_of(const worker_link& worker) {
    if (!worker.zygote_died()) return {worker.pid(), worker.status()};
    // The kernel kills the workers of a zygote that dies.
    return {worker.pid(), exit_status::killed(SIGKILL), "the zygote is gone, and its workers with it"};
}

void set_deadline(std::string& call, std::optional<duration> limit) {
    time_point deadline = this_task::deadline();
    if (limit && *limit < time_point::max() - clock::now())
        deadline = std::min(deadline, clock::now() + *limit);
    if (deadline == time_point::max()) return;
    wire::set_deadline(call, std::chrono::nanoseconds(deadline.time_since_epoch()).count());
}

/// One attempt. A worker that is gone has been replaced when this gives or throws.
/// Throws what `exchange` throws; what kept the worker from starting; process_errc::zygote_died where no
/// worker can be started any more.
task<attempt> run_once(pool_core& pool, std::string& call, const process_call_options& options) {
    held_worker worker(pool, co_await acquire_operation(pool));
    set_deadline(call, options.time_limit);
    outcome<attempt> ended =
        co_await outcome_of(exchange_within(worker.link(), call, pool.options(), options.time_limit));

    if (!ended.has_value()) {  // canceled, too late or too long: the worker is in the middle of something
        worker.link().send_signal(SIGKILL);
        co_await shield(wait_for_end(worker.link()));
        worker.gone(true);
        co_await checkpoint();  // if it was canceled, it ends here
    }
    attempt result = std::move(ended).value();
    if (result.how == attempt::kind::answered) {
        worker.give_back();
        co_return result;
    }
    co_await shield(wait_for_end(worker.link()));
    if (worker.link().left_unread()) result.how = attempt::kind::not_begun;
    worker.gone(false);
    result.death = death_of(worker.link());
    co_return result;
}

task<wire::frame> run_until_answered(pool_core& pool, std::string& call,
                                     const process_call_options& options) {
    unsigned retries_left = options.retries;
    int moves_left = moves_max;
    for (;;) {
        attempt result = co_await run_once(pool, call, options);
        if (result.how == attempt::kind::answered) co_return std::move(result.answer);
        if (result.how == attempt::kind::not_begun && moves_left-- > 0) continue;
        if (retries_left == 0) throw *result.death;
        --retries_left;
    }
}

}  // namespace

task<std::string> run_in_worker(std::shared_ptr<pool_core> pool, std::string call,
                                process_call_options options) {
    if (!pool)
        throw std::system_error(make_error_code(errc::wrong_state),
                                "process_pool::run: it was moved from; use the one that it was moved to");
    wire::frame answer = co_await run_until_answered(*pool, call, options);
    if (answer.type == wire::frame_type::error)
        std::rethrow_exception(make_exception(wire::decode_error(answer.payload)));
    co_return std::move(answer.payload);
}

}  // namespace detail

process_pool::process_pool(process_pool_options options)
    : core_(std::make_shared<detail::pool_core>(std::move(options))) {}

process_pool::process_pool(process_pool&&) noexcept = default;

process_pool& process_pool::operator=(process_pool&& other) noexcept {
    if (this != &other) {
        close();
        core_ = std::move(other.core_);
    }
    return *this;
}

process_pool::~process_pool() { close(); }

std::size_t process_pool::size() const noexcept { return core_ ? core_->size() : 0; }
process_pool_statistics process_pool::statistics() {
    return core_ ? core_->statistics() : process_pool_statistics{};
}

void process_pool::close() noexcept {
    if (core_) core_->close();
}

}  // namespace simul
