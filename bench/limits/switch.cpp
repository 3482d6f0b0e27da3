// What does a change of coroutine cost when nothing but the language is there? Hand-written coroutines, no
// library, no cancellation.
//
//   transfer  two suspended coroutines hand control to each other (symmetric transfer); per transfer
//   queue     two coroutines in turn through a queue of handles that a loop empties; per switch
//   call      await of a coroutine that completes at once: frame made, entered, finished, destroyed; per call
#include <coroutine>
#include <cstddef>
#include <deque>
#include <exception>
#include <utility>

#include "../common.h"

namespace {

/// A coroutine that runs until somebody destroys it or it ends; what all three measurements build on.
struct bare {
    struct promise_type {
        bare get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
    std::coroutine_handle<promise_type> handle;
};

struct transfer_to {
    std::coroutine_handle<>& other;
    bool await_ready() noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<>) noexcept { return other; }
    void await_resume() noexcept {}
};

bare hand_over(std::coroutine_handle<>& other, long times) {
    for (long i = 0; i < times; ++i) co_await transfer_to{other};
}

double transfer_ns(long times) {
    std::coroutine_handle<> first, second;
    bare a = hand_over(second, times / 2), b = hand_over(first, times);
    first = a.handle;
    second = b.handle;
    const int64_t begin = own_cpu_ns();
    a.handle.resume();  // `a` ends after its last turn, while `b` is still suspended
    const int64_t end = own_cpu_ns();
    a.handle.destroy();
    b.handle.destroy();
    return static_cast<double>(end - begin) / static_cast<double>(times);
}

std::deque<std::coroutine_handle<>> ready;

struct next_turn {
    bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> me) { ready.push_back(me); }
    void await_resume() noexcept {}
};

bare take_turns(long times) {
    for (long i = 0; i < times; ++i) co_await next_turn{};
}

double queue_ns(long times) {
    bare a = take_turns(times / 2), b = take_turns(times / 2);
    const int64_t begin = own_cpu_ns();
    ready.push_back(a.handle);
    ready.push_back(b.handle);
    while (!ready.empty()) {
        std::coroutine_handle<> one = ready.front();
        ready.pop_front();
        one.resume();
    }
    const int64_t end = own_cpu_ns();
    a.handle.destroy();
    b.handle.destroy();
    return static_cast<double>(end - begin) / static_cast<double>(times);
}

/// Frames of one size, kept for the next call.
struct free_frame {
    free_frame* next;
};
free_frame* free_frames = nullptr;

struct answer {
    struct promise_type;
    using handle_type = std::coroutine_handle<promise_type>;
    struct final_awaiter {
        bool await_ready() noexcept { return false; }
        std::coroutine_handle<> await_suspend(handle_type me) noexcept { return me.promise().caller; }
        void await_resume() noexcept {}
    };
    struct promise_type {
        int value = 0;
        std::coroutine_handle<> caller;
        answer get_return_object() { return answer{handle_type::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        final_awaiter final_suspend() noexcept { return {}; }
        void return_value(int v) { value = v; }
        void unhandled_exception() { std::terminate(); }
        static void* operator new(std::size_t size) {
            if (free_frames == nullptr) return ::operator new(size);
            return std::exchange(free_frames, free_frames->next);
        }
        static void operator delete(void* frame) { free_frames = new (frame) free_frame{free_frames}; }
    };

    explicit answer(handle_type h) : handle(h) {}
    answer(const answer&) = delete;
    answer& operator=(const answer&) = delete;
    ~answer() { handle.destroy(); }
    bool await_ready() noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
        handle.promise().caller = caller;
        return handle;
    }
    int await_resume() noexcept { return handle.promise().value; }

    handle_type handle;
};

// Not inlined, as in a program of several files: else the compiler removes the frame and there is nothing
// left to measure.
[[gnu::noinline]] answer one(int n) { co_return n; }

bare call_often(long times, long& sum) {
    for (long i = 0; i < times; ++i) sum += co_await one(1);
}

double call_ns(long times) {
    long sum = 0;
    bare caller = call_often(times, sum);
    const int64_t begin = own_cpu_ns();
    caller.handle.resume();
    const int64_t end = own_cpu_ns();
    caller.handle.destroy();
    if (sum != times) std::terminate();
    return static_cast<double>(end - begin) / static_cast<double>(times);
}

}  // namespace

int main(int argc, char** argv) {
    const long times = option(argc, argv, "--times", 5'000'000);
    transfer_ns(times / 10), queue_ns(times / 10), call_ns(times / 10);  // caches, frames
    printf("{\"transfer_ns\": %.3f, \"queue_ns\": %.3f, \"call_ns\": %.3f}\n", transfer_ns(times),
           queue_ns(times), call_ns(times));
}
