#include <simul/core/cancel_scope.hpp>
#include <simul/core/leaf.hpp>
#include <simul/core/promise_base.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace simul {

std::string to_string(const cancel_reason& reason) {
    std::string text;
    switch (reason.why) {
        case cancel_reason::kind::none:
            text = "not canceled";
            break;
        case cancel_reason::kind::requested:
            text = "canceled";
            break;
        case cancel_reason::kind::deadline:
            text = "its time was up";
            break;
        case cancel_reason::kind::sibling_failed:
            text = "another task of its group failed";
            break;
        case cancel_reason::kind::race_lost:
            text = "another one was first";
            break;
        case cancel_reason::kind::signal:
            text = "a signal asked the program to end";
            break;
        case cancel_reason::kind::deadlock:
            text = "nothing could have woken it";
            break;
        case cancel_reason::kind::shutdown:
            text = "its loop was shut down";
            break;
    }
    if (!reason.text.empty()) text += ": " + reason.text;
    return text;
}

namespace detail {

void scope::open(scope& parent, bool shielded) noexcept {
    on_ = parent.on_;
    parent_ = &parent;
    shielded_ = shielded;
    values_ = parent.values_;
    if (!shielded) {
        deadline_ = std::min(deadline_, parent.deadline_);
        canceled_ = canceled_ || parent.canceled_;  // it may have been canceled before it was opened
    }
    parent.children_.push_back(*this);
}

const cancel_reason& scope::reason() const noexcept {
    const scope* at = this;
    while (!at->requested_ && at->parent_canceled()) at = at->parent_;
    return at->reason_;
}

void scope::add(leaf& waiting) noexcept { leaves_.push_back(waiting); }

void scope::cancel(cancel_reason reason) noexcept {
    if (requested_) return;
    requested_ = true;
    reason_ = std::move(reason);
    if (!canceled_) spread(false);
}

void scope::cancel_everything(cancel_reason reason) noexcept {
    if (!requested_) {
        requested_ = true;
        reason_ = std::move(reason);
    }
    spread(true);
}

// Walks the tree below without recursion, since scopes nest as deep as calls do. on_cancel() only posts, so
// neither list changes under the walk.
void scope::spread(bool through_shields) noexcept {
    scope* at = this;
    for (;;) {
        at->canceled_ = true;
        at->leaves_.for_each([](leaf& waiting) { waiting.scope_canceled(); });
        auto enters = [&](scope* child) {
            while (child != nullptr && (through_shields ? false : child->canceled_ || child->shielded_))
                child = child->parent_->children_.after(*child);
            return child;
        };
        scope* below = enters(at->children_.first());
        while (below == nullptr) {
            if (at == this) return;
            below = enters(at->parent_->children_.after(*at));
            at = at->parent_;
        }
        at = below;
    }
}

// --- promises
// -------------------------------------------------------------------------------------------------------

std::coroutine_handle<> waiter::child_done(promise_base&) noexcept { return continuation; }

std::exception_ptr promise_base::escaping() const noexcept {
    if (scope_ != nullptr && scope_->on().unwinding != nullptr) std::terminate();
    return std::current_exception();
}

void unwind(promise_base* stopped) noexcept {
    while (stopped != nullptr) {
        scheduler& on = stopped->scope_->on();
        on.current = on.unwinding = stopped->scope_;
        waiter* waits = stopped->waiter_;
        stopped = waits->child_stopped(*stopped);
        on.unwinding = nullptr;
    }
}

void leaf::run() noexcept {
    list_node<leaf_tag>::unlink();
    posted_ = false;
    on().current = &my_scope();
    if (stopped_)
        unwind(awaiting_);
    else
        awaiting_->handle().resume();
}

std::string async_stack(const promise_base* innermost, const char* indent) {
    constexpr int depth_max = 32;
    std::string text;
    int depth = 0;
    for (const promise_base* at = innermost; at != nullptr;
         at = at->waiter_ ? at->waiter_->parent : nullptr) {
        if (++depth > depth_max) {
            text += fmt::format("{}...\n", indent);
            break;
        }
        std::string_view file = at->where_.file_name();
        if (auto slash = file.rfind('/'); slash != file.npos) file.remove_prefix(slash + 1);
        if (at->where_.line() == 0) continue;
        text +=
            fmt::format("{}in {} at {}:{}\n", indent, at->where_.function_name(), file, at->where_.line());
    }
    return text;
}

}  // namespace detail
}  // namespace simul
