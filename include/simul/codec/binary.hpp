#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <simul/codec/error.hpp>
#include <simul/codec/value.hpp>

namespace simul {

/// Version of the binary form, the first byte of what encode() writes. docs/formats/codec.md describes the
/// form.
inline constexpr unsigned char binary_version = 1;

/// Appends the binary form's building blocks to a string. Lifetime: `out` must outlive the writer.
class binary_writer {
  public:
    explicit binary_writer(std::string& out) : out_(out) {}

    void byte(unsigned char b) { out_ += static_cast<char>(b); }
    /// 7 bits a byte, least significant first, the high bit set on all but the last: 1 to 10 bytes.
    void unsigned_number(std::uint64_t number);
    /// Zigzag (0, -1, 1, -2, ... as 0, 1, 2, 3, ...), then as unsigned_number().
    void signed_number(std::int64_t number) {
        unsigned_number((static_cast<std::uint64_t>(number) << 1) ^ static_cast<std::uint64_t>(number >> 63));
    }
    void number32(std::uint32_t bits);  ///< 4 bytes, least significant first.
    void number64(std::uint64_t bits);  ///< 8 bytes, least significant first.
    /// Length, then the bytes.
    void text(std::string_view t);
    void tree(const value& v);

  private:
    std::string& out_;
};

/// Reads what a binary_writer wrote. Every read checks the length first and throws codec_error "binary data:
/// byte 12: ...". Lifetime: `data` must outlive the reader and what text() returns.
class binary_reader {
  public:
    explicit binary_reader(std::string_view data) : data_(data) {}

    std::size_t position() const noexcept { return at_; }
    std::size_t left() const noexcept { return data_.size() - at_; }

    unsigned char byte();
    /// A byte that is 0 or 1.
    bool boolean();
    std::uint64_t unsigned_number();
    std::int64_t signed_number() {
        const std::uint64_t n = unsigned_number();
        return static_cast<std::int64_t>((n >> 1) ^ (~(n & 1) + 1));
    }
    std::uint32_t number32();
    std::uint64_t number64();
    /// A view of the data: nothing is copied.
    std::string_view text();
    /// A count of items that follow. Every item takes at least a byte, so a count larger than what is left is
    /// refused before anybody reserves memory for it.
    std::size_t count(std::string_view what);
    /// At most 500 levels.
    value tree() { return tree(0); }

    /// Throws if anything is left.
    void expect_end() const;
    [[noreturn]] void fail(std::string_view reason) const;

  private:
    std::string_view take(std::uint64_t size);
    value tree(std::size_t depth);

    std::string_view data_;
    std::size_t at_ = 0;
};

}  // namespace simul
