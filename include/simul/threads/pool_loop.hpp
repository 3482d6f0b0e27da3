#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <simul/loop/loop.hpp>

namespace simul::detail {

/// A loop of a thread_pool, on a thread of its own, for the coroutines of others.
class pool_loop {
  public:
    /// Starts the thread and waits until the loop is there. Throws std::system_error.
    explicit pool_loop(std::string name);
    /// Waits for what still runs, and joins the thread.
    ~pool_loop();
    pool_loop(const pool_loop&) = delete;
    pool_loop& operator=(const pool_loop&) = delete;

    const loop_handle& handle() const noexcept;
    inbox& box() noexcept;

    /// Coroutines that were sent here and have not ended. `begin` on any thread, `end` on this loop.
    std::size_t active() const noexcept { return active_.load(std::memory_order_relaxed); }
    void begin() noexcept { active_.fetch_add(1, std::memory_order_relaxed); }
    void end() noexcept;

  private:
    struct state;
    std::atomic<std::size_t> active_{0};
    std::unique_ptr<state> state_;
};

/// The loops of a thread_pool, started as they are needed. Threads: any.
class pool_loops {
  public:
    pool_loops(std::size_t loops, std::string name);

    /// The loop for one more coroutine, which is counted as active there: an idle one, a new one, or the
    /// least busy. Throws std::system_error.
    pool_loop& pick();

    struct counts {
        std::size_t loops, active;
    };
    counts statistics();

  private:
    std::size_t loops_max_;
    std::string name_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<pool_loop>> loops_;
};

}  // namespace simul::detail
