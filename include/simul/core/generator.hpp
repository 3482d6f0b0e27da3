#pragma once

#include <cassert>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include <simul/base/error.hpp>
#include <simul/core/frame_pool.hpp>

namespace simul {

/// Thrown into a generator, at the co_yield where it is suspended, by close(). A generator that catches it to
/// clean up rethrows it or returns; to yield again is an error.
///
/// Not derived from std::exception, so that `catch (const std::exception&)` does not swallow it.
struct generator_exit {};

template <class Yield, class Send = void>
class generator;

namespace detail {

/// What `co_yield {}` makes where nothing is yielded.
struct nothing {};

template <class Yield, class Send>
struct generator_promise {
    using yielded_type = std::conditional_t<std::is_void_v<Yield>, nothing, Yield>;
    using sent_type = std::conditional_t<std::is_void_v<Send>, nothing, Send>;

    std::optional<yielded_type> yielded;
    std::optional<sent_type> sent;
    std::exception_ptr thrown_in;
    std::exception_ptr failure;
    bool destroying = false;  // by the generator, where it is suspended

    struct yield_awaiter {
        generator_promise& promise;
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<>) const noexcept {}
        Send await_resume() const {
            if (promise.thrown_in) std::rethrow_exception(std::exchange(promise.thrown_in, nullptr));
            if constexpr (!std::is_void_v<Send>) {
                Send value = std::move(*promise.sent);
                promise.sent.reset();
                return value;
            }
        }
    };

    generator<Yield, Send> get_return_object() noexcept;
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    yield_awaiter yield_value(yielded_type value) {
        yielded.emplace(std::move(value));
        return {*this};
    }
    void return_void() const noexcept {}
    /// A destructor that throws while the frame is destroyed comes here too; there is nowhere to go on then.
    void unhandled_exception() noexcept {
        if (destroying) std::terminate();
        failure = std::current_exception();
    }

    /// A generator does not wait; what waits is an async_generator.
    template <class A>
    void await_transform(A&&) {
        static_assert(
            !std::is_same_v<A, A>,
            "a generator cannot co_await: use async_generator<T>, or let the caller wait between two calls");
    }

    static void* operator new(std::size_t size) { return allocate_frame(size); }
    static void operator delete(void* frame, std::size_t size) noexcept { free_frame(frame, size); }
};

}  // namespace detail

/// A two-way coroutine, as in Python: it gives values of type Yield and takes values of type Send at its
/// co_yield.
///
///   generator<int>                     next() gives 1, 2, 3 ...; usable as a range
///   generator<void, std::string>       next() runs to the first co_yield, send(text) hands it a text
///   generator<double, double>          send(x) gives what is yielded next
///
/// next(), send() and throw_in() give what the generator yields (optional<Yield>, or for void: bool), and
/// empty (false) once it has ended. What it throws is thrown by the call that ran it. Lifetime: movable, not
/// copyable; its own body must neither move nor destroy it (that ends the program). The destructor only
/// destroys: it runs destructors, not handlers; close() first where those matter. A destructor in the body
/// that throws there ends the program, as one that throws during another exception does.
/// Threads: any, one at a time.
template <class Yield, class Send>
class [[nodiscard]] generator {
    using promise = detail::generator_promise<Yield, Send>;
    using handle_type = std::coroutine_handle<promise>;

  public:
    using promise_type = promise;
    using result_type = std::conditional_t<std::is_void_v<Yield>, bool, std::optional<Yield>>;

    generator(generator&& other) noexcept
        : handle_(std::exchange(other.not_running().handle_, nullptr)),
          state_(std::exchange(other.state_, state::ended)) {}
    generator& operator=(generator&& other) noexcept {
        if (this != &other) {
            drop();
            handle_ = std::exchange(other.not_running().handle_, nullptr);
            state_ = std::exchange(other.state_, state::ended);
        }
        return *this;
    }
    ~generator() { drop(); }

    /// Runs it to its first co_yield, or to its next one if it takes no values.
    /// Throws errc::wrong_state where it is suspended at a co_yield that waits for a value: that is what
    /// send() is for.
    result_type next() {
        if constexpr (!std::is_void_v<Send>)
            if (state_ == state::suspended) misuse("next: it waits for a value; call send(value)");
        return run("next");
    }

    /// Hands `value` to the co_yield it is suspended at and runs it to the next one.
    /// Throws errc::wrong_state before the first next(): nothing waits for the value yet.
    result_type send(std::conditional_t<std::is_void_v<Send>, detail::nothing, Send> value)
        requires(!std::is_void_v<Send>)
    {
        if (state_ == state::created)
            misuse("send: it has not started; call next() first, which runs it to its first co_yield");
        if (state_ == state::suspended) handle_.promise().sent.emplace(std::move(value));
        return run("send");
    }

    /// Throws `error` at the co_yield it is suspended at. One that has not started or has ended throws it
    /// right back.
    result_type throw_in(std::exception_ptr error) {
        if (state_ == state::running) misuse("throw_in: it is running");
        if (state_ != state::suspended) {
            drop();
            std::rethrow_exception(std::move(error));
        }
        handle_.promise().thrown_in = std::move(error);
        return run("throw_in");
    }
    template <class E>
        requires(!std::is_same_v<std::remove_cvref_t<E>, std::exception_ptr>)
    result_type throw_in(E&& error) {
        return throw_in(std::make_exception_ptr(std::forward<E>(error)));
    }

    /// Ends it: throws generator_exit at the co_yield and lets it clean up. Again, or after its end: does
    /// nothing. Throws errc::wrong_state if it yields once more, and whatever else it throws.
    void close() {
        if (state_ == state::running) misuse("close: it is running");
        if (state_ != state::suspended) {
            drop();
            return;
        }
        bool yielded = false;
        try {
            handle_.promise().thrown_in = std::make_exception_ptr(generator_exit{});
            yielded = static_cast<bool>(run("close"));
        } catch (const generator_exit&) {
        }
        drop();
        if (yielded) misuse("close: it ignored generator_exit and yielded again; rethrow it, or return");
    }

    /// Has it ended?
    bool done() const noexcept { return state_ == state::ended; }

    class iterator {
      public:
        using value_type = Yield;
        using difference_type = std::ptrdiff_t;

        iterator() = default;
        explicit iterator(generator& source) : source_(&source), value_(source.next()) {}

        const value_type& operator*() const noexcept { return *value_; }
        const value_type* operator->() const noexcept { return &*value_; }
        iterator& operator++() {
            value_ = source_->next();
            return *this;
        }
        void operator++(int) { ++*this; }
        bool operator==(std::default_sentinel_t) const noexcept { return !value_.has_value(); }

      private:
        generator* source_ = nullptr;
        std::optional<Yield> value_;
    };

    /// As a range: `for (int n : numbers())`. Runs it to its first co_yield.
    auto begin()
        requires(!std::is_void_v<Yield> && std::is_void_v<Send>)
    {
        return iterator(*this);
    }
    std::default_sentinel_t end() const noexcept
        requires(!std::is_void_v<Yield> && std::is_void_v<Send>)
    {
        return {};
    }

  private:
    friend promise;
    enum class state : unsigned char { created, suspended, running, ended };

    explicit generator(handle_type handle) noexcept : handle_(handle) {}

    [[noreturn]] static void misuse(const char* text) {
        throw std::system_error(make_error_code(errc::wrong_state), std::string("generator::") + text);
    }

    result_type run(const char* call) {
        if (state_ == state::running)
            misuse((std::string(call) + ": it is running; a generator cannot call itself").c_str());
        if (state_ == state::ended) return result_type{};
        promise& p = handle_.promise();
        p.yielded.reset();
        state_ = state::running;
        handle_.resume();
        if (handle_.done()) {
            std::exception_ptr failure = std::exchange(p.failure, nullptr);
            state_ = state::ended;
            drop();
            if (failure) std::rethrow_exception(failure);
            return result_type{};
        }
        state_ = state::suspended;
        if constexpr (std::is_void_v<Yield>)
            return true;
        else
            return std::move(p.yielded);
    }

    /// Moving or destroying a generator in its own body would take the frame away under the body.
    generator& not_running() noexcept {
        if (state_ == state::running) {
            assert(false && "a generator was moved or destroyed by its own body");
            std::terminate();
        }
        return *this;
    }

    void drop() noexcept {
        not_running().state_ = state::ended;
        if (!handle_) return;
        handle_.promise().destroying = true;
        std::exchange(handle_, nullptr).destroy();
    }

    handle_type handle_;
    state state_ = state::created;
};

namespace detail {
template <class Yield, class Send>
generator<Yield, Send> generator_promise<Yield, Send>::get_return_object() noexcept {
    return generator<Yield, Send>(std::coroutine_handle<generator_promise>::from_promise(*this));
}
}  // namespace detail

}  // namespace simul
