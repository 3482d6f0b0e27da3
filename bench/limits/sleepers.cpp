// How little memory and time does a sleeping coroutine need when nothing but the language is there?
//
// A million hand-written coroutines, each with a place in a binary heap of deadlines; no library, no
// cancellation, no loop.
#include <algorithm>
#include <coroutine>
#include <exception>
#include <vector>

#include "../common.h"

namespace {

struct bare {
    struct promise_type {
        bare get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
    std::coroutine_handle<promise_type> handle;
};

struct sleeper {
    int64_t deadline;
    std::coroutine_handle<> who;
    bool operator<(const sleeper& other) const { return deadline > other.deadline; }
};

std::vector<sleeper> sleepers;

struct sleep_until {
    int64_t deadline;
    bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> me) {
        sleepers.push_back({deadline, me});
        std::push_heap(sleepers.begin(), sleepers.end());
    }
    void await_resume() noexcept {}
};

[[gnu::noinline]] bare sleep(int64_t deadline) { co_await sleep_until{deadline}; }

}  // namespace

int main(int argc, char** argv) {
    const long count = option(argc, argv, "--count", 1'000'000);
    const int64_t before = resident_bytes();
    std::vector<bare> tasks;
    const int64_t begin = own_cpu_ns();
    for (long i = 0; i < count; ++i) tasks.push_back(sleep(now_ns() + 3'600'000'000'000 + i));
    const int64_t started = own_cpu_ns();
    const int64_t after = resident_bytes();
    for (bare task : tasks) task.handle.destroy();
    const int64_t end = own_cpu_ns();
    const double n = static_cast<double>(count);
    printf("{\"bytes\": %.1f, \"start_ns\": %.1f, \"end_ns\": %.1f}\n",
           static_cast<double>(after - before) / n, static_cast<double>(started - begin) / n,
           static_cast<double>(end - started) / n);
}
