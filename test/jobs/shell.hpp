#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace simul::testing {

struct ended {
    int status = 0;
    std::string output;  // both streams
};

/// The command `simul` at a shell in a new folder, with a store of its own there.
class shell {
  public:
    shell() {
        std::string name = (std::filesystem::temp_directory_path() / "simul-cli-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
        const std::filesystem::path tests = std::filesystem::read_symlink("/proc/self/exe").parent_path();
        program_ = (tests.parent_path() / "apps" / "simul").string();
        modules_ = tests / "jobs";
        REQUIRE_MESSAGE(std::filesystem::exists(program_), program_, " is not built");
    }
    ~shell() {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    const std::filesystem::path& folder() const { return folder_; }
    std::string store() const { return "sqlite://" + (folder_ / "jobs.db").string(); }
    const std::string& program() const { return program_; }
    /// One of test/jobs/modules.
    std::string module(const std::string& name) const { return (modules_ / (name + ".so")).string(); }

    /// `words` are given to /bin/sh behind the program's name, and `before` in front of it.
    ended run(const std::string& words, const std::string& store_url = {},
              const std::string& before = {}) const {
        // 124 is the status of a program that hangs.
        std::string command =
            fmt::format("cd '{}' && export SIMUL_STORE='{}'; {} timeout -k 5 100 '{}' {} 2>&1",
                        folder_.string(), store_url.empty() ? store() : store_url, before, program_, words);
        FILE* pipe = ::popen(command.c_str(), "r");
        REQUIRE(pipe != nullptr);
        ended e;
        std::array<char, 4096> chunk;
        while (std::size_t n = std::fread(chunk.data(), 1, chunk.size(), pipe))
            e.output.append(chunk.data(), n);
        int status = ::pclose(pipe);
        e.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        return e;
    }

  private:
    std::filesystem::path folder_;
    std::filesystem::path modules_;
    std::string program_;
};

}  // namespace simul::testing
