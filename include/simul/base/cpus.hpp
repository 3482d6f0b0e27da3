#pragma once

#include <cstddef>
#include <string_view>

namespace simul {

/// How many CPUs this process may use: the affinity mask, and the CPU quota of its cgroup (v1 or v2) and of
/// those above it, rounded up. At least 1. This, and not the number of cores, is the default size of pools.
///
/// Reads /proc and /sys on each call (tens of microseconds).
std::size_t available_cpus();

namespace detail {

/// The quota of the cgroups in CPUs, 0 if there is none. `cgroup_file` has the form of /proc/self/cgroup,
/// `mount` is where the hierarchy is mounted (/sys/fs/cgroup).
double cgroup_cpu_quota(std::string_view cgroup_file, std::string_view mount);

}  // namespace detail

}  // namespace simul
