// P11: a handle given to another thread inside await_suspend: the frame may be resumed and gone before
// await_suspend returns, so nothing may be written to it afterwards (clang #56301 and others; run under
// TSan).
#include <atomic>
#include <thread>

#include "probe.hpp"

std::atomic<void*> published = nullptr;

struct to_the_other_thread {
    bool await_ready() noexcept { return false; }
    [[gnu::noinline]] void await_suspend(std::coroutine_handle<> self) noexcept {
        published.store(self.address());
    }
    int await_resume() noexcept { return 1; }
};

task<int> parent(int rounds) {
    int sum = 0;
    for (int i = 0; i < rounds; ++i) sum += co_await to_the_other_thread{};
    co_return sum;
}

int main() {
    constexpr int rounds = 2000;
    auto t = parent(rounds);
    std::thread other([] {
        for (int i = 0; i < rounds; ++i) {
            void* frame = nullptr;
            while ((frame = published.exchange(nullptr)) == nullptr) std::this_thread::yield();
            std::coroutine_handle<>::from_address(frame).resume();
        }
    });
    t.start();
    other.join();
    EXPECT(t.done() && t.result() == rounds);
}
