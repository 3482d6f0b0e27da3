#pragma once

#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>

/// Declares the fields of a struct, so that it can be an argument or a result of a call into another process
/// or of a job, and be read from and written to JSON and pickle (as an object or dict with these names).
///
///     struct image { std::string path; int width = 0; std::optional<std::string> title; };
///     SIMUL_FIELDS(image, path, width, title)
///
/// It stands in the namespace of the struct, outside of every class and function. The struct is
/// default-constructible and the fields are public, at most 250. Reading a dict wants every field but those
/// that are std::optional, and refuses names that are not listed. The binary form goes by the order of the
/// list.
#define SIMUL_FIELDS(type, ...) SIMUL_DETAIL_FIELDS(type, false __VA_OPT__(, ) __VA_ARGS__)

/// As SIMUL_FIELDS, but a field that is missing in a dict keeps the value that a new struct has.
#define SIMUL_FIELDS_DEFAULTED(type, ...) SIMUL_DETAIL_FIELDS(type, true __VA_OPT__(, ) __VA_ARGS__)

namespace simul::detail {

template <class Struct, class Member>
struct field {
    std::string_view name;
    Member Struct::* member;
};

template <class... Fields>
struct field_list {
    std::string_view type_name;
    bool defaulted;  // missing fields keep the default
    std::tuple<Fields...> fields;
};

template <class... Fields>
constexpr field_list<Fields...> make_field_list(std::string_view type_name, bool defaulted,
                                                Fields... fields) {
    return {type_name, defaulted, std::tuple<Fields...>(fields...)};
}

template <class Struct, class Member>
constexpr field<Struct, Member> make_field(std::string_view name, Member Struct::* member) {
    return {name, member};
}

template <class T>
concept has_fields = requires { simul_codec_fields(std::type_identity<T>()); };

}  // namespace simul::detail

#define SIMUL_DETAIL_FIELDS(type, defaulted, ...)                                                            \
    [[maybe_unused]] constexpr auto simul_codec_fields(std::type_identity<type>) {                           \
        return ::simul::detail::make_field_list(                                                             \
            #type,                                                                                           \
            defaulted __VA_OPT__(, ) __VA_OPT__(SIMUL_DETAIL_EXPAND(SIMUL_DETAIL_EACH(type, __VA_ARGS__)))); \
    }

// One step names the next without calling it; each rescan by EXPAND turns one more into a call.
#define SIMUL_DETAIL_EACH(type, name, ...)          \
    ::simul::detail::make_field(#name, &type::name) \
        __VA_OPT__(, SIMUL_DETAIL_AGAIN SIMUL_DETAIL_PARENTHESES(type, __VA_ARGS__))
#define SIMUL_DETAIL_AGAIN() SIMUL_DETAIL_EACH
#define SIMUL_DETAIL_PARENTHESES ()
#define SIMUL_DETAIL_EXPAND(...) \
    SIMUL_DETAIL_EXPAND4(SIMUL_DETAIL_EXPAND4(SIMUL_DETAIL_EXPAND4(SIMUL_DETAIL_EXPAND4(__VA_ARGS__))))
#define SIMUL_DETAIL_EXPAND4(...) \
    SIMUL_DETAIL_EXPAND3(SIMUL_DETAIL_EXPAND3(SIMUL_DETAIL_EXPAND3(SIMUL_DETAIL_EXPAND3(__VA_ARGS__))))
#define SIMUL_DETAIL_EXPAND3(...) \
    SIMUL_DETAIL_EXPAND2(SIMUL_DETAIL_EXPAND2(SIMUL_DETAIL_EXPAND2(SIMUL_DETAIL_EXPAND2(__VA_ARGS__))))
#define SIMUL_DETAIL_EXPAND2(...) \
    SIMUL_DETAIL_EXPAND1(SIMUL_DETAIL_EXPAND1(SIMUL_DETAIL_EXPAND1(SIMUL_DETAIL_EXPAND1(__VA_ARGS__))))
#define SIMUL_DETAIL_EXPAND1(...) __VA_ARGS__
