#include <simul/core/cancel_scope.hpp>
#include <simul/core/context_value.hpp>

namespace simul::detail {

const void* find_context(const void* key) noexcept {
    const scheduler* on = current_scheduler();
    if (on == nullptr) return nullptr;
    const scope* in = on->unwinding != nullptr ? on->unwinding : on->current;
    if (in == nullptr) return nullptr;
    for (const context_entry* at = in->values(); at != nullptr; at = at->outer)
        if (at->key == key) return at->value;
    return nullptr;
}

}  // namespace simul::detail
