// What a module says of itself that uses another copy of simul than the program that loads it.
#include <simul/jobs/module.hpp>

namespace {
const int somewhere_else = 0;
}

extern "C" const simul::module_entry simul_module_entry;
extern "C" const simul::module_entry simul_module_entry = {simul::module_magic, sizeof(simul::module_entry),
                                                           SIMUL_VERSION,       SIMUL_COMPILER,
                                                           &somewhere_else,     [](simul::worker&) {}};
