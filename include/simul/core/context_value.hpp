#pragma once

#include <functional>
#include <utility>

#include <simul/core/boundary.hpp>
#include <simul/core/scheduler.hpp>

namespace simul {

namespace detail {
struct context_entry {
    const void* key;
    const void* value;
    const context_entry* outer;
};
const void* find_context(const void* key) noexcept;

template <class T, class V>
class [[nodiscard("await it: co_await value.with(...)")]] with_value_operation final
    : public single_child<T> {
  public:
    with_value_operation(const void* key, V value, child_frame<T> child)
        : single_child<T>(child.release()), value_(std::move(value)), entry_{key, &value_, nullptr} {}
    T await_resume() { return std::move(this->result_).value(); }

  private:
    void opened() noexcept override {
        entry_.outer = this->scope_.values();
        this->scope_.set_values(&entry_);
    }
    V value_;
    context_entry entry_;
};
}  // namespace detail

/// A value that travels down the tree of tasks (a request id, a logger), without being passed by hand.
///
/// Elsewhere: contextvars, trio.ContextVar, thread_local for tasks. Define one as a constant at namespace
/// scope: `inline constexpr context_value<std::string> request_id;`
template <class T>
class context_value {
  public:
    constexpr context_value() = default;
    context_value(const context_value&) = delete;

    /// The value that is set here, or null. Any function that a task calls may ask.
    const T* get() const noexcept { return static_cast<const T*>(detail::find_context(this)); }
    T get_or(T otherwise) const {
        const T* found = get();
        return found != nullptr ? *found : std::move(otherwise);
    }

    /// Runs `work` with the value set, for it and for everything it starts: `co_await request_id.with("7f",
    /// handle(r))`. Lifetime: the value lives until `work` is done.
    template <class A>
        requires awaitable<std::remove_cvref_t<A>>
    auto with(T value, A&& work) const {
        using R = await_result_t<std::remove_cvref_t<A>>;
        return detail::with_value_operation<R, T>(this, std::move(value),
                                                  detail::frame_of(std::forward<A>(work)));
    }

  private:
    char identity_ = 0;  // an empty constant could share its address with another one
};

}  // namespace simul
