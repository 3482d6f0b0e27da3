#include <simul/threads/thread_pool.hpp>

#include <utility>

#include <simul/base/cpus.hpp>

namespace simul {
namespace {

std::size_t or_cpus(std::size_t asked) { return asked == 0 ? available_cpus() : asked; }

}  // namespace

thread_pool::thread_pool(thread_pool_options options)
    : queue_(or_cpus(options.threads), options.queue_limit, options.name),
      loops_(or_cpus(options.loops), std::move(options.name)) {}

thread_pool::~thread_pool() = default;

thread_pool_statistics thread_pool::statistics() {
    const detail::thread_queue_statistics queue = queue_.statistics();
    const detail::pool_loops::counts loops = loops_.statistics();
    return {.threads = queue.threads,
            .running = queue.running,
            .queued = queue.queued,
            .waiting = queue.waiting,
            .completed = queue.completed,
            .loops = loops.loops,
            .coroutines = loops.active};
}

}  // namespace simul
