// Calls something of simul that this version does not have.
#include <simul/jobs/module.hpp>

namespace simul {
void of_another_version();
}

namespace {
void add_handlers(simul::worker&) { simul::of_another_version(); }
}  // namespace

SIMUL_MODULE(add_handlers)
