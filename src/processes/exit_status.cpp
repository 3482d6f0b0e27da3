#include <simul/processes/exit_status.hpp>

#include <fmt/format.h>

#include <cstring>

namespace simul {

std::string signal_name(int number) {
    const char* name = ::sigabbrev_np(number);
    return name == nullptr ? fmt::format("signal {}", number) : fmt::format("SIG{}", name);
}

std::string to_string(const exit_status& status) {
    if (auto code = status.code()) return fmt::format("exited with status {}", *code);
    const int number = *status.signal();
    const char* description = ::sigdescr_np(number);
    return fmt::format("killed by {} ({}{})", signal_name(number), description == nullptr ? "" : description,
                       status.core_dumped() ? ", core dumped" : "");
}

}  // namespace simul
