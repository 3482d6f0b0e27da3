// How many GETs of 1 KiB does simul's HTTP client do in a second, and with how much CPU time each? SIMUL_IO
// chooses the backend.
#include <simul/core/task_group.hpp>
#include <simul/http/client.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>

#include <fmt/format.h>

#include <chrono>
#include <stdexcept>

#include "common.h"

namespace {

using namespace simul;
using std::chrono::milliseconds;

struct progress {
    long done = 0;
    bool running = true;
};

task<> ask(http::client& web, const url& what, progress& so_far) {
    while (so_far.running) {
        auto response = co_await web.get(what);
        if (response.status() != 200 || response.body().size() != 1024)
            throw std::runtime_error("not the response that was expected");
        ++so_far.done;
    }
}

task<> measure(long port, long in_flight, milliseconds warm_up, milliseconds measured) {
    http::client web;
    const url what(fmt::format("http://127.0.0.1:{}/1k", port));
    progress so_far;
    co_await with_group([&](task_group& asking) -> task<> {
        for (long i = 0; i < in_flight; ++i)
            asking.spawn(ask, std::ref(web), std::cref(what), std::ref(so_far));
        co_await sleep_for(warm_up);
        const long before = so_far.done;
        const int64_t cpu = own_cpu_ns(), begin = now_ns();
        co_await sleep_for(measured);
        printf("{\"requests\": %ld, \"seconds\": %.6f, \"cpu_s\": %.6f}\n", so_far.done - before,
               static_cast<double>(now_ns() - begin) / 1e9, static_cast<double>(own_cpu_ns() - cpu) / 1e9);
        so_far.running = false;
    });
}

}  // namespace

int main(int argc, char** argv) {
    const long port = option(argc, argv, "--port", 0);
    if (port == 0) {
        fprintf(stderr,
                "usage: http_client --port P [--in-flight 1..100] [--warm-up-ms N] [--measure-ms N]\n");
        return 2;
    }
    run(measure, port, option(argc, argv, "--in-flight", 64),
        milliseconds(option(argc, argv, "--warm-up-ms", 100)),
        milliseconds(option(argc, argv, "--measure-ms", 300)));
}
