// P6: a million awaits that complete at once must not use up the stack, in any build.
//   `naive`    every await is a symmetric transfer: right only where the compiler makes it a tail call.
//              clang does in every build; g++ 14 does not at -O0, -O1, -Og and with sanitizers.
//   `counted`  every 256th transfer goes through the loop instead: right everywhere, which is what simul does
//   on g++.
#include <string_view>

#include "probe.hpp"

std::coroutine_handle<> handed_to_the_loop;
bool counting = false;

std::coroutine_handle<> transfer(std::coroutine_handle<> to) {
    static int budget = 256;
    if (!counting || --budget > 0) return to;
    budget = 256;
    handed_to_the_loop = to;
    return std::noop_coroutine();
}

struct child_of {
    task<int>::awaiter inner;
    bool await_ready() noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) noexcept {
        return transfer(inner.await_suspend(parent));
    }
    int await_resume() { return inner.await_resume(); }
};

task<int> child(int n) { co_return n & 1; }
task<int> parent() {
    int sum = 0;
    for (int i = 0; i < 1'000'000; ++i) sum += co_await child_of{child(i).operator co_await()};
    co_return sum;
}

int main(int argc, char** argv) {
    counting = argc > 1 && std::string_view(argv[1]) == "counted";
    auto t = parent();
    t.start();
    while (handed_to_the_loop) std::exchange(handed_to_the_loop, nullptr).resume();
    EXPECT(t.done() && t.result() == 500'000);
}
