#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <simul/base/time.hpp>
#include <simul/core/intrusive_list.hpp>
#include <simul/core/scheduler.hpp>

/// Cancellation: a tree of scopes.
///
/// Theory. Every task runs in a scope. `all`, `race`, `timeout`, `with_group` and the like open one for their
/// children, below the scope of the caller. Cancelling a scope cancels everything below it, except what is
/// shielded.
///
/// It is level-triggered: a canceled scope stays canceled until it is left, and every leaf operation (sleep,
/// receive, lock ...) looks before it acts, so nothing can miss it. It is delivered as a third way of
/// completing, beside value and exception: the frames that wait are destroyed from the leaf upwards until the
/// operation that opened the scope. So in a canceled task
///   * destructors run, `catch` blocks do not, std::uncaught_exceptions() is 0 (a "commit on success" guard
///   that asks
///     it would commit: ask this_task::canceled() instead);
///   * clean-up that must wait is written with `finally` or `with`, which run it shielded, within a time
///   budget;
///   * an operation that had completed before the cancel came keeps its result.
///
/// Invariants:
///   1. canceled() of a scope is true if it was canceled itself, or if it is not shielded and its parent is
///   canceled.
///   2. A leaf is in `leaves` of its scope from its suspension until it is resumed or its frame is destroyed.
///   3. A scope is closed (out of its parent's list) only when no leaf and no child scope is left in it.
/// The meaning is trio's; the mechanism is that of std::execution's set_stopped.
namespace simul {

/// Why a scope was canceled.
struct cancel_reason {
    enum class kind : std::uint8_t {
        none,
        requested,       ///< somebody called cancel()
        deadline,        ///< its time was up
        sibling_failed,  ///< another child of the same group threw
        race_lost,       ///< another contender was first
        signal,          ///< run_main got SIGINT or SIGTERM
        deadlock,        ///< nothing could have woken it
        shutdown         ///< its loop is being destroyed
    };
    kind why = kind::none;
    std::string text;  ///< what the canceller said; may be empty
};

/// "deadline", "another task of its group failed: ..." : for messages.
std::string to_string(const cancel_reason& reason);

namespace detail {

class leaf;
struct scope_tag;
struct leaf_tag;
struct context_entry;

class scope : public list_node<scope_tag> {
  public:
    scope() = default;
    ~scope() { close(); }

    /// Makes this a child of `parent`: deadline, values and scheduler are inherited, a cancel too unless
    /// `shielded`.
    void open(scope& parent, bool shielded = false) noexcept;
    void open_root(scheduler& on) noexcept { on_ = &on; }
    void close() noexcept { unlink(); }

    void cancel(cancel_reason reason) noexcept;
    /// Cancels even through shields: for a loop that cannot go on.
    void cancel_everything(cancel_reason reason) noexcept;

    bool canceled() const noexcept { return canceled_; }
    /// Canceled itself, not only through its parent.
    bool cancel_requested() const noexcept { return requested_; }
    /// Canceled from outside: the cancel has to travel on when this scope is left.
    bool parent_canceled() const noexcept { return !shielded_ && parent_ != nullptr && parent_->canceled_; }
    /// Of the scope that was canceled itself, nearest first.
    const cancel_reason& reason() const noexcept;

    scheduler& on() const noexcept { return *on_; }
    scope* parent() const noexcept { return parent_; }

    clock::time_point deadline() const noexcept { return deadline_; }
    void set_deadline(clock::time_point at) noexcept {
        if (at < deadline_) deadline_ = at;
    }
    void replace_deadline(clock::time_point at) noexcept { deadline_ = at; }

    const context_entry* values() const noexcept { return values_; }
    void set_values(const context_entry* values) noexcept { values_ = values; }

    void add(leaf& waiting) noexcept;

    /// Calls `f(leaf&)` for each operation that waits in this scope or below. Not recursive, since scopes
    /// nest as deep as calls do.
    template <class F>
    void for_each_leaf(F&& f) {
        scope* at = this;
        while (at != nullptr) {
            at->leaves_.for_each(f);
            scope* below = at->children_.first();
            for (; below == nullptr && at != this; at = at->parent_)
                below = at->parent_->children_.after(*at);
            at = below;
        }
    }

  private:
    void spread(bool through_shields) noexcept;

    scheduler* on_ = nullptr;
    scope* parent_ = nullptr;
    intrusive_list<leaf, leaf_tag> leaves_;
    intrusive_list<scope, scope_tag> children_;
    clock::time_point deadline_ = clock::time_point::max();
    const context_entry* values_ = nullptr;
    cancel_reason reason_;
    bool requested_ = false;
    bool canceled_ = false;
    bool shielded_ = false;
};

}  // namespace detail

/// A scope that code can cancel: what `with_scope` gives to its body.
///
/// Lifetime: valid until with_scope returns. Threads: only on its loop; from elsewhere post to the loop.
class cancel_scope {
  public:
    explicit cancel_scope(detail::scope& scope) noexcept : scope_(&scope) {}

    /// Cancels everything that runs in this scope. Again: does nothing, the first reason stays.
    void cancel(std::string reason = {}) noexcept {
        scope_->cancel({cancel_reason::kind::requested, std::move(reason)});
    }
    bool canceled() const noexcept { return scope_->canceled(); }
    const cancel_reason& reason() const noexcept { return scope_->reason(); }
    clock::time_point deadline() const noexcept { return scope_->deadline(); }

  private:
    detail::scope* scope_;
};

}  // namespace simul
