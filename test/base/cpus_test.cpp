#include <simul/base/cpus.hpp>

#include <doctest/doctest.h>
#include <sched.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

using namespace simul;
namespace fs = std::filesystem;

namespace {

struct fake_cgroups {
    fs::path root;
    fake_cgroups() {
        std::string name = (fs::temp_directory_path() / "simul-cgroup-XXXXXX").string();
        root = ::mkdtemp(name.data());
    }
    ~fake_cgroups() {
        std::error_code ignored;
        fs::remove_all(root, ignored);
    }
    void write(const char* path, const char* text) const {
        fs::create_directories((root / path).parent_path());
        std::ofstream(root / path) << text;
    }
    double quota(const char* cgroup_file) const {
        return detail::cgroup_cpu_quota(cgroup_file, root.string());
    }
};

}  // namespace

TEST_CASE("the quota of a cgroup v2 is its cpu.max") {
    fake_cgroups groups;
    groups.write("app/cpu.max", "150000 100000\n");
    CHECK(groups.quota("0::/app\n") == 1.5);
}

TEST_CASE("the smallest quota on the way up counts") {
    fake_cgroups groups;
    groups.write("a/cpu.max", "200000 100000\n");
    groups.write("a/b/cpu.max", "max 100000\n");
    groups.write("a/b/c/cpu.max", "400000 100000\n");
    CHECK(groups.quota("0::/a/b/c\n") == 2);
}

TEST_CASE("no quota anywhere is no quota") {
    fake_cgroups groups;
    groups.write("a/cpu.max", "max 100000\n");
    CHECK(groups.quota("0::/a\n") == 0);
    CHECK(groups.quota("0::/not/there\n") == 0);
    CHECK(groups.quota("") == 0);
    CHECK(groups.quota("no colons here\n") == 0);
}

TEST_CASE("in a container the quota stands at the mount, whatever path /proc shows") {
    fake_cgroups groups;
    groups.write("cpu.max", "50000 100000\n");
    CHECK(groups.quota("0::/../../outer/group\n") == 0.5);
    CHECK(groups.quota("0::/\n") == 0.5);
}

TEST_CASE("the quota of a cgroup v1 is quota by period of the cpu controller") {
    fake_cgroups groups;
    groups.write("cpu,cpuacct/app/cpu.cfs_quota_us", "300000\n");
    groups.write("cpu,cpuacct/app/cpu.cfs_period_us", "100000\n");
    groups.write("memory/app/cpu.cfs_quota_us", "100000\n");
    groups.write("memory/app/cpu.cfs_period_us", "100000\n");
    CHECK(groups.quota("5:memory:/app\n4:cpu,cpuacct:/app\n") == 3);
    groups.write("cpu,cpuacct/app/cpu.cfs_quota_us", "-1\n");
    CHECK(groups.quota("4:cpu,cpuacct:/app\n") == 0);
}

TEST_CASE("available CPUs follow the affinity mask") {
    cpu_set_t before;
    REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
    CHECK(available_cpus() >= 1);
    CHECK(available_cpus() <= static_cast<std::size_t>(CPU_COUNT(&before)));
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &before)) {
            CPU_SET(cpu, &one);
            break;
        }
    }
    REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(available_cpus() == 1);
    REQUIRE(::sched_setaffinity(0, sizeof before, &before) == 0);
}
