// P16: a generator that is destroyed before its end, in the middle of nested loops.
#include <string>
#include <vector>

#include "probe.hpp"

struct generator {
    struct promise_type {
        int value = 0;
        generator get_return_object() {
            return generator{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        std::suspend_always yield_value(int n) noexcept { return value = n, std::suspend_always{}; }
        void unhandled_exception() { throw; }
        void return_void() {}
    };
    std::coroutine_handle<promise_type> frame;
    explicit generator(std::coroutine_handle<promise_type> h) : frame(h) {}
    generator(generator&&) = delete;
    ~generator() { frame.destroy(); }
    int next() { return frame.resume(), frame.promise().value; }
};

generator numbers(std::vector<std::string> texts) {
    counted outer(1);
    for (const std::string& text : texts) {
        counted inner(2);
        for (char c : std::string(text)) co_yield c - '0';
    }
}

int main() {
    for (int steps = 0; steps <= 5; ++steps) {
        generator g = numbers({"12", "345"});
        for (int i = 1; i <= steps; ++i) EXPECT(g.next() == i);
        EXPECT(counted::alive == (steps == 0 ? 0 : 2));
    }
    EXPECT(counted::alive == 0);
}
