// What do a million sleeping coroutines cost in Boost.Asio: memory each, time to start one, time to cancel
// one?
#include <memory>
#include <vector>

#include "asio.hpp"

namespace {

using timer = asio::steady_timer;

asio::awaitable<void> sleep(std::vector<timer*>& timers, long i) {
    timer mine(co_await asio::this_coro::executor, std::chrono::hours(1) + std::chrono::nanoseconds(i));
    timers.push_back(&mine);
    boost::system::error_code canceled;
    co_await mine.async_wait(asio::redirect_error(asio::use_awaitable, canceled));
}

}  // namespace

int main(int argc, char** argv) {
    const long count = option(argc, argv, "--count", 1'000'000);
    const int64_t before = resident_bytes();
    asio::io_context context(1);
    std::vector<timer*> timers;
    const int64_t begin = own_cpu_ns();
    for (long i = 0; i < count; ++i) asio::co_spawn(context, sleep(timers, i), asio::detached);
    context.poll();  // they run until they sleep
    const int64_t started = own_cpu_ns();
    const int64_t after = resident_bytes();
    if (timers.size() != static_cast<std::size_t>(count)) return 1;
    for (timer* one : timers) one->cancel();
    context.run();
    const int64_t end = own_cpu_ns();
    const double n = static_cast<double>(count);
    printf("{\"bytes\": %.1f, \"start_ns\": %.1f, \"end_ns\": %.1f}\n",
           static_cast<double>(after - before) / n, static_cast<double>(started - begin) / n,
           static_cast<double>(end - started) / n);
}
