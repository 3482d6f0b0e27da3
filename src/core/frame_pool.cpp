#include <simul/core/frame_pool.hpp>

#include <array>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define SIMUL_RECYCLE_FRAMES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIMUL_RECYCLE_FRAMES 0
#endif
#endif
#ifndef SIMUL_RECYCLE_FRAMES
#define SIMUL_RECYCLE_FRAMES 1
#endif

namespace simul {
namespace {

void* default_allocate(std::size_t size) { return ::operator new(size); }
void default_release(void* block, std::size_t size) noexcept { ::operator delete(block, size); }

constinit frame_memory memory{&default_allocate, &default_release};

constexpr std::size_t class_bytes = 32;
constexpr std::size_t class_count = frame_size_recycled_max / class_bytes;

struct free_block {
    free_block* next;
};

/// The blocks are single allocations, not slices of a slab, so a frame may end on another thread than the one
/// that made it: it then joins that thread's lists.
struct recycler {
    std::array<free_block*, class_count> free{};
    frame_statistics statistics;

    ~recycler() {
        for (std::size_t i = 0; i < class_count; ++i)
            while (free_block* block = free[i]) {
                free[i] = block->next;
                memory.release(block, (i + 1) * class_bytes);
            }
        statistics.cached_bytes =
            frame_cache_bytes_max;  // frames that end later in this thread go straight back
    }
};

thread_local recycler this_thread_recycler;

constexpr std::size_t class_of(std::size_t size) { return (size - 1) / class_bytes; }

}  // namespace

void set_frame_memory(frame_memory replacement) noexcept { memory = replacement; }

frame_statistics frame_pool_statistics() noexcept { return this_thread_recycler.statistics; }

namespace detail {

void* allocate_frame(std::size_t size) {
    recycler& pool = this_thread_recycler;
    if (SIMUL_RECYCLE_FRAMES != 0 && size <= frame_size_recycled_max) {
        const std::size_t index = class_of(size);
        if (free_block* block = pool.free[index]) {
            pool.free[index] = block->next;
            pool.statistics.cached_bytes -= (index + 1) * class_bytes;
            ++pool.statistics.recycled;
            ++pool.statistics.live;
            return block;
        }
        size = (index + 1) * class_bytes;
    }
    void* block = memory.allocate(size);
    ++pool.statistics.allocated;
    ++pool.statistics.live;
    return block;
}

void free_frame(void* block, std::size_t size) noexcept {
    recycler& pool = this_thread_recycler;
    --pool.statistics.live;
    if (SIMUL_RECYCLE_FRAMES != 0 && size <= frame_size_recycled_max) {
        const std::size_t index = class_of(size);
        size = (index + 1) * class_bytes;
        if (pool.statistics.cached_bytes + size <= frame_cache_bytes_max) {
            pool.free[index] = new (block) free_block{pool.free[index]};
            pool.statistics.cached_bytes += size;
            return;
        }
    }
    memory.release(block, size);
}

}  // namespace detail
}  // namespace simul
