#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>

#include <simul/loop/blocking.hpp>

namespace simul::detail {

/// Up to `threads_max` threads, started when needed and ended after some idle time. They are detached and
/// hold the pool's state themselves: a call that nobody can stop (a name look-up without an answer) delays
/// nobody's exit.
class blocking_pool {
  public:
    explicit blocking_pool(std::size_t threads_max);
    blocking_pool(const blocking_pool&) = delete;
    blocking_pool& operator=(const blocking_pool&) = delete;
    ~blocking_pool();

    void submit(std::shared_ptr<blocking_call> call);

  private:
    struct state;
    static void work(std::shared_ptr<state> shared) noexcept;
    std::shared_ptr<state> state_;
};

}  // namespace simul::detail
