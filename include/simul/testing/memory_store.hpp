#pragma once

#include <simul/jobs/store.hpp>

#include <memory>

namespace simul::testing {

/// Jobs in memory: for tests of programs that use a queue. It passes the same contract suite as the real
/// stores, and its clock can be moved with store_options::clock_shift.
///
/// sibling() gives another door to the same jobs, also for other threads.
std::unique_ptr<job_store> make_memory_store(store_options options = {});

}  // namespace simul::testing
