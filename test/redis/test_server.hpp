#pragma once

#include <doctest/doctest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace simul::testing {

/// A Redis (or Valkey) server of the test's own: a Unix socket in a new folder, no port, nothing saved.
/// Set SIMUL_REDIS_SERVER to test with another program.
class redis_server {
  public:
    explicit redis_server(std::vector<std::string> more = {}) : more_(std::move(more)) {
        std::string name = (std::filesystem::temp_directory_path() / "simul-redis-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
        start();
    }
    ~redis_server() {
        stop(SIGKILL);
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    redis_server(const redis_server&) = delete;

    std::string socket() const { return folder_ + "/redis.sock"; }
    std::string url() const { return "unix://" + socket(); }
    const std::string& folder() const { return folder_; }

    void start() {
        const char* program = std::getenv("SIMUL_REDIS_SERVER");
        std::vector<std::string> words{program != nullptr ? program : "redis-server",
                                       "--port",
                                       "0",
                                       "--unixsocket",
                                       socket(),
                                       "--save",
                                       "",
                                       "--dir",
                                       folder_,
                                       "--appendonly",
                                       "no",
                                       "--logfile",
                                       folder_ + "/log"};
        words.insert(words.end(), more_.begin(), more_.end());
        std::vector<char*> argv;
        for (std::string& w : words) argv.push_back(w.data());
        argv.push_back(nullptr);
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            ::execvp(argv[0], argv.data());
            ::_exit(127);
        }
        // There is no other signal of readiness than that it accepts.
        for (int i = 0; i < 2000; ++i) {
            if (accepts()) return;
            int status = 0;
            if (::waitpid(pid_, &status, WNOHANG) == pid_) {
                pid_ = -1;
                break;
            }
            ::usleep(5'000);
        }
        FAIL("the test's Redis server did not start; is redis-server installed?");
    }
    void stop(int signal = SIGKILL) {
        if (pid_ <= 0) return;
        ::kill(pid_, signal);
        if (signal == SIGKILL || signal == SIGTERM) {
            ::waitpid(pid_, nullptr, 0);
            pid_ = -1;
            ::unlink(socket().c_str());
        }
    }
    void pause() { ::kill(pid_, SIGSTOP); }
    void go_on() { ::kill(pid_, SIGCONT); }

  private:
    bool accepts() const {
        int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un to{};
        to.sun_family = AF_UNIX;
        std::strncpy(to.sun_path, socket().c_str(), sizeof to.sun_path - 1);
        bool ok = ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
        ::close(fd);
        return ok;
    }

    std::vector<std::string> more_;
    std::string folder_;
    pid_t pid_ = -1;
};

}  // namespace simul::testing
