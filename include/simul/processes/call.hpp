#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <simul/codec/codec.hpp>
#include <simul/core/call_context.hpp>
#include <simul/core/task.hpp>
#include <simul/loop/run.hpp>
#include <simul/processes/code_ref.hpp>
#include <simul/processes/trampoline.hpp>
#include <simul/processes/wire.hpp>

/// The typed half of a call to another process: what may be called, and how arguments and result become
/// bytes.
///
/// What travels is the place of one function of the program, made for the type of the callable: the
/// trampoline. In the worker it decodes the arguments, calls, and encodes the result. A captureless lambda or
/// function object is its type, so nothing else has to travel; for a function pointer its place travels too.
namespace simul::detail {

template <class F>
inline constexpr bool is_function_pointer =
    std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>;

/// A callable object that says which function it stands for: a job that is bound to one.
template <class F>
concept names_function = std::is_class_v<F> && requires(const F& f) {
    requires is_function_pointer<std::remove_cvref_t<decltype(f.function())>>;
};

template <class F>
inline constexpr bool is_captureless =
    std::is_class_v<F> && std::is_empty_v<F> && std::is_default_constructible_v<F>;

template <class... P>
struct parameter_list {};

/// The parameters of something that has one signature.
template <class F>
struct parameters_of;
template <class R, class... P>
struct parameters_of<R (*)(P...)> : std::type_identity<parameter_list<P...>> {};
template <class R, class... P>
struct parameters_of<R (*)(P...) noexcept> : std::type_identity<parameter_list<P...>> {};
template <class R, class C, class... P>
struct parameters_of<R (C::*)(P...)> : std::type_identity<parameter_list<P...>> {};
template <class R, class C, class... P>
struct parameters_of<R (C::*)(P...) const> : std::type_identity<parameter_list<P...>> {};
template <class R, class C, class... P>
struct parameters_of<R (C::*)(P...) noexcept> : std::type_identity<parameter_list<P...>> {};
template <class R, class C, class... P>
struct parameters_of<R (C::*)(P...) const noexcept> : std::type_identity<parameter_list<P...>> {};

/// As what an argument is given to a template or an overloaded operator(), which takes what it gets.
template <class A>
using as_given = std::conditional_t<std::is_convertible_v<A, const char*>, std::string, std::decay_t<A>>;

template <class F, class... Args>
auto parameters_for() {
    if constexpr (is_function_pointer<F>)
        return typename parameters_of<F>::type{};
    else if constexpr (requires { &F::operator(); })
        return typename parameters_of<decltype(&F::operator())>::type{};
    else
        return parameter_list<as_given<Args>...>{};
}

/// As what a parameter is kept in the worker while the function runs.
template <class P>
struct kept : std::type_identity<std::remove_cvref_t<P>> {};
template <>
struct kept<std::string_view> : std::type_identity<std::string> {};
template <>
struct kept<const std::string_view&> : std::type_identity<std::string> {};
template <class P>
using kept_t = typename kept<P>::type;

template <class P>
constexpr void check_parameter() {
    static_assert(
        !std::is_lvalue_reference_v<P> || std::is_const_v<std::remove_reference_t<P>>,
        "a function for another process takes its arguments by value or by const reference: it cannot change "
        "the caller's objects; return what is new");
    static_assert(!std::is_pointer_v<kept_t<P>>,
                  "a pointer means nothing in another process: pass the value itself");
    static_assert(decodable<kept_t<P>>,
                  "an argument for another process has to be encoded: use numbers, strings, containers, "
                  "tuples, optional, "
                  "or declare the fields of your struct with SIMUL_FIELDS(type, field...)");
}

template <class... P>
constexpr void check_parameters(parameter_list<P...>) {
    (check_parameter<P>(), ...);
}

template <class R>
struct awaited : std::type_identity<R> {};
template <class T>
struct awaited<task<T>> : std::type_identity<T> {};

template <class R>
constexpr void check_result() {
    static_assert(
        !std::is_reference_v<R> && !std::is_pointer_v<R>,
        "a function for another process returns a value: a reference or pointer would stay behind there");
    static_assert(std::is_void_v<R> || decodable<R>,
                  "a result from another process has to be decoded: use numbers, strings, containers, "
                  "tuples, optional, "
                  "or declare the fields of your struct with SIMUL_FIELDS(type, field...)");
}

/// A value of the callable as it is given to the parameters `P` of the function.
template <class P, class Kept>
decltype(auto) pass(Kept& value) {
    if constexpr (std::is_reference_v<P> && !std::is_rvalue_reference_v<P>)
        return std::as_const(value);
    else
        return std::move(value);
}

/// Calls `f`, and waits on a loop of the worker if it is a coroutine.
template <class F, class... P>
auto call_in_worker(F& f, std::tuple<kept_t<P>...>& arguments) {
    return std::apply(
        [&f](auto&... each) {
            using R = std::invoke_result_t<F&, decltype(pass<P>(each))...>;
            if constexpr (is_task<R>::value)
                return run([&]() -> R {
                    inherit_call_deadline();
                    co_return co_await std::invoke(f, pass<P>(each)...);
                });
            else
                return std::invoke(f, pass<P>(each)...);
        },
        arguments);
}

/// An argument in the type that is encoded.
template <class Kept, class A>
decltype(auto) as_kept(const A& argument) {
    if constexpr (std::is_same_v<Kept, A>)
        return (argument);
    else
        return Kept(argument);
}

/// Everything about calling an F with Args in another process.
template <class F, class List>
struct remote_call;

template <class F, class... P>
struct remote_call<F, parameter_list<P...>> {
    using returned = std::invoke_result_t<F&, decltype(pass<P>(std::declval<kept_t<P>&>()))...>;
    using result = typename awaited<returned>::type;
    using arguments = std::tuple<kept_t<P>...>;

    /// For a pool: the result is encoded.
    static void run_for_result(any_function function, std::string_view encoded, std::string& out) {
        auto values = decode<arguments>(encoded);
        F f = callable(function);
        if constexpr (std::is_void_v<result>)
            call_in_worker<F, P...>(f, values);
        else
            encode(out, result(call_in_worker<F, P...>(f, values)));
    }

    /// For a process: the result is the exit status.
    static void run_as_process(any_function function, std::string_view encoded, std::string&) {
        auto values = decode<arguments>(encoded);
        F f = callable(function);
        if constexpr (std::is_void_v<result>)
            call_in_worker<F, P...>(f, values);
        else
            set_worker_exit_code(call_in_worker<F, P...>(f, values));
    }

    static F callable(any_function function) {
        if constexpr (is_function_pointer<F>)
            return reinterpret_cast<F>(function);
        else
            return F{};
    }

    template <class... Args>
    static std::string encode_call(F f, trampoline through, bool last, const Args&... args) {
        wire::call_message call;
        call.last = last;
        call.trampoline = make_code_ref(reinterpret_cast<const void*>(through));
        if constexpr (is_function_pointer<F>) call.function = make_code_ref(reinterpret_cast<const void*>(f));
        std::string frame = wire::begin_call(1, call);
        // References where the type fits, so that nothing large is copied twice.
        const std::tuple<decltype(as_kept<kept_t<P>>(args))...> values(as_kept<kept_t<P>>(args)...);
        encode(frame, values);
        wire::finish_frame(frame);
        return frame;
    }
};

/// Checks that `F` can run in another process with `Args`, and names the types of the call.
template <class F, class... Args>
constexpr auto remote_call_for() {
    static_assert(is_function_pointer<F> || is_captureless<F>,
                  "a function for another process cannot capture: pass the values as arguments");
    using list = decltype(parameters_for<F, Args...>());
    check_parameters(list{});
    using call = remote_call<F, list>;
    static_assert(
        std::is_constructible_v<typename call::arguments, const Args&...>,
        "these arguments do not fit the function's parameters; a default argument is not known through a "
        "function pointer: wrap the call, [] { f(); }");
    check_result<typename call::result>();
    return call{};
}

/// The function itself for objects that stand for one.
template <class F>
auto plain_function(const F& f) {
    if constexpr (names_function<F>)
        return +f.function();
    else
        return f;
}

}  // namespace simul::detail
