#include <simul/threads/thread_queue.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "threads/start_thread.hpp"

namespace simul::detail {

thread_queue::thread_queue(std::size_t threads, std::size_t queue_limit, std::string name)
    : threads_max_(std::max<std::size_t>(threads, 1)),
      queue_limit_(std::max<std::size_t>(queue_limit, 1)),
      name_(std::move(name)) {}

thread_queue::~thread_queue() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    work_or_end_.notify_all();
    for (std::thread& each : threads_) each.join();
}

void thread_queue::push(thread_job& job) {
    {
        const std::lock_guard lock(mutex_);
        if (idle_ <= queued_count_ && threads_.size() < threads_max_) start_thread();
        enqueue(job);
    }
    work_or_end_.notify_one();
}

// Under the lock. Throws only if there is no thread at all: with fewer than wanted the work is done too.
void thread_queue::start_thread() {
    try {
        threads_.reserve(threads_max_);
        threads_.push_back(
            detail::start_thread(fmt::format("{}-{}", name_, threads_.size()), [this] { serve(); }));
    } catch (const std::system_error&) {
        if (threads_.empty()) throw;
    }
}

void thread_queue::enqueue(thread_job& job) noexcept {
    if (queued_count_ < queue_limit_) {
        queue_.push_back(job);
        ++queued_count_;
        job.place_ = thread_job::place::queued;
    } else {
        waiting_.push_back(job);
        ++waiting_count_;
        job.place_ = thread_job::place::waiting;
    }
}

thread_job* thread_queue::take() noexcept {
    thread_job* next = queue_.pop_front();
    next->place_ = thread_job::place::nowhere;
    --queued_count_;
    if (thread_job* admitted = waiting_.pop_front()) {
        --waiting_count_;
        enqueue(*admitted);
    }
    return next;
}

bool thread_queue::remove(thread_job& job) noexcept {
    const std::lock_guard lock(mutex_);
    if (job.place_ == thread_job::place::nowhere) return false;
    job.unlink();
    if (std::exchange(job.place_, thread_job::place::nowhere) == thread_job::place::waiting) {
        --waiting_count_;
    } else {
        --queued_count_;
        if (thread_job* admitted = waiting_.pop_front()) {
            --waiting_count_;
            enqueue(*admitted);
        }
    }
    return true;
}

void thread_queue::serve() noexcept {
    std::unique_lock lock(mutex_);
    for (;;) {
        ++idle_;
        work_or_end_.wait(lock, [this] { return ending_ || !queue_.empty(); });
        --idle_;
        if (queue_.empty()) return;
        thread_job* job = take();
        ++running_;
        lock.unlock();
        job->execute();
        lock.lock();
        --running_;
        ++completed_;
    }
}

thread_queue_statistics thread_queue::statistics() {
    const std::lock_guard lock(mutex_);
    return {threads_.size(), running_, queued_count_, waiting_count_, completed_};
}

}  // namespace simul::detail
