#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include <simul/codec/traits.hpp>

namespace simul {

namespace detail {

/// Says what to do about a type that the codec does not know.
template <class T>
constexpr void require_encodable() {
    using plain = std::remove_cvref_t<T>;
    static_assert(!std::is_pointer_v<plain> || encodable<T>,
                  "a pointer means nothing elsewhere: pass the value that it points to");
    static_assert(
        std::is_pointer_v<plain> || encodable<T>,
        "simul cannot encode this type: declare its fields with SIMUL_FIELDS(type, ...) next to the type, or "
        "specialize simul::codec_traits for it");
}

template <class T>
constexpr void require_decodable() {
    require_encodable<T>();
    static_assert(!encodable<T> || decodable<T>,
                  "this type is only a view and cannot be read back: use std::string instead of "
                  "std::string_view or const char*");
}

}  // namespace detail

/// The value that `x` is for JSON, pickle and people: see `encodable` for the types. A struct becomes a dict,
/// a tuple or pair a tuple, a std::set a set, every other sequence a list.
template <class T>
value to_value(const T& x) {
    detail::require_encodable<T>();
    if constexpr (encodable<T>) return detail::traits_of<T>::to_value(x);
}

/// The T that `v` means. `name` says in messages what the value is ("args").
///
/// Nothing is converted in silence: an integer must fit its type, a float is no integer, text is no number.
/// (An integer is read as a float, a list as a set or tuple, and an integer key of a map from text, because
/// JSON has nothing else.) Throws: codec_error "args[1].name: expected a string, found int 5".
template <class T>
T from_value(const value& v, std::string_view name = {}) {
    detail::require_decodable<T>();
    if constexpr (decodable<T>) return codec_traits<T>::from_value(v, value_path(name));
}

/// Appends `x` to `out` in the compact binary form (docs/formats/codec.md) for programs of the same build.
/// Text is copied once, straight to its place; arguments go best as `encode(out, std::tie(a, b))`.
template <class T>
void encode(std::string& out, const T& x) {
    detail::require_encodable<T>();
    if constexpr (encodable<T>) {
        binary_writer writer(out);
        writer.byte(binary_version);
        detail::traits_of<T>::encode(writer, x);
    }
}

template <class T>
std::string encode(const T& x) {
    std::string out;
    encode(out, x);
    return out;
}

/// Reads what encode() wrote for a T; `data` is exactly that.
/// Throws: codec_error if the data is cut short, damaged, of another version or of another type as far as
/// that shows.
template <class T>
T decode(std::string_view data) {
    detail::require_decodable<T>();
    if constexpr (decodable<T>) {
        binary_reader reader(data);
        if (reader.byte() != binary_version) reader.fail("another version of the binary form");
        T result = codec_traits<T>::decode(reader);
        reader.expect_end();
        return result;
    }
}

}  // namespace simul
