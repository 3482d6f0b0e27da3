#pragma once

/// The version of simul that a program is compiled with; the same as the CMake project's.
#define SIMUL_VERSION "0.1.0"
