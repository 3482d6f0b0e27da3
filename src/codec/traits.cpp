#include <simul/codec/traits.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace simul::detail {

std::int64_t read_signed(const value& v, const value_path& path, std::int64_t least, std::int64_t greatest) {
    if (v.type() == value::kind::integer) {
        const std::int64_t number = v.as_int();
        if (number >= least && number <= greatest) return number;
    }
    if (!v.is_int()) fail_expected(path, "an integer", v);
    fail_expected(path, fmt::format("an integer from {} to {}", least, greatest), v);
}

std::uint64_t read_unsigned(const value& v, const value_path& path, std::uint64_t greatest) {
    if (!v.is_int()) fail_expected(path, "an integer", v);
    const std::string text = v.as_decimal();
    std::uint64_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc() || number > greatest)
        fail_expected(path, fmt::format("an integer from 0 to {}", greatest), v);
    return number;
}

double read_double(const value& v, const value_path& path, double greatest) {
    if (!v.is_float() && !v.is_int()) fail_expected(path, "a number", v);
    const double number = v.as_double();
    if (std::isfinite(number) && std::abs(number) > greatest)
        fail_expected(path, "a number that fits a float", v);
    return number;
}

std::span<const value> read_items(const value& v, const value_path& path, bool or_set) {
    if (!v.is_sequence() && !(or_set && v.is_set()))
        fail_expected(path, or_set ? "a set or list" : "a list", v);
    return v.items();
}

std::span<const value> read_exactly(const value& v, const value_path& path, std::size_t size) {
    const bool good = v.is_sequence() && v.size() == size;
    if (!good) fail_expected(path, fmt::format("a list or tuple of {}", size), v);
    return v.items();
}

std::span<const value::entry> read_entries(const value& v, const value_path& path) {
    if (!v.is_dict()) fail_expected(path, "a dict", v);
    return v.entries();
}

long double read_seconds(const value& v, const value_path& path) {
    if (v.type() == value::kind::integer) return static_cast<long double>(v.as_int());
    if (!v.is_float() || !std::isfinite(v.as_double())) fail_expected(path, "a number of seconds", v);
    return static_cast<long double>(v.as_double());
}

value key_as_integer(const value& key) {
    if (!key.is_string()) return key;
    const std::string& text = key.as_string();
    std::int64_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return key;
    return value(number);
}

std::string name_of_key(const value& key) { return to_string(key); }

void check_known(const value& v, const value_path& path, std::string_view type_name,
                 std::span<const std::string_view> names) {
    for (const value::entry& e : read_entries(v, path)) {
        const bool known =
            e.key.is_string() && std::find(names.begin(), names.end(), e.key.as_string()) != names.end();
        if (!known)
            path.fail(fmt::format(
                "unknown key \"{}\"; {} has {}", to_string(e.key), type_name,
                names.empty() ? std::string("no fields") : fmt::format("{}", fmt::join(names, ", "))));
    }
}

void fail_missing(const value_path& path, std::string_view name) {
    path.fail(fmt::format("the key \"{}\" is missing", name));
}

void fail_field_count(const binary_reader& in, std::string_view type_name, std::uint64_t count,
                      std::size_t expected) {
    in.fail(fmt::format("a struct of {} fields, but {} has {}", count, type_name, expected));
}

}  // namespace simul::detail
