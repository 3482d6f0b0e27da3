// How much CPU time does an echo server in simul use for a small message there and back? SIMUL_IO chooses the
// backend.
#include <simul/core/task_group.hpp>
#include <simul/loop/run.hpp>
#include <simul/net/tcp_listener.hpp>

#include <system_error>

#include "common.h"

namespace {

using namespace simul;

task<> serve(tcp_stream client) {
    char data[4096];
    try {
        while (std::size_t got = co_await client.read_some(data)) co_await client.write_all({data, got});
    } catch (const std::system_error& gone) {
        if (gone.code() != condition::disconnected) throw;
    }
}

task<> accept_clients() {
    auto listener = tcp_listener::bind(endpoint(ip_address::loopback_v4(), 0));
    printf("port %d\n", listener.local_endpoint().port);
    fflush(stdout);
    co_await with_group([&](task_group& clients) -> task<> {
        for (;;) clients.spawn(serve, co_await listener.accept());
    });
}

}  // namespace

int main() { run(accept_clients); }
