#pragma once

/// The version of simul that a program is compiled with. CMake reads it here too.
#define SIMUL_VERSION "0.1.0"
