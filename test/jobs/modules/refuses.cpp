// A module whose own set-up fails.
#include <simul/jobs/module.hpp>

#include <stdexcept>

namespace {
void add_handlers(simul::worker&) { throw std::runtime_error("/etc/myjobs.conf: no such file"); }
}  // namespace

SIMUL_MODULE(add_handlers)
