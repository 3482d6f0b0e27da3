#pragma once

#include <sys/types.h>

#include <string_view>

namespace simul::detail {

/// write() to a pipe whose reader may be gone: gives EPIPE and no SIGPIPE, whatever the program does about
/// that signal.
ssize_t write_without_sigpipe(int fd, std::string_view data) noexcept;

}  // namespace simul::detail
