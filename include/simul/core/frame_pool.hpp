#pragma once

#include <cstddef>

/// Memory of coroutine frames.
///
/// A frame that ends is kept in a list of its size class and handed to the next coroutine of that size, so a
/// running program allocates nothing per await. The lists belong to the thread, and so to its loop.
/// Under AddressSanitizer nothing is recycled, so that use after free is seen.
namespace simul {

/// Where frames come from when the recycler has none, and where they go when it is full.
struct frame_memory {
    void* (*allocate)(std::size_t size);  ///< throws std::bad_alloc
    void (*release)(void* block, std::size_t size) noexcept;
};

/// Replaces the memory of coroutine frames (default: global operator new and delete).
/// Call it before the first coroutine is made; frames already made would be released to the wrong place.
void set_frame_memory(frame_memory memory) noexcept;

/// Frames larger than this are not recycled.
inline constexpr std::size_t frame_size_recycled_max = 2048;
/// How much unused memory one thread keeps for later frames.
inline constexpr std::size_t frame_cache_bytes_max = std::size_t{4} << 20;

/// What the recycler of this thread did so far. A test of "no allocation per await" compares two of them.
struct frame_statistics {
    std::size_t allocated = 0;     ///< frames that needed fresh memory
    std::size_t recycled = 0;      ///< frames that were handed a used block
    std::size_t released = 0;      ///< blocks that were not kept
    std::size_t cached_bytes = 0;  ///< kept now
};
frame_statistics frame_pool_statistics() noexcept;

namespace detail {
void* allocate_frame(std::size_t size);
void free_frame(void* block, std::size_t size) noexcept;
}  // namespace detail

}  // namespace simul
