#pragma once

#include "redis/test_server.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>

namespace simul::testing {

/// A primary, a replica that has caught up, and a sentinel that knows both and watches them as "mymaster".
class watched_servers {
  public:
    watched_servers()
        : primary(redis_server::on_tcp()),
          replica(redis_server::on_tcp({"--replicaof", "127.0.0.1", std::to_string(primary.port()),
                                        "--repl-diskless-sync-delay", "0"})) {
        wait_for("the replica", primary.port(), "INFO replication", "state=online");
        start_sentinel();
        wait_for("the sentinel", sentinel_port, "SENTINEL replicas mymaster", std::to_string(replica.port()));
    }
    ~watched_servers() {
        if (sentinel_ <= 0) return;
        ::kill(sentinel_, SIGKILL);
        ::waitpid(sentinel_, nullptr, 0);
    }
    watched_servers(const watched_servers&) = delete;
    watched_servers& operator=(const watched_servers&) = delete;

    /// Waits until the sentinel names the replica as the primary.
    void wait_for_failover() {
        wait_for("the failover", sentinel_port, "SENTINEL get-master-addr-by-name mymaster",
                 std::to_string(replica.port()));
    }

    redis_server primary;
    redis_server replica;
    std::uint16_t sentinel_port = 0;

  private:
    void start_sentinel() {
        for (int attempt = 0; attempt < 10; ++attempt) {
            sentinel_port = redis_server::free_port();
            const std::string file =
                primary.write("sentinel.conf",
                              fmt::format("port {}\nbind 127.0.0.1\ndir {}\nlogfile {}/sentinel.log\n"
                                          "sentinel monitor mymaster 127.0.0.1 {} 1\n"
                                          "sentinel down-after-milliseconds mymaster 500\n"
                                          "sentinel failover-timeout mymaster 3000\n",
                                          sentinel_port, primary.folder(), primary.folder(), primary.port()));
            const char* chosen = std::getenv("SIMUL_REDIS_SERVER");
            const std::string program = chosen != nullptr ? chosen : "redis-server";
            sentinel_ = ::fork();
            REQUIRE(sentinel_ >= 0);
            if (sentinel_ == 0) {
                ::execlp(program.c_str(), program.c_str(), file.c_str(), "--sentinel", nullptr);
                ::_exit(127);
            }
            for (int i = 0; i < 2000; ++i) {
                if (!answer_of(sentinel_port, "PING").empty()) return;
                if (::waitpid(sentinel_, nullptr, WNOHANG) == sentinel_) {
                    sentinel_ = -1;
                    break;
                }
                std::this_thread::sleep_for(std::chrono::milliseconds(5));
            }
        }
        FAIL("the test's sentinel did not start");
    }

    static void wait_for(const char* whom, std::uint16_t port, const std::string& command,
                         const std::string& text) {
        std::string last;
        for (int i = 0; i < 6000; ++i) {
            last = answer_of(port, command);
            if (last.find(text) != std::string::npos) return;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        FAIL("waiting for ", whom, " took a minute: ", command, " says ", last);
    }

    // What comes for one command, until there is a pause. Empty: nobody listens.
    static std::string answer_of(std::uint16_t port, const std::string& command) {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port = htons(port);
        timeval pause{0, 100'000};
        ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &pause, sizeof pause);
        std::string all;
        const std::string line = command + "\r\n";
        if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0 &&
            ::send(fd, line.data(), line.size(), MSG_NOSIGNAL) > 0) {
            char chunk[4096];
            for (ssize_t n; (n = ::recv(fd, chunk, sizeof chunk, 0)) > 0;)
                all.append(chunk, static_cast<std::size_t>(n));
        }
        ::close(fd);
        return all;
    }

    pid_t sentinel_ = -1;
};

}  // namespace simul::testing
