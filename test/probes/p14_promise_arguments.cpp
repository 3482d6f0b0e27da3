// P14: the promise's constructor and its operator new see the coroutine's parameters; sizes match at delete.
#include <cstddef>
#include <string>

#include "probe.hpp"

struct pool {
    std::size_t taken = 0;
    std::size_t given_back = 0;
};

struct pooled {
    struct promise_type {
        int seen;
        promise_type(pool&, const std::string& text) noexcept : seen(int(text.size())) {}
        static void* operator new(std::size_t size, pool& p, const std::string&) {
            p.taken += size;
            auto* block = static_cast<std::max_align_t*>(std::malloc(size + sizeof(std::max_align_t)));
            *reinterpret_cast<pool**>(block) = &p;
            return block + 1;
        }
        static void operator delete(void* frame, std::size_t size) {
            auto* block = static_cast<std::max_align_t*>(frame) - 1;
            (*reinterpret_cast<pool**>(block))->given_back += size;
            std::free(block);
        }
        pooled get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void unhandled_exception() { std::abort(); }
        void return_void() {}
    };
    std::coroutine_handle<promise_type> frame;
};

[[gnu::noinline]] /* else its frame may be elided */ pooled work(pool&, std::string text) {
    co_return EXPECT(text.size() == 5);
}

int main() {
    pool p;
    pooled w = work(p, "five!");
    EXPECT(w.frame.promise().seen == 5 && p.taken > 0);
    w.frame.resume();
    w.frame.destroy();
    EXPECT(p.taken == p.given_back);
}
