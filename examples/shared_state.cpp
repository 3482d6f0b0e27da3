// Why threads are hard, and what to do about it.
//
// Two threads add to one number, 100,000 times each. "Read it, add one, write it back" takes several steps,
// and when both do these at once, one of two additions is lost. Three ways do it right; the last shares
// nothing at all, and is both the simplest and the fastest.
#include <simul/core/all.hpp>
#include <simul/loop/run.hpp>
#include <simul/threads/thread_pool.hpp>

#include <fmt/core.h>

#include <atomic>
#include <mutex>
#include <vector>

constexpr int additions = 100'000;
constexpr int expected = 2 * additions;

simul::task<int> lose_additions(simul::thread_pool& threads) {
    std::atomic<int> number = 0;
    const auto add = [&number] {
        for (int i = 0; i < additions; ++i) {
            const int read = number.load(std::memory_order_relaxed);
            number.store(read + 1, std::memory_order_relaxed);  // somebody may have written since
        }
    };
    co_await simul::all(threads.run(add), threads.run(add));
    co_return number.load();
}

simul::task<int> add_under_a_mutex(simul::thread_pool& threads) {
    int number = 0;
    std::mutex mutex;
    const auto add = [&number, &mutex] {
        for (int i = 0; i < additions; ++i) {
            const std::lock_guard lock(mutex);
            ++number;
        }
    };
    co_await simul::all(threads.run(add), threads.run(add));
    co_return number;
}

simul::task<int> add_in_one_step(simul::thread_pool& threads) {
    std::atomic<int> number = 0;
    const auto add = [&number] {
        for (int i = 0; i < additions; ++i) number.fetch_add(1, std::memory_order_relaxed);
    };
    co_await simul::all(threads.run(add), threads.run(add));
    co_return number.load();
}

simul::task<int> share_nothing(simul::thread_pool& threads) {
    const auto count = [](int times) {
        int number = 0;
        for (int i = 0; i < times; ++i) ++number;
        return number;
    };
    const std::vector<int> parts{additions, additions};
    int sum = 0;
    for (const int part : co_await threads.map(parts, count)) sum += part;
    co_return sum;
}

simul::task<> app() {
    simul::thread_pool threads({.threads = 2});
    const int arrived = co_await lose_additions(threads);
    fmt::print("Read and write apart: {}\n", arrived <= expected ? "additions may be lost" : "impossible");
    fmt::print("Under a mutex:        {}\n", co_await add_under_a_mutex(threads));
    fmt::print("In one atomic step:   {}\n", co_await add_in_one_step(threads));
    fmt::print("Sharing nothing:      {}\n", co_await share_nothing(threads));
}

int main() { return simul::run_main(app); }
