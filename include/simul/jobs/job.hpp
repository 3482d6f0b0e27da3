#pragma once

#include <simul/codec/codec.hpp>
#include <simul/core/task.hpp>
#include <simul/jobs/error.hpp>
#include <simul/jobs/payload.hpp>

#include <array>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace simul {

/// One parameter of a job: its name, for callers that use keywords, and its default, for callers that leave
/// it out. Names and text defaults are literals.
struct parameter {
    using default_value =
        std::variant<std::monostate, std::nullptr_t, bool, std::int64_t, double, std::string_view>;

    constexpr parameter(const char* n) : name(n) {}
    constexpr parameter(const char* n, std::nullptr_t) : name(n), fallback(nullptr) {}
    constexpr parameter(const char* n, bool v) : name(n), fallback(v) {}
    constexpr parameter(const char* n, int v) : name(n), fallback(std::int64_t{v}) {}
    constexpr parameter(const char* n, long v) : name(n), fallback(std::int64_t{v}) {}
    constexpr parameter(const char* n, long long v) : name(n), fallback(std::int64_t{v}) {}
    constexpr parameter(const char* n, double v) : name(n), fallback(v) {}
    constexpr parameter(const char* n, const char* v) : name(n), fallback(std::string_view(v)) {}

    constexpr bool has_default() const { return fallback.index() != 0; }

    std::string_view name;
    default_value fallback;
    bool keyword_only = false;
};

/// A parameter that is sent by its name: what Python writes behind a `*`.
template <class... Default>
constexpr parameter keyword(const char* name, Default... fallback) {
    parameter p(name, fallback...);
    p.keyword_only = true;
    return p;
}

/// Stands for an argument that the job's own default fills: `queue.enqueue(greet, "Bob", use_default)`.
struct use_default_t {};
inline constexpr use_default_t use_default{};

template <class Signature, class F = void>
class job;

namespace detail {

template <class T>
struct task_value {
    using type = T;
    static constexpr bool is_task = false;
};
template <class T>
struct task_value<task<T>> {
    using type = T;
    static constexpr bool is_task = true;
};

template <class F>
struct job_signature : job_signature<decltype(&F::operator())> {};
template <class R, class... A>
struct job_signature<R (*)(A...)> {
    using type = typename task_value<R>::type(std::decay_t<A>...);
};
template <class R, class... A>
struct job_signature<R (*)(A...) noexcept> : job_signature<R (*)(A...)> {};
template <class C, class R, class... A>
struct job_signature<R (C::*)(A...) const> : job_signature<R (*)(A...)> {};
template <class C, class R, class... A>
struct job_signature<R (C::*)(A...) const noexcept> : job_signature<R (*)(A...)> {};

/// What a contract says beside its types, without its types: for messages and for binding.
struct job_description {
    std::string_view name;
    const parameter* parameters = nullptr;  ///< Null where no names were given.
    std::size_t arity = 0;
};

[[noreturn]] void fail_argument(const job_description& d, std::size_t index, std::string_view why);
/// Sorts the arguments of a call into the parameters: position, then keyword, then default.
/// Throws: job_errc::wrong_arguments, naming the job, its parameters and what does not fit.
std::vector<value> bind_call(const job_description& d, const job_call& call);
value default_of(const job_description& d, std::size_t index);

template <class T>
T read_argument(const job_description& d, std::size_t index, const value& v) {
    try {
        return from_value<T>(v);
    } catch (const std::exception& e) {
        fail_argument(d, index, e.what());
    }
}

template <class Arg, class Param>
inline constexpr bool fits =
    std::same_as<std::decay_t<Arg>, use_default_t> || std::convertible_to<Arg, std::decay_t<Param>>;

}  // namespace detail

/// What client and worker agree on: a stable name, the types of a call, and the names of its parameters. A
/// client needs no more; the function itself is the worker's.
///
///     inline constexpr job<int(std::string)> count_words{"mymodule.count_words_at_url", {"url"}};
///
/// The name is what RQ calls the function's path; it never changes once jobs of it are stored.
template <class R, class... A>
class job<R(A...), void> {
  public:
    using result_type = R;
    using arguments = std::tuple<std::decay_t<A>...>;
    static constexpr std::size_t arity = sizeof...(A);

    constexpr job(const char* name) : name_(name), parameters_{((void)sizeof(A), parameter(""))...} {}
    template <std::size_t N>
    constexpr job(const char* name, const parameter (&parameters)[N])
        : job(name, parameters, std::make_index_sequence<N>()) {
        static_assert(
            N == arity,
            "a job names all of its parameters or none: give as many names as the signature has parameters");
    }

    constexpr std::string_view name() const { return name_; }
    detail::job_description description() const {
        return {name_, named_ ? parameters_.data() : nullptr, arity};
    }

    /// The call with these arguments, checked against the signature when it is compiled.
    template <class... Args>
    job_call call(Args&&... args) const {
        static_assert(
            sizeof...(Args) >= arity,
            "too few arguments for this job; write simul::use_default for one that its default fills");
        static_assert(sizeof...(Args) <= arity, "too many arguments for this job");
        if constexpr (sizeof...(Args) == arity) {
            static_assert(
                (detail::fits<Args, A> && ...),
                "an argument does not convert to the type that the job's signature has at its place");
            job_call c;
            c.function = std::string(name_);
            if constexpr ((detail::fits<Args, A> && ...)) {
                [[maybe_unused]] std::size_t index = 0;
                [[maybe_unused]] bool by_name = false;
                (add<A>(c, index++, by_name, std::forward<Args>(args)), ...);
            }
            return c;
        }
    }

    /// The typed arguments of a stored call. Throws: job_errc::wrong_arguments.
    arguments bind(const job_call& c) const {
        std::vector<value> values = detail::bind_call(description(), c);
        return bind(values, std::index_sequence_for<A...>());
    }

  private:
    template <class S, class F>
    friend class job;
    template <std::size_t N, std::size_t... I>
    constexpr job(const char* name, const parameter (&parameters)[N], std::index_sequence<I...>)
        : name_(name), parameters_{parameters[I]...}, named_(true) {}

    template <std::size_t... I>
    arguments bind([[maybe_unused]] const std::vector<value>& values, std::index_sequence<I...>) const {
        [[maybe_unused]] detail::job_description d = description();
        return arguments{detail::read_argument<std::decay_t<A>>(d, I, values[I])...};
    }

    // Positional as long as that is possible: behind an argument that was left out, only names can tell.
    template <class Param, class Arg>
    void add(job_call& c, std::size_t index, bool& by_name, Arg&& arg) const {
        const parameter& p = parameters_[index];
        if constexpr (std::same_as<std::decay_t<Arg>, use_default_t>) {
            if (named_ && !p.has_default()) detail::fail_argument(description(), index, "it has no default");
            if (!named_)
                detail::fail_argument(description(), index,
                                      "the job names no parameters, so it can leave none out");
            by_name = true;
        } else {
            value v = to_value(std::decay_t<Param>(std::forward<Arg>(arg)));
            if (named_ && (by_name || p.keyword_only))
                c.kwargs.push_back({value(p.name), std::move(v)});
            else
                c.args.push_back(std::move(v));
        }
    }

    std::string_view name_;
    std::array<parameter, arity> parameters_;
    bool named_ = false;
};

/// A contract with its function: one object that can be called here, on a thread, in a process and through a
/// queue. Calling it always gives a task<R>, whatever the function returns.
///
///     inline constexpr job resize{"image.resize", &resize_image};
template <class R, class... A, class F>
class job<R(A...), F> {
  public:
    using contract = job<R(A...)>;
    using result_type = R;

    constexpr job(const char* name, F f) : contract_(name), function_(f) {}
    template <std::size_t N>
    constexpr job(const char* name, const parameter (&parameters)[N], F f)
        : contract_(name, parameters), function_(f) {}

    constexpr operator const contract&() const { return contract_; }
    constexpr const contract& terms() const { return contract_; }
    constexpr std::string_view name() const { return contract_.name(); }
    constexpr F function() const { return function_; }

    task<R> operator()(A... args) const { return call_function(function_, std::move(args)...); }

  private:
    static task<R> call_function(F f, A... args) {
        if constexpr (detail::task_value<std::invoke_result_t<F, A...>>::is_task) {
            co_return co_await f(std::move(args)...);
        } else {
            co_return f(std::move(args)...);
        }
    }

    contract contract_;
    F function_;
};

template <class F>
job(const char*, F) -> job<typename detail::job_signature<F>::type, F>;
template <std::size_t N, class F>
job(const char*, const parameter (&)[N], F) -> job<typename detail::job_signature<F>::type, F>;

}  // namespace simul
