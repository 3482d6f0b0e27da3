#pragma once

#include <cassert>
#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include <simul/core/task.hpp>

namespace simul {

template <class T>
class async_generator;

namespace detail {

template <class T>
class next_operation;

template <class T>
struct async_generator_promise final : coroutine_promise {
    async_generator<T> get_return_object() noexcept;

    std::suspend_always initial_suspend() const noexcept { return {}; }

    struct hand_over : awaiter_base {
        bool await_ready() const noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<async_generator_promise> h) noexcept {
            promise_base& promise = h.promise();
            return promise.scope_->on().transfer(promise.waiter_->continuation);
        }
        void await_resume() const noexcept {}
    };

    hand_over final_suspend() noexcept { return {}; }
    hand_over yield_value(T value) {
        next().result_.set_value(std::optional<T>(std::move(value)));
        return {};
    }
    void return_void() { next().result_.set_value(std::optional<T>()); }
    void unhandled_exception() noexcept { next().result_.set_error(this->escaping()); }

  private:
    /// Nobody, where the generator destroys the frame and a destructor in it throws: that has nowhere to go.
    next_operation<T>& next() noexcept {
        if (waiter_ == nullptr) std::terminate();
        return static_cast<next_operation<T>&>(*waiter_);
    }
};

template <class T>
class [[nodiscard("await it: co_await g.next()")]] next_operation final
    : public awaiter_base,
      public result_waiter<std::optional<T>> {
  public:
    explicit next_operation(async_generator<T>& source) noexcept : source_(&source) {}
    next_operation(next_operation&& other) noexcept
        : awaiter_base(), result_waiter<std::optional<T>>(), source_(other.source_) {}
    ~next_operation() {
        if (source_ != nullptr && source_->running_ == this) source_->running_ = nullptr;
    }

    bool await_ready() const noexcept { return source_->promise_ == nullptr; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> consumer) {
        static_assert(std::is_base_of_v<promise_base, Promise>, "await it in a simul::task");
        if (source_->running_ != nullptr)
            throw std::system_error(make_error_code(errc::wrong_state),
                                    "async_generator::next: another task waits for its next value already");
        source_->running_ = this;
        this->continuation = consumer;
        this->parent = &consumer.promise();
        promise_base& promise = *source_->promise_;
        promise.waiter_ = this;
        promise.scope_ = this->parent->scope_;  // it runs in the scope of whoever asks
        return promise.scope_->on().transfer(promise.handle());
    }
    std::optional<T> await_resume() {
        if (source_->promise_ == nullptr) return std::nullopt;
        source_->running_ = nullptr;
        if (this->result_.has_error() || !this->result_.value().has_value()) source_->drop();
        return std::move(this->result_).value();
    }

  private:
    friend async_generator<T>;
    promise_base* child_stopped(promise_base& child) noexcept override {
        child.destroy();
        source_->promise_ = nullptr;
        source_->running_ = nullptr;
        return this->parent;
    }
    async_generator<T>* source_;  // null when it was destroyed under this operation
};

}  // namespace detail

/// A sequence whose values have to be waited for: a coroutine with co_yield and co_await.
///
///   while (auto line = co_await lines.next()) use(*line);
///
/// Each step runs in the scope (deadline, cancel, values) of the task that asks for it.
/// Lifetime: neither moved nor destroyed while a next() is under way. The destructor destroys the frame where
/// it is suspended; a generator whose clean-up must wait takes its resource as a parameter, and the resource
/// is opened through `with`. Cancel:   a canceled next() destroys the generator; later calls give nothing.
/// Threads:  one loop, one consumer at a time.
template <class T>
class [[nodiscard]] async_generator {
  public:
    using promise_type = detail::async_generator_promise<T>;

    async_generator(async_generator&& other) noexcept
        : promise_(std::exchange(other.unused().promise_, nullptr)) {}
    async_generator& operator=(async_generator&& other) noexcept {
        if (this != &other) {
            unused().drop();
            promise_ = std::exchange(other.unused().promise_, nullptr);
        }
        return *this;
    }
    ~async_generator() { unused().drop(); }

    /// The next value, or nothing at the end. Throws what the generator throws; it has then ended.
    auto next() { return detail::next_operation<T>(*this); }

  private:
    friend promise_type;
    friend detail::next_operation<T>;
    explicit async_generator(promise_type& promise) noexcept : promise_(&promise) {}

    /// For what must not happen under a task that waits: it would wait for ever.
    async_generator& unused() noexcept {
        assert(running_ == nullptr && "an async_generator was moved or destroyed while a task awaits next()");
        if (running_ != nullptr) std::exchange(running_, nullptr)->source_ = nullptr;
        return *this;
    }

    void drop() noexcept {
        if (promise_ == nullptr) return;
        promise_->waiter_ = nullptr;
        std::exchange(promise_, nullptr)->destroy();
    }

    detail::promise_base* promise_;
    detail::next_operation<T>* running_ = nullptr;
};

namespace detail {
template <class T>
async_generator<T> async_generator_promise<T>::get_return_object() noexcept {
    static_assert(alignof(async_generator_promise) == alignof(promise_base));
    return async_generator<T>(*this);
}
}  // namespace detail

}  // namespace simul
