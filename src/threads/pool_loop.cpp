#include <simul/threads/pool_loop.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <future>
#include <iterator>
#include <optional>
#include <thread>
#include <utility>

#include <simul/base/log.hpp>
#include <simul/core/async_event.hpp>
#include "threads/start_thread.hpp"

namespace simul::detail {

struct pool_loop::state {
    void serve(std::promise<void>& ready);
    task<> wait_for_end(const pool_loop& owner);

    std::optional<loop_handle> handle;
    std::shared_ptr<inbox> box;
    async_event* changed = nullptr;  ///< on the loop: the pool ends, or a coroutine has ended
    bool ending = false;
    const pool_loop* owner = nullptr;
    std::thread thread;
};

void pool_loop::state::serve(std::promise<void>& ready) {
    bool made = false;
    try {
        loop own;
        async_event event;
        changed = &event;
        handle = own.handle();
        box = loop_access::box(own);
        made = true;
        ready.set_value();
        own.run([this] { return wait_for_end(*owner); });
    } catch (const std::exception& e) {
        if (made)
            log(log_level::error, "threads: a loop of a pool failed: {}", e.what());
        else
            ready.set_exception(std::current_exception());  // carried to the constructor
    }
}

task<> pool_loop::state::wait_for_end(const pool_loop& pool) {
    while (!ending || pool.active() > 0) {
        co_await changed->wait();
        changed->reset();
    }
}

pool_loop::pool_loop(std::string name) : state_(std::make_unique<state>()) {
    state_->owner = this;
    std::promise<void> ready;
    state_->thread = start_thread(std::move(name), [this, &ready] { state_->serve(ready); });
    try {
        ready.get_future().get();
    } catch (...) {  // no loop could be made: the thread has ended
        state_->thread.join();
        throw;
    }
}

pool_loop::~pool_loop() {
    state_->handle->post([own = state_.get()] {
        own->ending = true;
        own->changed->set();
    });
    state_->thread.join();
}

const loop_handle& pool_loop::handle() const noexcept { return *state_->handle; }
inbox& pool_loop::box() noexcept { return *state_->box; }

void pool_loop::end() noexcept {
    active_.fetch_sub(1, std::memory_order_relaxed);
    if (state_->ending) state_->changed->set();
}

pool_loops::pool_loops(std::size_t loops, std::string name)
    : loops_max_(std::max<std::size_t>(loops, 1)), name_(std::move(name)) {}

pool_loop& pool_loops::pick() {
    const std::lock_guard lock(mutex_);
    auto least = std::ranges::min_element(loops_, {}, [](const auto& each) { return each->active(); });
    if (least == loops_.end() || ((*least)->active() > 0 && loops_.size() < loops_max_)) {
        loops_.push_back(std::make_unique<pool_loop>(fmt::format("{}-loop-{}", name_, loops_.size())));
        least = std::prev(loops_.end());
    }
    (*least)->begin();
    return **least;
}

pool_loops::counts pool_loops::statistics() {
    const std::lock_guard lock(mutex_);
    counts all{loops_.size(), 0};
    for (const auto& each : loops_) all.active += each->active();
    return all;
}

}  // namespace simul::detail
