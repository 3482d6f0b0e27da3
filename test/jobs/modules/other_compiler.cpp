// What a module of another compiler says of itself.
#include <simul/jobs/module.hpp>

extern "C" const simul::module_entry simul_module_entry;
extern "C" const simul::module_entry simul_module_entry = {
    simul::module_magic,
    sizeof(simul::module_entry),
    SIMUL_VERSION,
    "cfront 3",
    reinterpret_cast<const void*>(&simul::job_category),
    [](simul::worker&) {}};
