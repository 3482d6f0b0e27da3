#include "loop/blocking_pool.hpp"

#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <system_error>
#include <thread>

namespace simul::detail {

namespace {
constexpr std::chrono::seconds idle_max{10};  ///< a thread without work ends after this
}

struct blocking_pool::state {
    std::mutex mutex;
    std::condition_variable wakes;
    std::deque<std::shared_ptr<blocking_call>> calls;
    std::size_t threads = 0;
    std::size_t idle = 0;
    std::size_t threads_max;
    bool closed = false;

    explicit state(std::size_t max) : threads_max(max == 0 ? 1 : max) {}
};

blocking_pool::blocking_pool(std::size_t threads_max) : state_(std::make_shared<state>(threads_max)) {}

blocking_pool::~blocking_pool() {
    std::deque<std::shared_ptr<blocking_call>> dropped;
    {
        const std::lock_guard lock(state_->mutex);
        state_->closed = true;
        dropped.swap(state_->calls);
    }
    state_->wakes.notify_all();
}

void blocking_pool::submit(std::shared_ptr<blocking_call> call) {
    bool starts = false;
    {
        const std::lock_guard lock(state_->mutex);
        state_->calls.push_back(std::move(call));
        starts = state_->idle < state_->calls.size() && state_->threads < state_->threads_max;
        if (starts) ++state_->threads;
    }
    if (!starts) {
        state_->wakes.notify_one();
        return;
    }
    // Signals are for the threads that asked for them.
    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        std::thread(&blocking_pool::work, state_).detach();
    } catch (const std::system_error&) {
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        std::shared_ptr<blocking_call> mine;
        {
            const std::lock_guard lock(state_->mutex);
            if (--state_->threads > 0) return;  // another thread will come to it
            mine = std::move(state_->calls.back());
            state_->calls.pop_back();
        }
        throw;
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void blocking_pool::work(std::shared_ptr<state> shared) noexcept {
    std::unique_lock lock(shared->mutex);
    for (;;) {
        if (shared->calls.empty()) {
            ++shared->idle;
            const bool work = shared->wakes.wait_for(
                lock, idle_max, [&] { return shared->closed || !shared->calls.empty(); });
            --shared->idle;
            if (shared->closed || !work) break;
        }
        std::shared_ptr<blocking_call> call = std::move(shared->calls.front());
        shared->calls.pop_front();
        lock.unlock();
        call->execute();
        call.reset();
        lock.lock();
        if (shared->closed) break;
    }
    --shared->threads;
}

// --- the way of a call
// ----------------------------------------------------------------------------------------------

void blocking_call::execute() noexcept {
    if (!abandoned_.load(std::memory_order_relaxed)) call();
    self_ = shared_from_this();
    std::shared_ptr<inbox> box = box_;
    if (!box->push(*this)) {
        self_.reset();
        box->drop_hope();
    }
}

void blocking_call::arrived(loop*) noexcept {
    std::shared_ptr<blocking_call> keep = std::move(self_);
    box_->drop_hope();
    if (waits_) tell();
}

void start_blocking(loop& on, std::shared_ptr<blocking_call> call) {
    auto& pool = loop_access::blocking(on);
    if (!pool) pool = std::make_shared<blocking_pool>(loop_access::options(on).blocking_threads_max);
    call->box_ = loop_access::box(on);
    call->box_->add_hope();
    try {
        pool->submit(call);
    } catch (...) {
        call->box_->drop_hope();
        throw;
    }
}

}  // namespace simul::detail
