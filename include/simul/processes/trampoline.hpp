#pragma once

#include <string>
#include <string_view>

/// What the typed and the untyped half of a call to a worker have in common.
namespace simul::detail {

using any_function = void (*)();

/// Runs in the worker: decodes `arguments`, calls `function` (or what its own type names), appends the
/// result.
using trampoline = void (*)(any_function function, std::string_view arguments, std::string& result);

/// Sets the exit status of a worker whose call is its last. In a trampoline only.
void set_worker_exit_code(int code) noexcept;

}  // namespace simul::detail
