#include <simul/core/call_context.hpp>

#include <algorithm>
#include <utility>

#include <simul/base/error.hpp>
#include <simul/core/cancel_scope.hpp>
#include <simul/core/scheduler.hpp>

namespace simul {
namespace {

// Reached only through functions of this file: a coroutine that is inlined around it could keep the address
// of another thread's variable over a suspension.
thread_local call_context current;

}  // namespace

duration call_context::time_left() const noexcept {
    if (deadline_ == time_point::max()) return duration::max();
    const time_point now = clock::now();
    return now >= deadline_ ? duration::zero() : deadline_ - now;
}

bool call_context::canceled() const noexcept {
    if (scope_ != nullptr && scope_->canceled()) return true;
    return (cancel_requested_ != nullptr && cancel_requested_->load(std::memory_order_relaxed)) ||
           time_left() == duration::zero();
}

void call_context::throw_if_canceled() const {
    if (canceled())
        throw canceled_error(time_left() == duration::zero() ? "the deadline of the call has passed" : "");
}

namespace {

detail::scope* task_scope() noexcept {
    const detail::scheduler* on = detail::current_scheduler();
    return on == nullptr ? nullptr : on->current;
}

}  // namespace

// A loop may run inside of a call (a coroutine in a worker process), so both count.
call_context here() noexcept {
    call_context context = current;
    if (const detail::scope* scope = task_scope()) {
        context.scope_ = scope;
        context.deadline_ = std::min(context.deadline_, scope->deadline());
    }
    return context;
}

void detail::inherit_call_deadline() noexcept {
    if (detail::scope* scope = task_scope())
        scope->set_deadline(current.deadline().value_or(time_point::max()));
}

detail::call_context_scope::call_context_scope(const call_context& context) noexcept
    : before_(std::exchange(current, context)) {}

detail::call_context_scope::~call_context_scope() { current = before_; }

}  // namespace simul
