// What does a sleeping task cost in simul when there are a million of them: memory each, time to start one,
// time to cancel one?
#include <simul/core/task_group.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>

#include "common.h"

namespace {

using namespace simul;

struct figures {
    int64_t before = 0, after = 0;
    int64_t begin = 0, started = 0;
};

task<> sleeper(long i) { co_await sleep_for(std::chrono::hours(1) + std::chrono::nanoseconds(i)); }

task<> all_asleep(task_group& group, long count, figures& seen) {
    seen.before = resident_bytes();
    seen.begin = own_cpu_ns();
    for (long i = 0; i < count; ++i) group.spawn(sleeper, i);
    co_await yield();  // they run until they sleep
    seen.started = own_cpu_ns();
    seen.after = resident_bytes();
    group.cancel("measured");
}

task<> measure(long count) {
    figures seen;
    co_await with_group([&](task_group& group) { return all_asleep(group, count, seen); });
    const double n = static_cast<double>(count);
    printf("{\"bytes\": %.1f, \"start_ns\": %.1f, \"end_ns\": %.1f}\n",
           static_cast<double>(seen.after - seen.before) / n,
           static_cast<double>(seen.started - seen.begin) / n,
           static_cast<double>(own_cpu_ns() - seen.started) / n);
}

}  // namespace

int main(int argc, char** argv) { run(measure, option(argc, argv, "--count", 1'000'000)); }
