#pragma once

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace simul::testing {

/// A Redis (or Valkey) server of the test's own: a Unix socket in a new folder, no port, nothing saved.
/// Set SIMUL_REDIS_SERVER to test with another program.
class redis_server {
  public:
    explicit redis_server(std::vector<std::string> more = {})
        : redis_server(listens::on_socket, tls_files(), std::move(more)) {}

    /// What a server needs to speak TLS too, as PEM text.
    struct tls_files {
        std::string certificate;
        std::string key;
        std::string client_authorities;  ///< If given, clients must show a certificate of one of these.
    };
    static redis_server with_tls(const tls_files& tls, std::vector<std::string> more = {}) {
        return redis_server(listens::on_tls, tls, std::move(more));
    }
    /// One that listens on a TCP port of 127.0.0.1 too.
    static redis_server on_tcp(std::vector<std::string> more = {}) {
        return redis_server(listens::on_tcp, tls_files(), std::move(more));
    }

    ~redis_server() {
        stop(SIGKILL);
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    redis_server(const redis_server&) = delete;
    redis_server& operator=(const redis_server&) = delete;

    std::string socket() const { return folder_ + "/redis.sock"; }
    std::string url() const { return "unix://" + socket(); }
    const std::string& folder() const { return folder_; }
    /// Of on_tcp and with_tls, on 127.0.0.1. It stays the same over stop() and start().
    std::uint16_t port() const { return port_; }
    /// Puts a file into the server's folder.
    std::string write(const std::string& name, const std::string& text) const {
        std::string path = folder_ + "/" + name;
        std::ofstream(path, std::ios::binary) << text;
        return path;
    }

    void start() {
        if (port_ != 0 && started()) return;
        // Redis cannot choose a port by itself, and another program may take the one that was free.
        for (int attempt = 0; attempt < 10; ++attempt) {
            if (listens_ != listens::on_socket) port_ = free_port();
            if (started()) return;
            if (listens_ == listens::on_socket) break;
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

    static std::uint16_t free_port() {
        int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof at;
        REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&at), size) == 0);
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
        ::close(fd);
        return ntohs(at.sin_port);
    }

  private:
    enum class listens { on_socket, on_tcp, on_tls };

    redis_server(listens where, const tls_files& tls, std::vector<std::string> more)
        : more_(std::move(more)), listens_(where) {
        std::string name = (std::filesystem::temp_directory_path() / "simul-redis-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
        if (where == listens::on_tls) {
            const bool asks = !tls.client_authorities.empty();
            const std::vector<std::string> words{
                "--tls-cert-file",
                write("certificate.pem", tls.certificate),
                "--tls-key-file",
                write("key.pem", tls.key),
                "--tls-ca-cert-file",
                write("authorities.pem", asks ? tls.client_authorities : tls.certificate),
                "--tls-auth-clients",
                asks ? "yes" : "no"};
            more_.insert(more_.end(), words.begin(), words.end());
        }
        start();
    }
    bool started() {
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
        if (listens_ != listens::on_socket)
            words.insert(words.end(), {listens_ == listens::on_tls ? "--tls-port" : "--port",
                                       std::to_string(port_), "--bind", "127.0.0.1"});
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
            if (accepts()) return true;
            int status = 0;
            if (::waitpid(pid_, &status, WNOHANG) == pid_) {
                pid_ = -1;
                break;
            }
            ::usleep(5'000);
        }
        return false;
    }
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
    listens listens_;
    std::uint16_t port_ = 0;
};

}  // namespace simul::testing
