#pragma once

#include <string_view>

namespace simul::detail {

/// Asks the zygote, which is created if there is none, to fork a worker that owns `channel`; the zygote
/// reports on `status`. Both descriptors are copied. Does not wait for the fork. Throws: as zygote::start();
/// process_errc::zygote_died. Threads: any.
void request_worker(std::string_view name, int channel, int status);

}  // namespace simul::detail
