#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include <simul/base/bytes.hpp>
#include <simul/codec/binary.hpp>
#include <simul/codec/fields.hpp>
#include <simul/codec/value.hpp>

namespace simul {

/// How a type is written and read. Specialize it for a type that SIMUL_FIELDS does not fit:
///
///     template <> struct simul::codec_traits<my_type> {
///         static value to_value(const my_type& x);
///         static my_type from_value(const value& v, const value_path& path);   // throws through path.fail()
///         static void encode(binary_writer& out, const my_type& x);            // at least one byte
///         static my_type decode(binary_reader& in);                            // throws through in.fail()
///     };
template <class T>
struct codec_traits;

/// A type that can be written: bool, whole numbers, float, double, text (std::string, std::string_view,
/// literals), bytes, std::optional, the std containers, pair, tuple, array, std::chrono durations (in dicts
/// and lists: seconds), enumerations (as numbers), value, std::monostate and nullptr (null), structs with
/// SIMUL_FIELDS, and types with codec_traits. Not char: whether it means a number or text is not clear to the
/// other side.
template <class T>
concept encodable = requires(const std::remove_cvref_t<T>& x, binary_writer& out) {
    { codec_traits<std::remove_cvref_t<T>>::to_value(x) } -> std::same_as<value>;
    codec_traits<std::remove_cvref_t<T>>::encode(out, x);
};

/// A type that can also be read back. All that are encodable are, but views and literals.
template <class T>
concept decodable = encodable<T> && requires(const value& v, const value_path& path, binary_reader& in) {
    { codec_traits<std::remove_cvref_t<T>>::from_value(v, path) } -> std::same_as<std::remove_cvref_t<T>>;
    { codec_traits<std::remove_cvref_t<T>>::decode(in) } -> std::same_as<std::remove_cvref_t<T>>;
};

namespace detail {

template <class T>
using traits_of = codec_traits<std::remove_cvref_t<T>>;

template <class T>
concept plain_integer =
    std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> && !std::same_as<T, wchar_t> &&
    !std::same_as<T, char8_t> && !std::same_as<T, char16_t> && !std::same_as<T, char32_t>;

// In sources, so that every program has them once.
std::int64_t read_signed(const value& v, const value_path& path, std::int64_t least, std::int64_t greatest);
std::uint64_t read_unsigned(const value& v, const value_path& path, std::uint64_t greatest);
double read_double(const value& v, const value_path& path, double greatest);
std::span<const value> read_items(const value& v, const value_path& path, bool or_set);
std::span<const value> read_exactly(const value& v, const value_path& path, std::size_t size);
std::span<const value::entry> read_entries(const value& v, const value_path& path);
long double read_seconds(const value& v, const value_path& path);
value key_as_integer(const value& key);
std::string name_of_key(const value& key);
void check_known(const value& v, const value_path& path, std::string_view type_name,
                 std::span<const std::string_view> names);
[[noreturn]] void fail_missing(const value_path& path, std::string_view name);
[[noreturn]] void fail_field_count(const binary_reader& in, std::string_view type_name, std::uint64_t count,
                                   std::size_t expected);

}  // namespace detail

// --- null, bool, numbers, text
// ---------------------------------------------------------------------------------------

template <>
struct codec_traits<value> {
    static value to_value(const value& x) { return x; }
    static value from_value(const value& v, const value_path&) { return v; }
    static void encode(binary_writer& out, const value& x) { out.tree(x); }
    static value decode(binary_reader& in) { return in.tree(); }
};

template <>
struct codec_traits<std::monostate> {
    static value to_value(std::monostate) { return {}; }
    static std::monostate from_value(const value& v, const value_path& path) {
        if (!v.is_null()) fail_expected(path, "None", v);
        return {};
    }
    static void encode(binary_writer& out, std::monostate) { out.byte(0); }
    static std::monostate decode(binary_reader& in) {
        if (in.byte() != 0) in.fail("null should be here");
        return {};
    }
};

template <>
struct codec_traits<std::nullptr_t> {
    static value to_value(std::nullptr_t) { return {}; }
    static std::nullptr_t from_value(const value& v, const value_path& path) {
        codec_traits<std::monostate>::from_value(v, path);
        return nullptr;
    }
    static void encode(binary_writer& out, std::nullptr_t) { out.byte(0); }
    static std::nullptr_t decode(binary_reader& in) {
        codec_traits<std::monostate>::decode(in);
        return nullptr;
    }
};

template <>
struct codec_traits<bool> {
    static value to_value(bool x) { return value(x); }
    static bool from_value(const value& v, const value_path& path) {
        if (!v.is_bool()) fail_expected(path, "a bool", v);
        return v.as_bool();
    }
    static void encode(binary_writer& out, bool x) { out.byte(x ? 1 : 0); }
    static bool decode(binary_reader& in) { return in.boolean(); }
};

/// Reading checks the range. A float is no integer, even where it is whole.
template <detail::plain_integer T>
struct codec_traits<T> {
    static value to_value(T x) { return value(x); }
    static T from_value(const value& v, const value_path& path) {
        if constexpr (std::is_signed_v<T>)
            return static_cast<T>(
                detail::read_signed(v, path, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
        else
            return static_cast<T>(detail::read_unsigned(v, path, std::numeric_limits<T>::max()));
    }
    static void encode(binary_writer& out, T x) {
        if constexpr (std::is_signed_v<T>)
            out.signed_number(x);
        else
            out.unsigned_number(x);
    }
    static T decode(binary_reader& in) {
        if constexpr (std::is_signed_v<T>) {
            const std::int64_t n = in.signed_number();
            if (!std::in_range<T>(n)) in.fail("the number does not fit its type");
            return static_cast<T>(n);
        } else {
            const std::uint64_t n = in.unsigned_number();
            if (!std::in_range<T>(n)) in.fail("the number does not fit its type");
            return static_cast<T>(n);
        }
    }
};

/// Reading takes integers too.
template <class T>
    requires(std::same_as<T, float> || std::same_as<T, double>)
struct codec_traits<T> {
    static value to_value(T x) { return value(static_cast<double>(x)); }
    static T from_value(const value& v, const value_path& path) {
        return static_cast<T>(
            detail::read_double(v, path, static_cast<double>(std::numeric_limits<T>::max())));
    }
    static void encode(binary_writer& out, T x) {
        if constexpr (std::same_as<T, float>)
            out.number32(std::bit_cast<std::uint32_t>(x));
        else
            out.number64(std::bit_cast<std::uint64_t>(x));
    }
    static T decode(binary_reader& in) {
        if constexpr (std::same_as<T, float>)
            return std::bit_cast<float>(in.number32());
        else
            return std::bit_cast<double>(in.number64());
    }
};

template <class T>
    requires std::is_enum_v<T> && detail::plain_integer<std::underlying_type_t<T>>
struct codec_traits<T> {
    using number = std::underlying_type_t<T>;
    static value to_value(T x) { return value(static_cast<number>(x)); }
    static T from_value(const value& v, const value_path& path) {
        return static_cast<T>(codec_traits<number>::from_value(v, path));
    }
    static void encode(binary_writer& out, T x) { codec_traits<number>::encode(out, static_cast<number>(x)); }
    static T decode(binary_reader& in) { return static_cast<T>(codec_traits<number>::decode(in)); }
};

template <>
struct codec_traits<std::string> {
    static value to_value(const std::string& x) { return value(x); }
    static std::string from_value(const value& v, const value_path& path) {
        if (!v.is_string()) fail_expected(path, "a string", v);
        return v.as_string();
    }
    static void encode(binary_writer& out, const std::string& x) { out.text(x); }
    static std::string decode(binary_reader& in) { return std::string(in.text()); }
};

template <>
struct codec_traits<std::string_view> {
    static value to_value(std::string_view x) { return value(x); }
    static void encode(binary_writer& out, std::string_view x) { out.text(x); }
};
template <>
struct codec_traits<const char*> : codec_traits<std::string_view> {};
template <>
struct codec_traits<char*> : codec_traits<std::string_view> {};
template <std::size_t N>
struct codec_traits<char[N]> : codec_traits<std::string_view> {};

template <>
struct codec_traits<bytes> {
    static value to_value(const bytes& x) { return value(x); }
    static bytes from_value(const value& v, const value_path& path) {
        if (!v.is_bytes()) fail_expected(path, "bytes", v);
        return v.as_bytes();
    }
    static void encode(binary_writer& out, const bytes& x) { out.text(x.data); }
    static bytes decode(binary_reader& in) { return bytes{std::string(in.text())}; }
};

// --- durations
// --------------------------------------------------------------------------------------------------------

/// In a value: seconds, an integer where they are whole and a float where not, which is what Python programs
/// pass around. Reading rounds to the nearest tick. In the binary form: the count of ticks, exact.
template <class Rep, class Period>
    requires encodable<Rep>
struct codec_traits<std::chrono::duration<Rep, Period>> {
    using duration_type = std::chrono::duration<Rep, Period>;

    static value to_value(duration_type x) {
        if constexpr (std::integral<Rep>) {
            constexpr std::int64_t greatest = std::numeric_limits<std::int64_t>::max() / Period::num;
            const auto ticks = static_cast<std::int64_t>(x.count());
            if (ticks <= greatest && ticks >= -greatest && ticks * Period::num % Period::den == 0)
                return value(ticks * Period::num / Period::den);
        }
        return value(static_cast<double>(static_cast<long double>(x.count()) * Period::num / Period::den));
    }
    static duration_type from_value(const value& v, const value_path& path) {
        const long double ticks = detail::read_seconds(v, path) * Period::den / Period::num;
        if constexpr (std::integral<Rep>) {
            const long double whole = std::round(ticks);
            if (whole < static_cast<long double>(std::numeric_limits<Rep>::min()) ||
                whole > static_cast<long double>(std::numeric_limits<Rep>::max()))
                fail_expected(path, "seconds that fit the type", v);
            return duration_type(static_cast<Rep>(whole));
        } else {
            return duration_type(static_cast<Rep>(ticks));
        }
    }
    static void encode(binary_writer& out, duration_type x) { codec_traits<Rep>::encode(out, x.count()); }
    static duration_type decode(binary_reader& in) { return duration_type(codec_traits<Rep>::decode(in)); }
};

// --- optional, pair, tuple, array
// ---------------------------------------------------------------------------------------

namespace detail {
template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
/// Types whose values may be null themselves: an optional of them could not tell "none" from "a null".
template <class T>
inline constexpr bool may_be_null =
    is_optional<T> || std::same_as<T, std::monostate> || std::same_as<T, std::nullptr_t>;
}  // namespace detail

template <class T>
    requires(decodable<T> && !detail::may_be_null<T>)
struct codec_traits<std::optional<T>> {
    static value to_value(const std::optional<T>& x) { return x ? codec_traits<T>::to_value(*x) : value(); }
    static std::optional<T> from_value(const value& v, const value_path& path) {
        if (v.is_null()) return std::nullopt;
        return codec_traits<T>::from_value(v, path);
    }
    static void encode(binary_writer& out, const std::optional<T>& x) {
        out.byte(x ? 1 : 0);
        if (x) codec_traits<T>::encode(out, *x);
    }
    static std::optional<T> decode(binary_reader& in) {
        if (!in.boolean()) return std::nullopt;
        return codec_traits<T>::decode(in);
    }
};

namespace detail {

/// Of std::pair and std::tuple; their elements may be references when they are only written.
template <class Tuple, class... Elements>
struct tuple_write_traits {
    static value to_value(const Tuple& x) {
        return std::apply(
            [](const auto&... element) {
                std::vector<value> items;
                items.reserve(sizeof...(Elements));
                (items.push_back(traits_of<Elements>::to_value(element)), ...);
                return value::tuple(std::move(items));
            },
            x);
    }
    static void encode(binary_writer& out, const Tuple& x) {
        if constexpr (sizeof...(Elements) == 0)
            out.byte(0);  // nothing takes no bytes: see binary_reader::count()
        std::apply([&](const auto&... element) { (traits_of<Elements>::encode(out, element), ...); }, x);
    }
};

template <class Tuple, class... Elements>
struct tuple_traits : tuple_write_traits<Tuple, Elements...> {
    static Tuple from_value(const value& v, const value_path& path) {
        return from_items(read_exactly(v, path, sizeof...(Elements)), path,
                          std::index_sequence_for<Elements...>());
    }
    static Tuple decode(binary_reader& in) {
        if constexpr (sizeof...(Elements) == 0) (void)in.byte();
        return Tuple{codec_traits<Elements>::decode(in)...};  // braces: from left to right
    }

  private:
    template <std::size_t... I>
    static Tuple from_items([[maybe_unused]] std::span<const value> items,
                            [[maybe_unused]] const value_path& path, std::index_sequence<I...>) {
        return Tuple{codec_traits<Elements>::from_value(items[I], value_path::item(path, I))...};
    }
};

}  // namespace detail

template <class... Elements>
    requires(encodable<Elements> && ...)
struct codec_traits<std::tuple<Elements...>>
    : std::conditional_t<((decodable<Elements> && std::same_as<Elements, std::remove_cvref_t<Elements>>) &&
                          ...),
                         detail::tuple_traits<std::tuple<Elements...>, Elements...>,
                         detail::tuple_write_traits<std::tuple<Elements...>, Elements...>> {};

template <class First, class Second>
    requires(encodable<First> && encodable<Second>)
struct codec_traits<std::pair<First, Second>>
    : std::conditional_t<decodable<First> && decodable<Second> &&
                             std::same_as<First, std::remove_cvref_t<First>> &&
                             std::same_as<Second, std::remove_cvref_t<Second>>,
                         detail::tuple_traits<std::pair<First, Second>, First, Second>,
                         detail::tuple_write_traits<std::pair<First, Second>, First, Second>> {};

template <decodable T, std::size_t N>
    requires std::default_initializable<T>
struct codec_traits<std::array<T, N>> {
    static value to_value(const std::array<T, N>& x) {
        std::vector<value> items;
        items.reserve(N);
        for (const T& item : x) items.push_back(codec_traits<T>::to_value(item));
        return value::list(std::move(items));
    }
    static std::array<T, N> from_value(const value& v, const value_path& path) {
        const std::span<const value> items = detail::read_exactly(v, path, N);
        std::array<T, N> result{};
        for (std::size_t i = 0; i < N; ++i)
            result[i] = codec_traits<T>::from_value(items[i], value_path::item(path, i));
        return result;
    }
    static void encode(binary_writer& out, const std::array<T, N>& x) {
        out.unsigned_number(N);
        for (const T& item : x) codec_traits<T>::encode(out, item);
    }
    static std::array<T, N> decode(binary_reader& in) {
        if (in.unsigned_number() != N) in.fail("an array of another size");
        std::array<T, N> result{};
        for (T& item : result) item = codec_traits<T>::decode(in);
        return result;
    }
};

// --- containers
// ---------------------------------------------------------------------------------------------------------

namespace detail {

/// Of containers whose items are added at the end (sequences) or by insert (sets).
template <class Container, bool is_set>
struct container_traits {
    using item_type = typename Container::value_type;

    static value to_value(const Container& x) {
        std::vector<value> items;
        items.reserve(x.size());
        for (const auto& item : x) items.push_back(codec_traits<item_type>::to_value(item));
        return is_set ? value::set(std::move(items)) : value::list(std::move(items));
    }
    static Container from_value(const value& v, const value_path& path) {
        Container result;
        std::size_t i = 0;
        for (const value& item : read_items(v, path, is_set))
            result.insert(result.end(),
                          codec_traits<item_type>::from_value(item, value_path::item(path, i++)));
        return result;
    }
    static void encode(binary_writer& out, const Container& x) {
        out.unsigned_number(x.size());
        for (const auto& item : x) codec_traits<item_type>::encode(out, item);
    }
    static Container decode(binary_reader& in) {
        Container result;
        for (std::size_t left = in.count("items"); left > 0; --left)
            result.insert(result.end(), codec_traits<item_type>::decode(in));
        return result;
    }
};

/// Of two equal keys the last one's value is kept. JSON has only text as keys, so an integer key is also read
/// from text.
template <class Map>
struct map_traits {
    using key_type = typename Map::key_type;
    using mapped_type = typename Map::mapped_type;

    static value to_value(const Map& x) {
        std::vector<value::entry> entries;
        entries.reserve(x.size());
        for (const auto& [key, item] : x)
            entries.push_back(
                {codec_traits<key_type>::to_value(key), codec_traits<mapped_type>::to_value(item)});
        return value::dict(std::move(entries));
    }
    static Map from_value(const value& v, const value_path& path) {
        Map result;
        for (const value::entry& e : read_entries(v, path)) {
            const std::string name = name_of_key(e.key);
            const value_path place = value_path::key(path, name);
            result.insert_or_assign(read_key(e.key, place),
                                    codec_traits<mapped_type>::from_value(e.value, place));
        }
        return result;
    }
    static void encode(binary_writer& out, const Map& x) {
        out.unsigned_number(x.size());
        for (const auto& [key, item] : x) {
            codec_traits<key_type>::encode(out, key);
            codec_traits<mapped_type>::encode(out, item);
        }
    }
    static Map decode(binary_reader& in) {
        Map result;
        for (std::size_t left = in.count("entries"); left > 0; --left) {
            key_type key = codec_traits<key_type>::decode(in);
            result.insert_or_assign(std::move(key), codec_traits<mapped_type>::decode(in));
        }
        return result;
    }

  private:
    static key_type read_key(const value& key, const value_path& path) {
        if constexpr (plain_integer<key_type> || std::is_enum_v<key_type>)
            return codec_traits<key_type>::from_value(key_as_integer(key), path);
        else
            return codec_traits<key_type>::from_value(key, path);
    }
};

}  // namespace detail

template <decodable T, class A>
struct codec_traits<std::vector<T, A>> : detail::container_traits<std::vector<T, A>, false> {};
template <decodable T, class A>
struct codec_traits<std::deque<T, A>> : detail::container_traits<std::deque<T, A>, false> {};
template <decodable T, class A>
struct codec_traits<std::list<T, A>> : detail::container_traits<std::list<T, A>, false> {};
template <decodable T, class L, class A>
struct codec_traits<std::set<T, L, A>> : detail::container_traits<std::set<T, L, A>, true> {};
template <decodable T, class H, class E, class A>
struct codec_traits<std::unordered_set<T, H, E, A>>
    : detail::container_traits<std::unordered_set<T, H, E, A>, true> {};
template <decodable K, decodable T, class L, class A>
struct codec_traits<std::map<K, T, L, A>> : detail::map_traits<std::map<K, T, L, A>> {};
template <decodable K, decodable T, class H, class E, class A>
struct codec_traits<std::unordered_map<K, T, H, E, A>>
    : detail::map_traits<std::unordered_map<K, T, H, E, A>> {};

// --- structs
// ------------------------------------------------------------------------------------------------------------

namespace detail {

/// The traits of a field, with the message for those that have none.
template <class Member>
struct field_traits : codec_traits<Member> {
    static_assert(decodable<Member>,
                  "a field of this struct has a type that cannot be encoded: declare its fields with "
                  "SIMUL_FIELDS(type, ...)");
};

}  // namespace detail

template <class T>
    requires detail::has_fields<T>
struct codec_traits<T> {
    static value to_value(const T& x) {
        std::vector<value::entry> entries;
        for_each_field([&](const auto& field) {
            const auto& member = x.*field.member;
            entries.push_back(
                {value(field.name),
                 detail::field_traits<std::remove_cvref_t<decltype(member)>>::to_value(member)});
        });
        return value::dict(std::move(entries));
    }

    static T from_value(const value& v, const value_path& path) {
        std::vector<std::string_view> names;
        for_each_field([&](const auto& field) { names.push_back(field.name); });
        detail::check_known(v, path, list.type_name, names);
        T result{};
        for_each_field([&](const auto& field) {
            auto& member = result.*field.member;
            using member_type = std::remove_cvref_t<decltype(member)>;
            const value* found = v.find(field.name);
            if (found != nullptr)
                member = detail::field_traits<member_type>::from_value(*found,
                                                                       value_path::field(path, field.name));
            else if (!list.defaulted && !detail::is_optional<member_type>)
                detail::fail_missing(path, field.name);
        });
        return result;
    }

    static void encode(binary_writer& out, const T& x) {
        out.unsigned_number(size);
        for_each_field([&](const auto& field) {
            const auto& member = x.*field.member;
            detail::field_traits<std::remove_cvref_t<decltype(member)>>::encode(out, member);
        });
    }

    static T decode(binary_reader& in) {
        const std::uint64_t count = in.unsigned_number();
        if (count != size) detail::fail_field_count(in, list.type_name, count, size);
        T result{};
        for_each_field([&](const auto& field) {
            auto& member = result.*field.member;
            member = detail::field_traits<std::remove_cvref_t<decltype(member)>>::decode(in);
        });
        return result;
    }

  private:
    static constexpr auto list = simul_codec_fields(std::type_identity<T>());
    static constexpr std::size_t size = std::tuple_size_v<decltype(list.fields)>;

    template <class Do>
    static void for_each_field(Do&& action) {
        std::apply([&](const auto&... field) { (action(field), ...); }, list.fields);
    }
};

}  // namespace simul
