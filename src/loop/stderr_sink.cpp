#include "loop/stderr_sink.hpp"

#include <cstdio>
#include <exception>
#include <string>

#include <fmt/format.h>

namespace simul::detail {

void write_to_stderr(log_level level, std::string_view message) noexcept {
    try {
        const std::string line = fmt::format("simul: {}: {}\n", to_string(level), message);
        std::fwrite(line.data(), 1, line.size(), stderr);
    } catch (const std::exception&) {
        std::fputs("simul: error: no memory is left to say more\n", stderr);
    }
}

}  // namespace simul::detail
