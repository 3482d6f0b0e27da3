#pragma once

#include <cassert>
#include <utility>

#include <simul/core/leaf.hpp>

namespace simul {

class async_mutex;

/// Holds a lock of an async_mutex; releases it when destroyed.
class [[nodiscard]] async_lock {
  public:
    async_lock(async_lock&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    async_lock& operator=(async_lock&& other) noexcept {
        std::swap(mutex_, other.mutex_);
        return *this;
    }
    ~async_lock() { unlock(); }

    /// Releases it before its time. Does nothing if it is released.
    void unlock() noexcept;
    bool owns_lock() const noexcept { return mutex_ != nullptr; }
    explicit operator bool() const noexcept { return owns_lock(); }

  private:
    friend async_mutex;
    explicit async_lock(async_mutex* mutex) noexcept : mutex_(mutex) {}
    async_mutex* mutex_;
};

/// A lock that may be held across a co_await. Waiting tasks get it in the order they asked.
///
/// `auto lock = co_await mutex.lock();` Code that does not await while it holds something needs no lock: no
/// other task of the loop runs meanwhile. Lifetime: must outlive its locks and its waiters. Threads: one
/// loop. Cancel:   all or nothing: a canceled lock() holds nothing, even if its turn had just come.
class async_mutex {
  public:
    async_mutex() = default;
    async_mutex(const async_mutex&) = delete;
    async_mutex& operator=(const async_mutex&) = delete;
    ~async_mutex() {
        assert(waiters_.empty() && "an async_mutex was destroyed while tasks wait for it");
        assert(!locked_ && "an async_mutex was destroyed while it is held");
    }

    class lock_operation;
    lock_operation lock() noexcept;

    /// Never waits: an empty lock if it is held.
    async_lock try_lock() noexcept {
        if (locked_) return async_lock(nullptr);
        locked_ = true;
        return async_lock(this);
    }
    bool locked() const noexcept { return locked_; }

  private:
    friend async_lock;
    struct waiting_tag;
    inline void release() noexcept;

    bool locked_ = false;
    detail::intrusive_list<lock_operation, waiting_tag> waiters_;
};

class [[nodiscard("await it: co_await mutex.lock()")]] async_mutex::lock_operation final
    : public detail::leaf_operation<lock_operation>,
      public detail::list_node<waiting_tag> {
  public:
    explicit lock_operation(async_mutex& mutex) noexcept : mutex_(mutex) {}
    ~lock_operation() { detail::list_node<waiting_tag>::unlink(); }

    bool ready() noexcept {
        if (mutex_.locked_) return false;
        return mutex_.locked_ = true;
    }
    bool start() noexcept {
        mutex_.waiters_.push_back(*this);
        return true;
    }
    async_lock result() noexcept { return async_lock(&mutex_); }
    const char* describe() const noexcept override { return "lock of an async_mutex"; }

    void handed_over() noexcept { resume(); }

  private:
    void on_cancel() noexcept override {
        detail::list_node<waiting_tag>::unlink();
        stop();
    }
    void on_cancel_late() noexcept override {
        mutex_.release();
        revoke();
    }
    async_mutex& mutex_;
};

inline async_mutex::lock_operation async_mutex::lock() noexcept { return lock_operation(*this); }

inline void async_mutex::release() noexcept {
    if (lock_operation* next = waiters_.pop_front())
        next->handed_over();
    else
        locked_ = false;
}

inline void async_lock::unlock() noexcept {
    if (mutex_ != nullptr) std::exchange(mutex_, nullptr)->release();
}

}  // namespace simul
