// What does it cost to go from one coroutine to another in simul? limits/switch.cpp says what the figures
// are.
#include <simul/core/all.hpp>
#include <simul/core/async_generator.hpp>
#include <simul/core/task.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>

#include "common.h"

namespace {

using namespace simul;

double ns_each(int64_t begin, long times) {
    return static_cast<double>(own_cpu_ns() - begin) / static_cast<double>(times);
}

async_generator<long> numbers(long count) {
    for (long i = 0; i < count; ++i) co_yield i;
}

task<double> transfer_ns(long times) {
    const int64_t begin = own_cpu_ns();
    auto source = numbers(times / 2);
    while (co_await source.next()) {  // into the generator and back: two transfers for each number
    }
    co_return ns_each(begin, times);
}

task<> take_turns(long times) {
    for (long i = 0; i < times; ++i) co_await yield();
}

task<double> queue_ns(long times) {
    const int64_t begin = own_cpu_ns();
    co_await all(take_turns(times / 2), take_turns(times / 2));
    co_return ns_each(begin, times);
}

[[gnu::noinline]] task<int> one(int n) { co_return n; }

task<double> call_ns(long times) {
    const int64_t begin = own_cpu_ns();
    long sum = 0;
    for (long i = 0; i < times; ++i) sum += co_await one(1);
    const double ns = ns_each(begin, times);
    if (sum != times) throw std::logic_error("calls were lost");
    co_return ns;
}

task<> measure(long times) {
    co_await transfer_ns(times / 10), co_await queue_ns(times / 10),
        co_await call_ns(times / 10);  // caches, frames
    const double transfer = co_await transfer_ns(times);
    const double queue = co_await queue_ns(times);
    const double call = co_await call_ns(times);
    printf("{\"transfer_ns\": %.3f, \"queue_ns\": %.3f, \"call_ns\": %.3f}\n", transfer, queue, call);
}

}  // namespace

int main(int argc, char** argv) { run(measure, option(argc, argv, "--times", 5'000'000)); }
