// What does a change of coroutine cost in Boost.Asio? ../limits/switch.cpp says what the figures are.
// Asio has no way to hand control from one suspended coroutine to another, so `transfer` is missing.
#include "asio.hpp"

namespace {

[[gnu::noinline]] asio::awaitable<int> one(int n) { co_return n; }

asio::awaitable<void> call_often(long times, double& ns) {
    long sum = 0;
    const int64_t begin = own_cpu_ns();
    for (long i = 0; i < times; ++i) sum += co_await one(1);
    ns = static_cast<double>(own_cpu_ns() - begin) / static_cast<double>(times);
    if (sum != times) std::terminate();
}

asio::awaitable<void> take_turns(long times) {
    auto here = co_await asio::this_coro::executor;
    for (long i = 0; i < times; ++i) co_await asio::post(here, asio::use_awaitable);
}

double queue_ns(long times) {
    asio::io_context context(1);
    asio::co_spawn(context, take_turns(times / 2), asio::detached);
    asio::co_spawn(context, take_turns(times / 2), asio::detached);
    const int64_t begin = own_cpu_ns();
    context.run();
    return static_cast<double>(own_cpu_ns() - begin) / static_cast<double>(times);
}

double call_ns(long times) {
    double ns = 0;
    asio::io_context context(1);
    asio::co_spawn(context, call_often(times, ns), asio::detached);
    context.run();
    return ns;
}

}  // namespace

int main(int argc, char** argv) {
    const long times = option(argc, argv, "--times", 5'000'000);
    queue_ns(times / 10), call_ns(times / 10);
    printf("{\"queue_ns\": %.3f, \"call_ns\": %.3f}\n", queue_ns(times), call_ns(times));
}
