#pragma once

#include <simul/core/task.hpp>
#include <simul/loop/future.hpp>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>

namespace simul::sqlite {

/// A thread for one connection: SQLite's calls block, and a connection belongs to one thread at a time.
///
/// Calls run one after the other in the order they were made.
/// Lifetime: its destructor runs what was asked for and joins the thread.
/// Threads: calls may come from any.
class own_thread {
  public:
    own_thread() : thread_([this] { serve(); }) {}
    ~own_thread() {
        {
            std::lock_guard lock(mutex_);
            closing_ = true;
        }
        something_.notify_one();
        thread_.join();
    }
    own_thread(const own_thread&) = delete;
    own_thread& operator=(const own_thread&) = delete;

    /// Runs `f()` on the thread; gives its result on the caller's loop.
    ///
    /// Cancel: a call that has not begun is dropped; one that runs goes on and its result is dropped.
    template <class F>
    task<std::invoke_result_t<F&>> run(F f) {
        using R = std::invoke_result_t<F&>;
        struct call {
            F f;
            promise<R> result;
            std::atomic<bool> dropped{false};
            call(F&& function) : f(std::move(function)) {}
        };
        auto shared = std::make_shared<call>(std::move(f));
        future<R> result = shared->result.get_future();
        struct drop {
            call& c;
            ~drop() { c.dropped.store(true, std::memory_order_relaxed); }
        } dropped{*shared};
        post([shared] {
            if (shared->dropped.load(std::memory_order_relaxed)) return;
            std::exception_ptr error;
            try {
                if constexpr (std::is_void_v<R>) {
                    shared->f();
                    shared->result.set_value();
                } else {
                    shared->result.set_value(shared->f());
                }
            } catch (...) {  // carried to its owner, who awaits the future
                error = std::current_exception();
            }
            // Outside of the handler, whose share of the error would else be the last one, on this thread.
            if (error) shared->result.try_set_error(std::move(error));
        });
        co_return co_await result.get();
    }

  private:
    void post(std::function<void()> f) {
        {
            std::lock_guard lock(mutex_);
            calls_.push_back(std::move(f));
        }
        something_.notify_one();
    }
    void serve() {
        std::unique_lock lock(mutex_);
        for (;;) {
            something_.wait(lock, [&] { return closing_ || !calls_.empty(); });
            if (calls_.empty()) return;
            std::function<void()> next = std::move(calls_.front());
            calls_.pop_front();
            lock.unlock();
            next();
            next = nullptr;  // what it holds goes before the lock is taken again
            lock.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable something_;
    std::deque<std::function<void()>> calls_;
    bool closing_ = false;
    std::thread thread_;  // last: it starts when the rest is there
};

}  // namespace simul::sqlite
