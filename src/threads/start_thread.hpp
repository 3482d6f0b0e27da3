#pragma once

#include <functional>
#include <string>
#include <thread>

namespace simul::detail {

/// Starts a thread called `name` (the system shows 15 bytes), to which no signal of the program is delivered:
/// they are for its own threads. Throws std::system_error.
std::thread start_thread(std::string name, std::function<void()> body);

}  // namespace simul::detail
