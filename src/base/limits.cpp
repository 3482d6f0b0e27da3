#include <simul/base/limits.hpp>

#include <fmt/format.h>

#include <simul/base/error.hpp>
#include <system_error>

namespace simul {

void throw_limit_exceeded(std::string_view subject, std::string_view option, std::uint64_t limit) {
    throw std::system_error(errc::limit_exceeded,
                            fmt::format("{}: more than {} (option {})", subject, limit, option));
}

}  // namespace simul
