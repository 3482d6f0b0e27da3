// How much faster are two pieces of CPU work on two threads of simul's pool than on one?
#include "gil_work.hpp"

#include <simul/core/all.hpp>
#include <simul/loop/run.hpp>
#include <simul/threads/thread_pool.hpp>

#include "common.h"

namespace {

using namespace simul;

task<double> seconds_on(std::size_t threads, long below) {
    thread_pool pool({.threads = threads});
    const int64_t begin = now_ns();
    auto counts = co_await all(pool.run(primes_below, below), pool.run(primes_below, below));
    const int64_t end = now_ns();
    if (std::get<0>(counts) != std::get<1>(counts) || std::get<0>(counts) == 0)
        throw std::logic_error("the counts differ");
    co_return static_cast<double>(end - begin) / 1e9;
}

task<> measure(long below) {
    const double one = co_await seconds_on(1, below);
    const double two = co_await seconds_on(2, below);
    printf("{\"one_s\": %.6f, \"two_s\": %.6f}\n", one, two);
}

}  // namespace

int main(int argc, char** argv) { run(measure, option(argc, argv, "--below", 1'000'000)); }
