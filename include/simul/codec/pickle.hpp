#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <simul/codec/value.hpp>

namespace simul::pickle {

/// Thrown by load(). what() is "pickle: byte 57: REASON".
class load_error : public codec_error {
  public:
    load_error(std::string_view reason, std::size_t offset);
    std::size_t offset() const noexcept { return offset_; }

  private:
    std::size_t offset_;
};

/// What a pickle may grow to. They are needed because a pickle can name the same object many times: 254 bytes
/// are enough to describe 2^40 lists.
struct load_limits {
    std::size_t depth_max = 500;  ///< Most containers inside each other.
    std::size_t nodes_max =
        4'000'000;  ///< Most values, counted where they are used. Costs 40 to 100 bytes each.
    std::size_t text_bytes_max =
        std::size_t{1} << 28;  ///< Most bytes of text and bytes together, counted where they are used.
};

/// Reads a pickle of protocol 2 to 5 that holds plain data: None, bools, numbers, str, bytes, bytearray (as
/// bytes), lists, tuples, dicts, sets and frozensets (both as sets). What follows the pickle is ignored, as
/// in Python.
///
/// Nothing in a pickle can run code here: whatever names a class or a function (datetime, Decimal, an object
/// of one's own) is refused with a message that names it. A container that contains itself is refused. Lone
/// surrogates in str are kept in their three-byte form. Throws: load_error.
value load(std::string_view data, const load_limits& limits = {});

enum class form {
    python,   ///< Byte for byte what Python 3.8 to 3.13 write with protocol 5, as long as no object occurs
              ///< twice.
    minimal,  ///< No frames and no memo: shorter, and read by Python alike.
};

/// Writes `v` as a pickle of protocol 5.
/// Throws: codec_error, naming the place, for text that is not UTF-8 (lone surrogates in three bytes are
/// good), for a key or an item of a set that Python cannot hash (list, dict), and for more than 1000 levels.
std::string dump(const value& v, form f = form::python);

}  // namespace simul::pickle
