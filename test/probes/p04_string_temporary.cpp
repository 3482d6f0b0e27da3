// P4: a std::string temporary lives, at one address, across the await of its full expression.
#include <string>

#include "probe.hpp"

struct keeps {
    const std::string& text;
    gate& g;
    const void* address = &text;
    bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> parent) noexcept { g.waiting = parent; }
    std::size_t await_resume() noexcept { return &text == address ? text.size() : 0; }
};

task<std::size_t> parent(gate& g, std::string prefix) {
    std::size_t sum = co_await keeps{prefix + "x", g};
    sum += co_await keeps{prefix + std::string(100, 'y'), g};
    const auto size = [](const std::string& text, std::size_t more) { return text.size() + more; };
    sum += size(prefix + "zz", co_await keeps{std::string("abc"), g});
    co_return sum;
}

int main() {
    gate g;
    auto t = parent(g, "12");
    t.start();
    for (int i = 0; i < 3; ++i) g.open();
    EXPECT(t.done() && t.result() == 3 + 102 + 4 + 3);
}
