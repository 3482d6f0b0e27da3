#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <simul/core/boundary.hpp>

namespace simul {
namespace detail {

/// A place in a tuple for a result: std::monostate where the work gives nothing.
template <class T>
using tuple_part = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T>
tuple_part<T> take_part(outcome<T>& result) {
    if constexpr (std::is_void_v<T>) {
        std::move(result).value();
        return {};
    } else {
        return std::move(result).value();
    }
}

template <class Self, class... T>
class tuple_children : public many_children {
  public:
    explicit tuple_children(child_frame<T>... frames) noexcept : slots_(std::move(frames)...) {}

    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise>) noexcept {
        static_assert(std::is_base_of_v<promise_base, Promise>, "await it in a simul::task");
        this->open();
        std::apply([this](auto&... slot) { (slot.start(*this), ...); }, slots_);
    }

  protected:
    std::tuple<child_slot<T>...> slots_;
};

template <class... T>
class [[nodiscard("await it: co_await all(...)")]] all_operation final
    : public tuple_children<all_operation<T...>, T...> {
  public:
    using all_operation::tuple_children::tuple_children;

    auto await_resume() {
        if (this->first_error_) std::rethrow_exception(this->first_error_);
        if constexpr ((std::is_void_v<T> && ...))
            return;
        else
            return std::apply(
                [](auto&... slot) { return std::tuple<tuple_part<T>...>{take_part<T>(slot.result())...}; },
                this->slots_);
    }

  private:
    void settled(child_slot_base& slot) noexcept override {
        std::apply(
            [&](auto&... each) {
                ((static_cast<child_slot_base*>(&each) == &slot && each.result().has_error()
                      ? this->fail(each.result().error())
                      : void()),
                 ...);
            },
            this->slots_);
        this->one_settled();
    }
    bool has_result() noexcept override {
        return this->first_error_ ||
               std::apply([](auto&... s) { return (s.result().has_value() && ...); }, this->slots_);
    }
};

template <class... T>
class [[nodiscard("await it: co_await all_settled(...)")]] all_settled_operation final
    : public tuple_children<all_settled_operation<T...>, T...> {
  public:
    using all_settled_operation::tuple_children::tuple_children;

    std::tuple<outcome<T>...> await_resume() {
        return std::apply(
            [](auto&... slot) { return std::tuple<outcome<T>...>{std::move(slot.result())...}; },
            this->slots_);
    }

  private:
    void settled(child_slot_base&) noexcept override { this->one_settled(); }
    bool has_result() noexcept override {
        return std::apply([](auto&... s) { return (!s.result().canceled() && ...); }, this->slots_);
    }
};

/// What a slot keeps of its element: the value, if the range makes it on the fly (iota, transform), so that a
/// task may take it by reference; nothing, if it lives in the range.
template <class Element>
using kept_element = std::conditional_t<std::is_reference_v<Element>, std::monostate, std::optional<Element>>;

template <class T, class Element>
class element_slot final : public child_slot<T> {
  public:
    template <class F, class Iterator>
    void call(F& f, Iterator& at) {
        if constexpr (std::is_reference_v<Element>)
            this->set(frame_of_call(f, static_cast<Element>(*at)));
        else
            this->set(frame_of_call(f, std::move(kept_.emplace(*at))));
    }

  private:
    [[no_unique_address]] kept_element<Element> kept_;
};

/// Children made by calling `f` with each element of a range, at most `limit` at a time.
template <class Range, class F>
class range_children : public many_children {
  protected:
    using iterator = std::ranges::iterator_t<Range>;
    using reference = std::ranges::range_reference_t<Range>;
    // Elements of a range that was given as an rvalue are ours to move from, unless it only refers to them.
    using element = std::conditional_t<!std::is_lvalue_reference_v<Range> && !std::ranges::view<Range> &&
                                           std::is_lvalue_reference_v<reference>,
                                       std::ranges::range_rvalue_reference_t<Range>, reference>;
    using argument = std::conditional_t<std::is_reference_v<element>, element, element&&>;
    template <class U>
    static U value_type_of(child_frame<U>);

  public:
    using T =
        decltype(value_type_of(frame_of_call(std::declval<std::decay_t<F>&>(), std::declval<argument>())));

  protected:
    using slot_type = element_slot<T, element>;

  public:
    range_children(Range&& range, F&& f, std::size_t limit)
        : range_(std::forward<Range>(range)), f_(std::forward<F>(f)), limit_(limit == 0 ? 1 : limit) {}

    bool await_ready() {
        size_ = static_cast<std::size_t>(std::ranges::distance(range_));
        return size_ == 0;
    }

    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise>) {
        static_assert(std::is_base_of_v<promise_base, Promise>, "await it in a simul::task");
        slots_ = std::make_unique<slot_type[]>(size_);
        at_ = std::ranges::begin(range_);
        this->open();
        this->running_count_ = 1;  // our own hold while we start
        while (next_ < size_ && next_ < limit_ && start_next()) {
        }
        this->one_settled();
    }

  protected:
    /// Starts one more; false if the function threw (which then is the error of the whole).
    bool start_next() noexcept {
        slot_type& slot = slots_[next_];
        try {
            this->on().current = &this->scope_;
            slot.call(f_, at_);
            ++at_;
        } catch (...) {
            this->fail(std::current_exception());
            return false;
        }
        ++next_;
        slot.start(*this);
        return true;
    }
    void settled(child_slot_base& slot) noexcept override {
        auto& done = static_cast<slot_type&>(slot);
        if (done.result().has_error()) this->fail(done.result().error());
        if (next_ < size_ && !this->scope_.canceled()) start_next();
        this->one_settled();
    }
    bool has_result() noexcept override {
        if (this->first_error_) return true;
        for (std::size_t i = 0; i < size_; ++i)
            if (!slots_[i].result().has_value()) return false;
        return true;
    }

    Range range_;
    std::decay_t<F> f_;
    std::unique_ptr<slot_type[]> slots_;
    iterator at_{};
    std::size_t size_ = 0;
    std::size_t next_ = 0;
    std::size_t limit_;
};

template <class Range, class F>
class [[nodiscard("await it: co_await all(range, f)")]] map_operation final
    : public range_children<Range, F> {
  public:
    using typename range_children<Range, F>::T;
    using map_operation::range_children::range_children;

    auto await_resume() {
        if (this->first_error_) std::rethrow_exception(this->first_error_);
        if constexpr (std::is_void_v<T>) {
            return;
        } else {
            static_assert(!std::is_reference_v<T>,
                          "let the function return a value or a pointer, not a reference");
            std::vector<T> results;
            results.reserve(this->size_);
            for (std::size_t i = 0; i < this->size_; ++i)
                results.push_back(std::move(this->slots_[i].result()).value());
            return results;
        }
    }
};

template <class Range, class F>
class [[nodiscard("await it: co_await all_settled(range, f)")]] map_settled_operation final
    : public range_children<Range, F> {
  public:
    using typename range_children<Range, F>::T;
    using map_settled_operation::range_children::range_children;

    std::vector<outcome<T>> await_resume() {
        if (this->first_error_) std::rethrow_exception(this->first_error_);  // the function itself threw
        std::vector<outcome<T>> results;
        results.reserve(this->size_);
        for (std::size_t i = 0; i < this->size_; ++i) results.push_back(std::move(this->slots_[i].result()));
        return results;
    }

  private:
    void settled(child_slot_base&) noexcept override {
        if (this->next_ < this->size_ && !this->scope_.canceled()) this->start_next();
        this->one_settled();
    }
    bool has_result() noexcept override {
        if (this->first_error_) return true;
        for (std::size_t i = 0; i < this->size_; ++i)
            if (this->slots_[i].result().canceled() || this->slots_[i].result().how() == completion::none)
                return false;
        return true;
    }
};

template <class Range>
concept range_of_tasks = is_task<std::ranges::range_value_t<Range>>::value;

inline constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

}  // namespace detail

/// Runs everything at once and waits for all; gives the results in the order written.
///
/// The result is a tuple (std::monostate where something gives nothing), or void if none gives anything.
/// Elsewhere it is called gather, when_all, Promise.all, try_join.
///
/// The first failure cancels the others; they are awaited, and then it is thrown. Errors that others threw
/// meanwhile are attached to it (attached_errors.hpp). Lifetime: tasks are kept until they are done; what
/// they refer to must live as long as the co_await. Cancel:   canceling the caller cancels all. If all had
/// completed nevertheless, their results are delivered. Threads:  everything runs on the loop of the caller,
/// concurrently, never in parallel.
template <class... A>
    requires(sizeof...(A) > 0 && (awaitable<std::remove_cvref_t<A>> && ...))
auto all(A&&... work) {
    return detail::all_operation<await_result_t<std::remove_cvref_t<A>>...>(
        detail::frame_of(std::forward<A>(work))...);
}

/// As all, but nothing is canceled and nothing thrown: every outcome is kept, in a tuple.
/// Elsewhere: gather(return_exceptions=True), allSettled.
template <class... A>
    requires(sizeof...(A) > 0 && (awaitable<std::remove_cvref_t<A>> && ...))
auto all_settled(A&&... work) {
    return detail::all_settled_operation<await_result_t<std::remove_cvref_t<A>>...>(
        detail::frame_of(std::forward<A>(work))...);
}

/// Calls `f` with each element of `range`, runs the tasks at most `limit` at a time, and gives a vector of
/// the results in the order of the range (void if f gives nothing).
///
/// A task is made only when its turn comes. Failure, cancel and threads: as in all.
/// Lifetime: `f` is kept until all is done, and so is a range given as an rvalue; one given by name is
/// referred to, and its elements too.
template <std::ranges::forward_range Range, class F>
    requires(!awaitable<std::remove_cvref_t<F>>)
auto map(Range&& range, F&& f, std::size_t limit) {
    return detail::map_operation<Range, F>(std::forward<Range>(range), std::forward<F>(f), limit);
}

/// Calls `f` with each element of `range` and runs all the tasks at once. See map.
template <std::ranges::forward_range Range, class F>
    requires(!awaitable<std::remove_cvref_t<F>> && !awaitable<std::remove_cvref_t<Range>>)
auto all(Range&& range, F&& f) {
    return detail::map_operation<Range, F>(std::forward<Range>(range), std::forward<F>(f), detail::no_limit);
}

/// As all(range, f), but every outcome is kept, in a vector.
template <std::ranges::forward_range Range, class F>
    requires(!awaitable<std::remove_cvref_t<F>> && !awaitable<std::remove_cvref_t<Range>>)
auto all_settled(Range&& range, F&& f) {
    return detail::map_settled_operation<Range, F>(std::forward<Range>(range), std::forward<F>(f),
                                                   detail::no_limit);
}

/// A container of tasks cannot be awaited: a task is started in the expression that makes it.
template <std::ranges::range Range>
    requires detail::range_of_tasks<std::remove_cvref_t<Range>>
void all(Range&&) {
    static_assert(
        !std::is_same_v<Range, Range>,
        "tasks cannot be collected first and awaited later: call all(range, f) or map(range, f, limit), "
        "where f makes the task of one element, or spawn them in a group (with_group)");
}

}  // namespace simul
