#pragma once

#include <string_view>

namespace simul::detail {

/// Asks the zygote to fork a worker that owns `channel`; the zygote reports on `status`. Both descriptors are
/// copied. Does not wait for the fork. The zygote is created if there is none, or none any more.
/// Throws: as zygote::start(); process_errc::zygote_died where it died and cannot be created again.
/// Threads: any.
void request_worker(std::string_view name, int channel, int status);

}  // namespace simul::detail
