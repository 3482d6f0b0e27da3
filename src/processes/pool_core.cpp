#include "processes/pool_core.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include <simul/base/cpus.hpp>
#include <simul/base/error.hpp>
#include <simul/base/log.hpp>

namespace simul::detail {

pool_core::pool_core(process_pool_options options) : options_(std::move(options)), owner_(::getpid()) {
    if (options_.workers == 0) options_.workers = available_cpus();
    while (total_ < options_.workers) {
        idle_.push_back(start_worker());
        ++total_;
    }
}

worker_link pool_core::start_worker() { return worker_link::start(options_.name); }

void pool_core::check_usable() const {
    if (owner_ != ::getpid())
        throw std::system_error(
            make_error_code(errc::wrong_state),
            fmt::format("process_pool: it belongs to process {}; make a new one here", owner_));
    if (closed_) throw std::system_error(make_error_code(errc::closed), "process_pool");
}

// Under the lock. An idle worker that was killed meanwhile is replaced here.
std::optional<worker_link> pool_core::take_idle() {
    while (!idle_.empty()) {
        worker_link worker = std::move(idle_.back());
        idle_.pop_back();
        worker.update();
        if (!worker.ended()) return worker;
        --total_;
        ++died_;
        log(log_level::warning, "processes: an idle worker (process {}) died", worker.pid());
    }
    return std::nullopt;
}

std::optional<worker_link> pool_core::try_acquire() {
    const std::lock_guard lock(mutex_);
    check_usable();
    if (!waiters_.empty()) return std::nullopt;  // first come, first served
    if (auto worker = take_idle()) return worker;
    if (total_ == options_.workers) return std::nullopt;
    worker_link worker = start_worker();
    ++total_;
    return worker;
}

bool pool_core::wait_or_take(acquire_operation& waiter) {
    const std::lock_guard lock(mutex_);
    check_usable();
    if (waiters_.empty()) {
        waiter.worker_ = take_idle();
        if (waiter.worker_) return false;
    }
    waiter.box_->add_hope();
    waiters_.push_back(waiter);
    ++waiting_;
    return true;
}

bool pool_core::withdraw(acquire_operation& waiter) noexcept {
    const std::lock_guard lock(mutex_);
    auto& node = static_cast<list_node<acquire_tag>&>(waiter);
    if (!node.linked()) return false;
    node.unlink();
    --waiting_;
    return true;
}

// Under the lock.
void pool_core::hand_out(worker_link worker) noexcept {
    if (acquire_operation* first = waiters_.pop_front()) {
        --waiting_;
        first->give(std::move(worker));
    } else {
        idle_.push_back(std::move(worker));
    }
}

void pool_core::release(worker_link worker) noexcept {
    const std::lock_guard lock(mutex_);
    if (closed_) {
        --total_;
        return;  // closing its socket kills it
    }
    hand_out(std::move(worker));
}

void pool_core::replace(bool by_us) noexcept {
    const std::lock_guard lock(mutex_);
    --total_;
    ++(by_us ? killed_ : died_);
    if (closed_) return;
    try {
        worker_link worker = start_worker();
        ++total_;
        hand_out(std::move(worker));
    } catch (const std::exception& e) {
        log(log_level::error, "processes: a worker could not be replaced: {}", e.what());
        // The next call tries again. Those that wait have nobody left to wait for, unless other workers live.
        if (total_ == 0) fail_waiters(std::current_exception());
    }
}

void pool_core::fail_waiters(const std::exception_ptr& error) noexcept {
    while (acquire_operation* first = waiters_.pop_front()) {
        --waiting_;
        first->fail(error);
    }
}

void pool_core::answered() noexcept {
    const std::lock_guard lock(mutex_);
    ++completed_;
}

process_pool_statistics pool_core::statistics() {
    const std::lock_guard lock(mutex_);
    std::vector<worker_link> alive;
    while (auto worker = take_idle()) alive.push_back(*std::move(worker));
    idle_ = std::move(alive);
    return {.workers = total_,
            .idle = idle_.size(),
            .waiting = waiting_,
            .completed = completed_,
            .died = died_,
            .killed = killed_};
}

void pool_core::close() noexcept {
    if (owner_ != ::getpid()) return;  // the copy in a forked child
    std::vector<worker_link> workers;
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(closed_, true)) return;
        workers = std::exchange(idle_, {});
        total_ -= workers.size();
        fail_waiters(
            std::make_exception_ptr(std::system_error(make_error_code(errc::closed), "process_pool")));
    }
    for (worker_link& each : workers) each.send_signal(SIGKILL);
    for (worker_link& each : workers) each.kill_and_wait();
}

}  // namespace simul::detail
