// How much faster do two threads do two pieces of CPU work than one thread does? Bare std::thread, the limit
// for any pool.
#include "../gil_work.hpp"

#include <thread>

#include "../common.h"

int main(int argc, char** argv) {
    const long below = option(argc, argv, "--below", 600'000);
    long counts[4] = {};
    const int64_t begin = now_ns();
    std::thread([&] {
        counts[0] = primes_below(below);
        counts[1] = primes_below(below);
    }).join();
    const int64_t between = now_ns();
    std::thread first([&] { counts[2] = primes_below(below); });
    std::thread second([&] { counts[3] = primes_below(below); });
    first.join();
    second.join();
    const int64_t end = now_ns();
    for (long count : counts) {
        if (count != counts[0] || count == 0) return 1;
    }
    printf("{\"one_s\": %.6f, \"two_s\": %.6f}\n", static_cast<double>(between - begin) / 1e9,
           static_cast<double>(end - between) / 1e9);
}
