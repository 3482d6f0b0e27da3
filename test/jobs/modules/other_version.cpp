// What a module of an older simul says of itself.
#include <simul/jobs/module.hpp>

extern "C" const simul::module_entry simul_module_entry;
extern "C" const simul::module_entry simul_module_entry = {
    simul::module_magic,
    sizeof(simul::module_entry),
    "0.0.1",
    SIMUL_COMPILER,
    reinterpret_cast<const void*>(&simul::job_category),
    [](simul::worker&) {}};
