#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/async_mutex.hpp>
#include <simul/core/channel.hpp>
#include <simul/core/frame_pool.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

#include "core/support.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SIMUL_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SIMUL_TEST_SANITIZED 1
#endif
#endif

#ifndef SIMUL_TEST_SANITIZED
namespace {
std::atomic<std::size_t> allocations{0};

void* allocate(std::size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    void* block = std::malloc(size == 0 ? 1 : size);
    if (block == nullptr) throw std::bad_alloc();
    return block;
}
}  // namespace

// Replaced in this whole program, to count.
void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }
#endif

using namespace simul;
using namespace simul::testing_core;

namespace {
task<int> one() { co_return 1; }
}  // namespace

#ifndef SIMUL_TEST_SANITIZED

namespace {
task<> rest() { co_await sleep_for(1ms); }
}  // namespace

TEST_CASE("in the steady state nothing is allocated per await") {
    run_virtual([]() -> task<> {
        channel<int> numbers(4);
        async_mutex mutex;
        // In several functions: without optimisation a frame keeps each awaiter, and one of
        // frame_size_recycled_max and more is not kept.
        auto scopes = []() -> task<> {
            co_await shield(one());
            co_await timeout(1s, rest());
            co_await move_on_after(1us, rest());
        };
        auto children = []() -> task<> {
            co_await all(one(), rest(), one());
            co_await with_scope([](cancel_scope&) { return rest(); });
        };
        auto round = [&]() -> task<> {
            co_await one();
            co_await rest();
            co_await scopes();
            co_await children();
            auto lock = co_await mutex.lock();
            co_await numbers.send(1);
            co_await numbers.receive();
        };
        for (int i = 0; i < 200; ++i) co_await round();  // a deque allocates now and then; it settles
        const auto before = frame_pool_statistics();
        const std::size_t allocated = allocations.load();
        for (int i = 0; i < 1000; ++i) co_await round();
        const auto after = frame_pool_statistics();
        CHECK(after.allocated == before.allocated);
        CHECK(after.recycled >= before.recycled + 10'000);
        CHECK(after.released == before.released);
        CHECK(after.cached_bytes == before.cached_bytes);
        // The deque of the channel takes a new block every 128 items of this size.
        CHECK(allocations.load() - allocated <= 1000 / 100 + 2);
    });
}

TEST_CASE("without a channel not a single allocation is made in a million awaits") {
    run_virtual([]() -> task<> {
        for (int i = 0; i < 10; ++i) co_await all(one(), one());
        co_await rest();  // each kind of frame once
        const std::size_t before = allocations.load();
        for (int i = 0; i < 1'000'000; ++i) co_await one();
        for (int i = 0; i < 10'000; ++i) co_await all(one(), one());
        for (int i = 0; i < 10'000; ++i) co_await rest();
        CHECK(allocations.load() == before);
    });
}

#endif

TEST_CASE("every frame that was handed out comes back") {
    auto work = [] {
        run_virtual([]() -> task<> {
            co_await all(one(), move_on_after(1ms, sleep_forever()), outcome_of(fail_after(1ms, "x")));
            {
                auto never = one();
            }
        });
    };
    work();
    const auto before = frame_pool_statistics();
    work();
    const auto after = frame_pool_statistics();
    CHECK(after.cached_bytes == before.cached_bytes);
    CHECK(after.allocated - before.allocated == after.released - before.released);
}

TEST_CASE("the recycler keeps only so much unused memory, and nothing that is large") {
    std::vector<void*> blocks;
    constexpr std::size_t size = 1024;
    for (std::size_t i = 0; i < 2 * frame_cache_bytes_max / size; ++i)
        blocks.push_back(detail::allocate_frame(size));
    for (void* block : blocks) detail::free_frame(block, size);
    CHECK(frame_pool_statistics().cached_bytes <= frame_cache_bytes_max);
    const auto before = frame_pool_statistics();
    void* large = detail::allocate_frame(frame_size_recycled_max + 1);
    detail::free_frame(large, frame_size_recycled_max + 1);
    CHECK(frame_pool_statistics().cached_bytes == before.cached_bytes);
    CHECK(frame_pool_statistics().allocated == before.allocated + 1);
}

#ifndef SIMUL_TEST_SANITIZED
TEST_CASE("a frame may end on another thread, which frees it when it ends") {
    // Bug: a thread that only got frames of others, and made none, kept them for ever.
    static std::atomic<int> out{0};
    set_frame_memory({[](std::size_t size) {
                          ++out;
                          return ::operator new(size);
                      },
                      [](void* block, std::size_t) noexcept {
                          --out;
                          ::operator delete(block);
                      }});
    void* block = detail::allocate_frame(1999);  // of a size that nobody used here
    CHECK(out == 1);
    std::thread([&] {
        detail::free_frame(block, 1999);
        CHECK(out == 1);
    }).join();
    CHECK(out == 0);
    set_frame_memory({[](std::size_t size) { return ::operator new(size); },
                      [](void* released, std::size_t) noexcept { ::operator delete(released); }});
}
#endif
