#include <simul/net/unix_listener.hpp>
#include <simul/net/unix_stream.hpp>

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <string>

#include <simul/loop/run.hpp>
#include <simul/net/error.hpp>

#include "contract/stream_contract.hpp"
#include "net/temporary_folder.hpp"

namespace simul {
namespace {
using contract::code_of;
using contract::read_count;
using testing::temporary_folder;

task<> greet(unix_listener& listener, std::string path) {
    unix_stream a = co_await unix_stream::connect(path);
    unix_stream b = co_await listener.accept();
    co_await a.write_all("hello");
    CHECK(co_await read_count(b, 5) == "hello");
    CHECK(a.describe() == path);
}

std::error_code bind_code(const std::string& path, unix_listen_options options = {}) {
    try {
        unix_listener::bind(path, options);
    } catch (const std::system_error& e) {
        return e.code();
    }
    return {};
}
}  // namespace

TEST_CASE("a Unix socket has a file with its permissions, which goes with the listener") {
    const temporary_folder folder;
    const std::string path = folder / "socket";
    run([&]() -> task<> {
        unix_listener listener = unix_listener::bind(path);
        struct stat file{};
        REQUIRE(::stat(path.c_str(), &file) == 0);
        CHECK((file.st_mode & 07777) == 0600);
        co_await greet(listener, path);
        unix_listener moved = std::move(listener);
        co_await greet(moved, path);
    });
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("an abstract Unix socket has no file") {
    run([]() -> task<> {
        const std::string name = "@simul-test-" + std::to_string(::getpid());
        unix_listener listener = unix_listener::bind(name);
        co_await greet(listener, name);
        CHECK_FALSE(std::filesystem::exists(name));
        CHECK(bind_code(name) == std::errc::address_in_use);
    });
}

TEST_CASE("a socket that a killed process left is replaced, a living one is not") {
    const temporary_folder folder;
    const std::string path = folder / "socket";
    {
        const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        std::memcpy(at.sun_path, path.c_str(), path.size());
        REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
        ::close(fd);  // as a kill leaves it
    }
    unix_listen_options keep;
    keep.replace_stale = false;
    CHECK(bind_code(path, keep) == std::errc::address_in_use);
    run([&]() -> task<> {
        unix_listener listener = unix_listener::bind(path);
        CHECK(bind_code(path) == std::errc::address_in_use);
        unix_stream knocked = co_await listener.accept();  // that is how the second one found out
        CHECK(co_await read_count(knocked, 1) == "");
        co_await greet(listener, path);
    });
}

TEST_CASE("a file that is not a socket is left alone") {
    const temporary_folder folder;
    const std::string path = folder / "notes";
    std::ofstream(path) << "precious";
    CHECK(bind_code(path) == net_errc::address_in_use_by_other);
    std::string text;
    std::ifstream(path) >> text;
    CHECK(text == "precious");
}

TEST_CASE("paths of Unix sockets that cannot work are named") {
    CHECK(bind_code("") == errc::bad_data);
    CHECK(bind_code("/tmp/" + std::string(200, 'x')) == errc::bad_data);
    CHECK(bind_code(std::string("/tmp/a\0b", 8)) == errc::bad_data);
    run([]() -> task<> {
        const auto missing =
            co_await code_of([]() -> task<> { co_await unix_stream::connect("/nowhere/socket"); });
        CHECK(missing == std::errc::no_such_file_or_directory);
    });
}

TEST_CASE("a Unix socket whose backlog is full says that it is busy") {
    const temporary_folder folder;
    const std::string path = folder / "socket";
    run([&]() -> task<> {
        unix_listen_options options;
        options.backlog = 1;
        unix_listener listener = unix_listener::bind(path, options);
        std::vector<unix_stream> waiting;
        std::error_code code;
        while (!code && waiting.size() < 10)
            code =
                co_await code_of([&]() -> task<> { waiting.push_back(co_await unix_stream::connect(path)); });
        CHECK(code == condition::retry_later);
        unix_stream accepted = co_await listener.accept();
    });
}

}  // namespace simul
