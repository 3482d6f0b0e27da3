#pragma once

#include <cstddef>
#include <memory>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <simul/core/all.hpp>
#include <simul/core/boundary.hpp>

namespace simul {

/// Who won a race of equals, and with what.
template <class T>
struct winner {
    std::size_t index;
    T value;
};

namespace detail {

inline constexpr std::size_t nobody = static_cast<std::size_t>(-1);

template <class First, class... Rest>
inline constexpr bool all_same = (std::is_same_v<First, Rest> && ...);

template <class... T>
class [[nodiscard("await it: co_await race(...)")]] race_operation final
    : public tuple_children<race_operation<T...>, T...> {
  public:
    using race_operation::tuple_children::tuple_children;

    auto await_resume() { return result(std::index_sequence_for<T...>{}); }

  private:
    template <std::size_t... I>
    auto result(std::index_sequence<I...>) {
        if (this->first_error_) std::rethrow_exception(this->first_error_);
        if constexpr ((std::is_void_v<T> && ...)) {
            return winner_;
        } else if constexpr (all_same<T...>) {
            using V = std::tuple_element_t<0, std::tuple<T...>>;
            outcome<V>* won = nullptr;
            ((winner_ == I ? void(won = &std::get<I>(this->slots_).result()) : void()), ...);
            return winner<V>{winner_, std::move(*won).value()};
        } else {
            using V = std::variant<tuple_part<T>...>;
            V (*const take[])(race_operation&) = {[](race_operation& self) {
                return V(std::in_place_index<I>, take_part<T>(std::get<I>(self.slots_).result()));
            }...};
            return take[winner_](*this);
        }
    }

    void settled(child_slot_base& slot) noexcept override { settle(slot, std::index_sequence_for<T...>{}); }

    template <std::size_t... I>
    void settle(child_slot_base& slot, std::index_sequence<I...>) noexcept {
        (settle_one(slot, std::get<I>(this->slots_), I), ...);
        this->one_settled();
    }
    template <class V>
    void settle_one(child_slot_base& slot, child_slot<V>& candidate, std::size_t index) noexcept {
        if (&slot != static_cast<child_slot_base*>(&candidate) || candidate.result().canceled()) return;
        if (winner_ != nobody) {
            if (candidate.result().has_error())
                this->on().report(candidate.result().error(), "a race's loser failed");
            return;
        }
        winner_ = index;
        if (candidate.result().has_error()) this->first_error_ = candidate.result().error();
        this->scope_.cancel({cancel_reason::kind::race_lost, {}});
    }
    bool has_result() noexcept override { return winner_ != nobody; }

    std::size_t winner_ = nobody;
};

template <class Range, class F>
class [[nodiscard("await it: co_await race(range, f)")]] race_range_operation final
    : public range_children<Range, F> {
  public:
    using typename range_children<Range, F>::T;
    using race_range_operation::range_children::range_children;

    bool await_ready() {
        if (range_children<Range, F>::await_ready())
            throw std::system_error(make_error_code(errc::wrong_state),
                                    "race: the range is empty, so nobody can win");
        return false;
    }

    auto await_resume() {
        if (this->first_error_) std::rethrow_exception(this->first_error_);
        if constexpr (std::is_void_v<T>)
            return winner_;
        else
            return winner<T>{winner_, std::move(this->slots_[winner_].result()).value()};
    }

  private:
    void settled(child_slot_base& slot) noexcept override {
        auto& done = static_cast<typename race_range_operation::slot_type&>(slot);
        if (!done.result().canceled()) {
            if (winner_ == nobody && !this->first_error_) {
                winner_ = static_cast<std::size_t>(&done - this->slots_.get());
                if (done.result().has_error()) this->first_error_ = done.result().error();
                this->scope_.cancel({cancel_reason::kind::race_lost, {}});
            } else if (done.result().has_error()) {
                this->on().report(done.result().error(), "a race's loser failed");
            }
        }
        this->one_settled();
    }
    bool has_result() noexcept override { return winner_ != nobody || this->first_error_; }

    std::size_t winner_ = nobody;
};

}  // namespace detail

/// Runs everything at once; the first to complete wins, with its value or its error. The others are canceled
/// and awaited before race returns.
///
/// Gives: the index of the winner if nothing gives a value; winner<T>{index, value} if all give a T; else a
/// std::variant whose index() tells the winner (std::monostate where something gives nothing).
/// A loser's late value is dropped, its late error reported to the loop's error hook.
/// Elsewhere: Promise.race, select!, when_any, asyncio.wait(FIRST_COMPLETED).
/// Cancel:   canceling the caller cancels all.
template <class... A>
    requires(sizeof...(A) > 0 && (awaitable<std::remove_cvref_t<A>> && ...))
auto race(A&&... work) {
    return detail::race_operation<await_result_t<std::remove_cvref_t<A>>...>(
        detail::frame_of(std::forward<A>(work))...);
}

/// The same for `f` called with each element of `range`. An empty range throws errc::wrong_state.
template <std::ranges::forward_range Range, class F>
    requires(!awaitable<std::remove_cvref_t<F>> && !awaitable<std::remove_cvref_t<Range>>)
auto race(Range&& range, F&& f) {
    return detail::race_range_operation<Range, F>(std::forward<Range>(range), std::forward<F>(f),
                                                  detail::no_limit);
}

}  // namespace simul
