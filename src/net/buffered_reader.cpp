#include <simul/net/buffered_reader.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include <simul/base/error.hpp>
#include <simul/base/limits.hpp>

namespace simul {

void buffered_reader::consume(std::size_t count) noexcept {
    begin_ += std::min(count, end_ - begin_);
    if (begin_ != end_) return;
    begin_ = end_ = 0;
    if (capacity_ > 4 * options_.read_bytes) {  // it grew for something large: give that back
        memory_.reset();
        capacity_ = 0;
    }
}

/// Makes room behind the bytes that are there: at least half of one read.
bool buffered_reader::make_room() noexcept {
    const std::size_t wanted = std::max<std::size_t>(options_.read_bytes, 2) / 2;
    if (capacity_ - end_ >= wanted) return true;
    const std::size_t size = count();
    if (begin_ >= size && capacity_ - size >= wanted) {  // moving costs no more than what was consumed
        std::memcpy(memory_.get(), memory_.get() + begin_, size);
    } else {
        const std::size_t larger = std::max(2 * size, std::max<std::size_t>(options_.read_bytes, 2));
        std::unique_ptr<char[]> memory(new (std::nothrow) char[larger]);
        if (!memory) return false;
        if (size > 0) std::memcpy(memory.get(), memory_.get() + begin_, size);
        memory_ = std::move(memory);
        capacity_ = larger;
    }
    begin_ = 0;
    end_ = size;
    return true;
}

void buffered_reader::throw_ended(std::string_view wanted) const {
    throw std::system_error(
        make_error_code(errc::end_of_stream),
        fmt::format("read from {}: it ended after {} bytes, before {}", from_->describe(), count(), wanted));
}

void buffered_reader::throw_too_much(std::string_view what, std::string_view option,
                                     std::size_t limit) const {
    throw_limit_exceeded(fmt::format("read from {}: {}", from_->describe(), what), option, limit);
}

}  // namespace simul
