#include <simul/core/scheduler.hpp>

#include <string>
#include <utility>

#include <simul/base/error.hpp>

namespace simul::detail {
namespace {
thread_local constinit scheduler* this_thread_scheduler = nullptr;
}

std::size_t scheduler::run_ready(std::size_t limit) noexcept {
    std::size_t count = 0;
    // Left over if foreign code resumed a coroutine between turns (a function given to loop_handle::post,
    // say).
    while (bounce_) std::exchange(bounce_, nullptr).resume();
    while (count < limit && head_ != nullptr) {
        ready_node* node = head_;
        head_ = node->next_ready;
        if (head_ == nullptr) tail_ = &head_;
        transfers_ = 0;
        node->run();
        while (bounce_) std::exchange(bounce_, nullptr).resume();
        ++count;
    }
    current = nullptr;
    return count;
}

[[gnu::noinline]] scheduler* current_scheduler() noexcept { return this_thread_scheduler; }

[[gnu::noinline]] scheduler* exchange_current_scheduler(scheduler* replacement) noexcept {
    return std::exchange(this_thread_scheduler, replacement);
}

scheduler& require_scheduler(const char* call) {
    scheduler* on = current_scheduler();
    if (on == nullptr || on->current == nullptr)
        throw std::system_error(
            make_error_code(errc::no_loop),
            std::string(call) + ": call it inside a task that runs on a loop (simul::run)");
    return *on;
}

}  // namespace simul::detail
