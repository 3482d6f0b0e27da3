// P10: a coroutine that moves to another thread sees that thread's thread_local, if it asks through a
// function that is not inlined. (Read directly, its address may be kept over the suspension: clang #47179 and
// others.)
#include <thread>

#include "probe.hpp"

thread_local int id = 0;
[[gnu::noinline]] int& this_threads_id() {
    asm volatile("");  // keeps the call where it is written
    return id;
}

task<int> parent(gate& g) {
    this_threads_id() += 10;
    const int before = this_threads_id();
    co_await g;
    this_threads_id() += 10;
    co_return before * 100 + this_threads_id();
}

int main() {
    gate g;
    id = 1;
    auto t = parent(g);
    t.start();
    std::thread([&] {
        id = 2;
        g.open();
        EXPECT(id == 12);
    }).join();
    EXPECT(id == 11);
    EXPECT(t.done() && t.result() == 1112);
}
