#pragma once

#include <cassert>
#include <cstddef>
#include <utility>

#include <simul/core/leaf.hpp>

namespace simul {

class async_semaphore;

/// Units taken from an async_semaphore; given back when destroyed.
class [[nodiscard]] async_permit {
  public:
    async_permit(async_permit&& other) noexcept
        : semaphore_(std::exchange(other.semaphore_, nullptr)), units_(other.units_) {}
    async_permit& operator=(async_permit&& other) noexcept {
        std::swap(semaphore_, other.semaphore_);
        std::swap(units_, other.units_);
        return *this;
    }
    ~async_permit() { release(); }

    /// Gives the units back before its time. Does nothing if they are.
    void release() noexcept;
    explicit operator bool() const noexcept { return semaphore_ != nullptr; }

  private:
    friend async_semaphore;
    async_permit(async_semaphore* semaphore, std::size_t units) noexcept
        : semaphore_(semaphore), units_(units) {}
    async_semaphore* semaphore_;
    std::size_t units_;
};

/// So many at once. Waiting tasks are served in the order they asked; a large request is not overtaken by
/// small ones.
///
/// `auto permit = co_await semaphore.acquire();`
/// Lifetime: must outlive its permits and its waiters. Threads: one loop. Cancel: all or nothing.
class async_semaphore {
  public:
    explicit async_semaphore(std::size_t units) noexcept : available_(units) {}
    async_semaphore(const async_semaphore&) = delete;
    async_semaphore& operator=(const async_semaphore&) = delete;
    ~async_semaphore() {
        assert(waiters_.empty() && "an async_semaphore was destroyed while tasks wait for it");
    }

    class acquire_operation;
    acquire_operation acquire(std::size_t units = 1) noexcept;
    /// Never waits: an empty permit if there are too few units, or if others wait already.
    async_permit try_acquire(std::size_t units = 1) noexcept {
        if (units > available_ || !waiters_.empty()) return {nullptr, 0};
        available_ -= units;
        return {this, units};
    }
    /// Adds units: for a semaphore that counts events rather than holders.
    inline void release(std::size_t units = 1) noexcept;
    std::size_t available() const noexcept { return available_; }

  private:
    friend async_permit;
    struct waiting_tag;
    inline void serve() noexcept;

    std::size_t available_;
    detail::intrusive_list<acquire_operation, waiting_tag> waiters_;
};

class [[nodiscard("await it: co_await semaphore.acquire()")]] async_semaphore::acquire_operation final
    : public detail::leaf_operation<acquire_operation>,
      public detail::list_node<waiting_tag> {
  public:
    acquire_operation(async_semaphore& semaphore, std::size_t units) noexcept
        : semaphore_(semaphore), units_(units) {}
    ~acquire_operation() { detail::list_node<waiting_tag>::unlink(); }

    bool ready() noexcept {
        if (units_ > semaphore_.available_ || !semaphore_.waiters_.empty()) return false;
        semaphore_.available_ -= units_;
        return true;
    }
    bool start() noexcept {
        semaphore_.waiters_.push_back(*this);
        return true;
    }
    async_permit result() noexcept { return {&semaphore_, units_}; }
    const char* describe() const noexcept override { return "acquire of an async_semaphore"; }

    std::size_t units() const noexcept { return units_; }
    void served() noexcept { resume(); }

  private:
    void on_cancel() noexcept override {
        detail::list_node<waiting_tag>::unlink();
        stop();
        semaphore_.serve();  // a large request at the head may have held back smaller ones
    }
    void on_cancel_late() noexcept override {
        semaphore_.release(units_);
        revoke();
    }
    async_semaphore& semaphore_;
    std::size_t units_;
};

inline async_semaphore::acquire_operation async_semaphore::acquire(std::size_t units) noexcept {
    return {*this, units};
}

inline void async_semaphore::serve() noexcept {
    while (!waiters_.empty() && waiters_.front().units() <= available_) {
        acquire_operation* next = waiters_.pop_front();
        available_ -= next->units();
        next->served();
    }
}

inline void async_semaphore::release(std::size_t units) noexcept {
    available_ += units;
    serve();
}

inline void async_permit::release() noexcept {
    if (semaphore_ != nullptr) std::exchange(semaphore_, nullptr)->release(units_);
}

}  // namespace simul
