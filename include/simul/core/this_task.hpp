#pragma once

#include <simul/core/cancel_scope.hpp>
#include <simul/core/scheduler.hpp>

/// What running code can ask about the task it runs in. Ordinary functions that a task calls may ask too.
namespace simul::this_task {

/// True in a canceled scope, and in destructors that run because their task was canceled. False outside of a
/// loop.
inline bool canceled() noexcept {
    detail::scheduler* on = detail::current_scheduler();
    if (on == nullptr) return false;
    if (on->unwinding != nullptr) return true;
    return on->current != nullptr && on->current->canceled();
}

/// Why, if canceled().
inline cancel_reason reason() {
    detail::scheduler* on = detail::current_scheduler();
    if (on == nullptr || on->current == nullptr || !on->current->canceled()) return {};
    return on->current->reason();
}

/// When the innermost time limit ends; time_point::max() if there is none.
inline clock::time_point deadline() noexcept {
    detail::scheduler* on = detail::current_scheduler();
    return on == nullptr || on->current == nullptr ? clock::time_point::max() : on->current->deadline();
}

}  // namespace simul::this_task
