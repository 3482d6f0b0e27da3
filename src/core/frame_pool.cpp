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
/// that made it: it then joins that thread's lists. Constant-initialised and without a destructor, so that
/// reaching it costs no check.
struct recycler {
    std::array<free_block*, class_count> free{};
    std::size_t cached_bytes = 0;
    std::size_t allocated = 0;
    std::size_t recycled = 0;
    std::size_t released = 0;
    bool emptied_at_end = false;
};

thread_local constinit recycler this_thread_recycler;

/// Gives back what is kept when the thread ends.
struct emptier {
    bool used = false;
    ~emptier() {
        recycler& pool = this_thread_recycler;
        for (std::size_t i = 0; i < class_count; ++i)
            while (free_block* block = pool.free[i]) {
                pool.free[i] = block->next;
                memory.release(block, (i + 1) * class_bytes);
            }
        pool.cached_bytes = frame_cache_bytes_max;  // frames that end later in this thread go straight back
    }
};
thread_local emptier empties_this_thread;

constexpr std::size_t class_of(std::size_t size) { return (size - 1) / class_bytes; }

}  // namespace

void set_frame_memory(frame_memory replacement) noexcept { memory = replacement; }

frame_statistics frame_pool_statistics() noexcept {
    const recycler& pool = this_thread_recycler;
    return {pool.allocated, pool.recycled, pool.released, pool.cached_bytes};
}

namespace detail {
namespace {

[[gnu::noinline]] void empty_at_end(recycler& pool) noexcept {
    empties_this_thread.used = true;
    pool.emptied_at_end = true;
}

[[gnu::noinline]] void* allocate_fresh(std::size_t size) {
    ++this_thread_recycler.allocated;
    return memory.allocate(size);
}

[[gnu::noinline]] void release_block(void* block, std::size_t size) noexcept {
    ++this_thread_recycler.released;
    memory.release(block, size);
}

}  // namespace

void* allocate_frame(std::size_t size) {
    if (SIMUL_RECYCLE_FRAMES == 0 || size > frame_size_recycled_max) return allocate_fresh(size);
    recycler& pool = this_thread_recycler;
    const std::size_t index = class_of(size);
    free_block* block = pool.free[index];
    if (block == nullptr) return allocate_fresh((index + 1) * class_bytes);
    pool.free[index] = block->next;
    pool.cached_bytes -= (index + 1) * class_bytes;
    ++pool.recycled;
    return block;
}

void free_frame(void* block, std::size_t size) noexcept {
    if (SIMUL_RECYCLE_FRAMES == 0 || size > frame_size_recycled_max) return release_block(block, size);
    recycler& pool = this_thread_recycler;
    const std::size_t index = class_of(size);
    size = (index + 1) * class_bytes;
    if (pool.cached_bytes + size > frame_cache_bytes_max) return release_block(block, size);
    if (!pool.emptied_at_end) [[unlikely]]
        empty_at_end(pool);
    pool.free[index] = new (block) free_block{pool.free[index]};
    pool.cached_bytes += size;
}

}  // namespace detail
}  // namespace simul
