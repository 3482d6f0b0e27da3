#pragma once

#include <fmt/format.h>

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <simul/base/bytes.hpp>
#include <simul/codec/error.hpp>

namespace simul {

/// A whole number that fits no 64-bit signed integer, kept exactly, as its decimal digits.
class big_integer {
  public:
    /// Most decimal digits that are converted to or from binary: the work grows with their square. (Python's
    /// own limit.)
    static constexpr std::size_t digits_max = 4300;

    /// `text` is an optional '-' and digits, of any size. Throws: codec_error for other text.
    static big_integer from_decimal(std::string_view text);
    /// `data` is a two's complement number, least significant byte first, as pickle and Python's
    /// int.from_bytes have it. Throws: codec_error if it has more than digits_max digits.
    static big_integer from_twos_complement(std::string_view data);

    /// Canonical: no leading zeros, no "-0".
    const std::string& decimal() const noexcept { return decimal_; }
    /// Shortest two's complement form, least significant byte first; empty for 0.
    /// Throws: codec_error if it has more than digits_max digits.
    std::string twos_complement() const;

    bool negative() const noexcept { return decimal_.front() == '-'; }

    friend bool operator==(const big_integer&, const big_integer&) = default;
    friend std::strong_ordering operator<=>(const big_integer& a, const big_integer& b) noexcept;

  private:
    explicit big_integer(std::string decimal) : decimal_(std::move(decimal)) {}
    std::string decimal_;
};

/// One tree for JSON, pickle and the binary form: what a program exchanges with others without knowing its
/// type.
///
/// A value: it copies (deeply) and compares. Numbers keep their kind; whole numbers are exact whatever their
/// size. Reading the wrong kind throws codec_error, which says what was expected and what was found.
///
///     value listing = json::parse(text);
///     for (const value& post : listing["data"]["children"]) fmt::print("{}\n", post["data"]["title"]);
///     int n = from_value<int>(listing["count"]);
class value {
  public:
    enum class kind { null, boolean, integer, big_integer, floating, string, bytes, list, tuple, set, dict };
    struct entry;  // {key, value} of a dict

    value() noexcept = default;
    value(std::nullptr_t) noexcept {}
    template <std::same_as<bool> B>
    value(B b) noexcept : data_(b) {}
    template <std::integral I>
        requires(!std::same_as<I, bool> && !std::same_as<I, char>)
    value(I number) : value(from_integer(number)) {}
    value(double number) noexcept : data_(number) {}
    value(const char* text) : data_(std::string(text)) {}
    value(std::string_view text) : data_(std::string(text)) {}
    value(std::string text) noexcept : data_(std::move(text)) {}
    value(simul::bytes data) noexcept : data_(std::move(data)) {}
    /// Becomes an integer if it fits one.
    value(big_integer number);

    static value list(std::vector<value> items = {});
    static value tuple(std::vector<value> items = {});
    /// Equal items are kept once, the first of them.
    static value set(std::vector<value> items = {});
    /// Keeps the order. Of equal keys the last value wins, at the place of the first, as in Python.
    static value dict(std::vector<entry> entries);
    static value dict(std::initializer_list<entry> entries);
    static value dict();

    kind type() const noexcept;
    /// Python's name of the kind: "NoneType", "bool", "int" (of any size), "float", "str", "bytes", "list",
    /// ...
    std::string_view type_name() const noexcept;

    bool is_null() const noexcept { return type() == kind::null; }
    bool is_bool() const noexcept { return type() == kind::boolean; }
    bool is_int() const noexcept { return type() == kind::integer || type() == kind::big_integer; }
    bool is_float() const noexcept { return type() == kind::floating; }
    bool is_string() const noexcept { return type() == kind::string; }
    bool is_bytes() const noexcept { return type() == kind::bytes; }
    /// List or tuple: the two are one to most readers, since JSON knows only one of them.
    bool is_sequence() const noexcept { return type() == kind::list || type() == kind::tuple; }
    bool is_set() const noexcept { return type() == kind::set; }
    bool is_dict() const noexcept { return type() == kind::dict; }

    // Throws: codec_error if the value is of another kind. Lifetime of references: until this value is
    // changed.

    bool as_bool() const;
    /// Throws: codec_error also for an integer beyond 64 bits; its message shows it.
    std::int64_t as_int() const;
    /// The number, also from an integer (rounded beyond 2^53).
    double as_double() const;
    const std::string& as_string() const;
    const simul::bytes& as_bytes() const;
    /// The digits of an integer of any size.
    std::string as_decimal() const;
    /// Items of a list, tuple or set.
    std::span<const value> items() const;
    /// Entries of a dict in their order.
    std::span<const entry> entries() const;

    /// Number of items or entries. Throws: codec_error for what has none.
    std::size_t size() const;
    /// Iterates items(); for a dict use entries().
    const value* begin() const { return items().data(); }
    const value* end() const { return items().data() + items().size(); }

    /// The value under `key`, or nullptr if there is none or this is no dict. Takes O(log n).
    const value* find(std::string_view key) const;
    const value* find(const char* key) const { return find(std::string_view(key)); }
    const value* find(const value& key) const;
    bool contains(std::string_view key) const { return find(key) != nullptr; }
    /// Throws: codec_error if this is no dict or lacks the key.
    const value& operator[](std::string_view key) const;
    const value& operator[](const char* key) const { return (*this)[std::string_view(key)]; }
    /// Throws: codec_error if this is no list or tuple or has no such item.
    const value& operator[](std::size_t index) const;
    const value& operator[](int index) const;

    /// Puts `item` under `key` of a dict, or of a null value, which becomes a dict. Returns *this.
    value& set(value key, value item);
    /// Appends to a list, or to a null value, which becomes a list. Returns *this.
    value& push_back(value item);

    /// True for the same data: same kinds and contents, whatever the order of dicts and sets. Integers and
    /// floats differ even where their numbers are equal, 0.0 and -0.0 differ, and a NaN equals itself.
    friend bool operator==(const value& a, const value& b) { return compare(a, b) == 0; }
    /// Some total order that agrees with ==: kinds first, then contents.
    friend std::strong_ordering operator<=>(const value& a, const value& b) { return compare(a, b); }

  private:
    struct list_data {
        std::vector<value> items;
    };
    struct tuple_data {
        std::vector<value> items;
    };
    struct set_data {
        std::vector<value> items;
    };
    class dict_data {
      public:
        dict_data() noexcept;
        explicit dict_data(std::vector<entry> entries);
        dict_data(const dict_data& other);
        dict_data(dict_data&&) noexcept;
        dict_data& operator=(const dict_data& other);
        dict_data& operator=(dict_data&&) noexcept;
        ~dict_data();

        const std::vector<entry>& entries() const noexcept { return entries_; }
        template <class Key>
        const value* find(const Key& key) const;
        void set(value key, value item);

      private:
        void index();
        std::vector<entry> entries_;
        // Positions in the order of their keys; only where a search from the front would take long.
        // (Not a hash table: nobody can choose keys that make it slow.)
        std::unique_ptr<std::vector<std::uint32_t>> order_;
    };

    template <std::integral I>
    static value from_integer(I number) {
        if constexpr (std::is_signed_v<I> || sizeof(I) < sizeof(std::int64_t))
            return value(std::in_place, static_cast<std::int64_t>(number));
        else
            return from_unsigned(static_cast<std::uint64_t>(number));
    }
    static value from_unsigned(std::uint64_t number);
    value(std::in_place_t, std::int64_t number) noexcept : data_(number) {}
    template <class Data>
    static value with(Data data);
    template <class Key>
    static std::strong_ordering compare_key(const value& stored, const Key& key);
    static std::strong_ordering compare(const value& a, const value& b);
    [[noreturn]] void fail(std::string_view expected) const;

    // In the order of `kind`.
    std::variant<std::monostate, bool, std::int64_t, big_integer, double, std::string, simul::bytes,
                 list_data, tuple_data, set_data, dict_data>
        data_;
};

struct value::entry {
    simul::value key;
    simul::value value;
};

/// "int 5", "str 'abc'", "None": kind and content for error messages, cut where it gets long.
std::string describe_found(const value& v);

/// Throws: codec_error "PATH: expected EXPECTED, found FOUND".
[[noreturn]] void fail_expected(const value_path& path, std::string_view expected, const value& found);

/// As Python's str(): text as it is, everything else as python_repr().
std::string to_string(const value& v);

/// Prints to_string().
std::ostream& operator<<(std::ostream& out, const value& v);

}  // namespace simul

/// Formats to_string().
template <>
struct fmt::formatter<simul::value> : fmt::formatter<std::string_view> {
    template <class Context>
    auto format(const simul::value& v, Context& context) const {
        return fmt::formatter<std::string_view>::format(simul::to_string(v), context);
    }
};
