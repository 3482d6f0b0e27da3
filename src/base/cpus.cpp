#include <simul/base/cpus.hpp>

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace simul {
namespace {

// Enough for any machine of today; a larger mask makes sched_getaffinity fail, and the loop below doubles it.
constexpr int cpus_first_try = 1024;
constexpr int cpus_last_try = 1 << 20;

std::size_t cpus_of_affinity_mask() {
    for (int cpus = cpus_first_try; cpus <= cpus_last_try; cpus *= 2) {
        const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(cpus));
        std::vector<cpu_set_t> set((bytes + sizeof(cpu_set_t) - 1) / sizeof(cpu_set_t));
        if (::sched_getaffinity(0, bytes, set.data()) == 0)
            return static_cast<std::size_t>(CPU_COUNT_S(bytes, set.data()));
    }
    const long online = ::sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? static_cast<std::size_t>(online) : 1;
}

double smaller(double a, double b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

/// v2: "max 100000" or "150000 100000".
double quota_v2(const std::string& folder) {
    std::ifstream in(folder + "/cpu.max");
    double quota = 0;
    double period = 0;
    return in >> quota >> period && quota > 0 && period > 0 ? quota / period : 0;
}

/// v1: -1 is no quota.
double quota_v1(const std::string& folder) {
    std::ifstream quota_file(folder + "/cpu.cfs_quota_us");
    std::ifstream period_file(folder + "/cpu.cfs_period_us");
    double quota = 0;
    double period = 0;
    return quota_file >> quota && period_file >> period && quota > 0 && period > 0 ? quota / period : 0;
}

/// The smallest quota of `group` and of the groups above it. In a container the path that /proc shows may not
/// exist below the mount; then only the groups that do exist count, the mount itself among them.
double smallest_quota(const std::string& mount, std::string group, double (*quota_of)(const std::string&)) {
    double smallest = 0;
    for (;;) {
        while (!group.empty() && group.back() == '/') group.pop_back();
        smallest = smaller(smallest, quota_of(mount + group));
        if (group.empty()) return smallest;
        group.erase(group.rfind('/') == group.npos ? 0 : group.rfind('/'));
    }
}

bool names_cpu(const std::string& controllers) {
    std::istringstream in(controllers);
    for (std::string name; std::getline(in, name, ',');)
        if (name == "cpu") return true;
    return false;
}

}  // namespace

double detail::cgroup_cpu_quota(std::string_view cgroup_file, std::string_view mount) {
    const std::string root(mount);
    double quota = 0;
    std::istringstream lines{std::string(cgroup_file)};
    for (std::string line; std::getline(lines, line);) {
        // "0::/user.slice" (v2) or "4:cpu,cpuacct:/user.slice" (v1)
        const auto first = line.find(':');
        const auto second = first == line.npos ? line.npos : line.find(':', first + 1);
        if (second == line.npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const std::string group = line.substr(second + 1);
        if (controllers.empty()) {
            quota = smaller(quota, smallest_quota(root, group, &quota_v2));
        } else if (names_cpu(controllers)) {
            quota = smaller(quota, smallest_quota(root + "/" + controllers, group, &quota_v1));
            quota = smaller(quota, smallest_quota(root + "/cpu", group, &quota_v1));
        }
    }
    return quota;
}

std::size_t available_cpus() {
    std::size_t cpus = cpus_of_affinity_mask();
    std::ifstream in("/proc/self/cgroup");
    std::stringstream text;
    text << in.rdbuf();
    const double quota = detail::cgroup_cpu_quota(text.str(), "/sys/fs/cgroup");
    if (quota > 0) cpus = std::min(cpus, static_cast<std::size_t>(std::ceil(quota)));
    return std::max<std::size_t>(cpus, 1);
}

}  // namespace simul
