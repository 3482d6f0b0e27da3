#include <simul/net/tcp_listener.hpp>
#include <simul/net/tcp_stream.hpp>

#include <dirent.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>

#include "contract/stream_contract.hpp"

namespace simul {
namespace {
using contract::code_of;
using contract::read_count;

std::size_t open_descriptors() {
    std::size_t count = 0;
    DIR* folder = ::opendir("/proc/self/fd");
    while (::readdir(folder) != nullptr) ++count;
    ::closedir(folder);
    return count;
}

/// A port of this machine on which nobody listens: it is bound, and not listened on.
class dead_port {
  public:
    dead_port() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
        socklen_t size = sizeof at;
        REQUIRE(::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size) == 0);
        number = ntohs(at.sin_port);
    }
    dead_port(const dead_port&) = delete;
    dead_port& operator=(const dead_port&) = delete;
    ~dead_port() { ::close(fd_); }
    std::uint16_t number = 0;

  private:
    int fd_;
};

int option_of(int fd, int level, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    REQUIRE(::getsockopt(fd, level, name, &value, &size) == 0);
    return value;
}

template <class F>
task<std::string> text_of(F work) {
    try {
        co_await work();
    } catch (const std::exception& e) {
        co_return e.what();
    }
    co_return "";
}
}  // namespace

TEST_CASE("a listener on port 0 knows its port, and both ends know each other") {
    run([]() -> task<> {
        for (const char* address : {"127.0.0.1", "::1"}) {
            tcp_listener listener = tcp_listener::bind(address, 0);
            const endpoint at = listener.local_endpoint();
            CHECK(at.port != 0);
            CHECK(at.address == ip_address::parse(address));
            tcp_stream a = co_await tcp_stream::connect(address, at.port);
            tcp_stream b = co_await listener.accept();
            CHECK(a.peer_endpoint() == at);
            CHECK(a.local_endpoint() == b.peer_endpoint());
            CHECK(a.describe() == at.to_string());
            CHECK(b.describe() == a.local_endpoint().to_string());
            for (const int fd : {a.native_handle(), b.native_handle()}) {
                CHECK(option_of(fd, IPPROTO_TCP, TCP_NODELAY) == 1);
                CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
            }
        }
    });
}

TEST_CASE("options of a connection reach the socket") {
    run([]() -> task<> {
        tcp_listen_options listening;
        listening.nodelay = false;
        listening.keepalive = true;
        tcp_listener listener = tcp_listener::bind("127.0.0.1", 0, listening);
        tcp_options options;
        options.nodelay = false;
        options.keepalive = true;
        options.keepalive_idle = std::chrono::seconds(33);
        options.receive_buffer_bytes = 10'000;
        options.send_buffer_bytes = 20'000;
        tcp_stream a = co_await tcp_stream::connect(listener.local_endpoint(), options);
        tcp_stream b = co_await listener.accept();
        for (const int fd : {a.native_handle(), b.native_handle()}) {
            CHECK(option_of(fd, IPPROTO_TCP, TCP_NODELAY) == 0);
            CHECK(option_of(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
        }
        CHECK(option_of(a.native_handle(), IPPROTO_TCP, TCP_KEEPIDLE) == 33);
        CHECK(option_of(a.native_handle(), SOL_SOCKET, SO_RCVBUF) == 20'000);  // the kernel doubles it
        CHECK(option_of(a.native_handle(), SOL_SOCKET, SO_SNDBUF) == 40'000);
    });
}

TEST_CASE("a refused connection names whom it was to") {
    run([]() -> task<> {
        const dead_port port;
        const auto text =
            co_await text_of([&]() -> task<> { co_await tcp_stream::connect("127.0.0.1", port.number); });
        CHECK(text == "connect 127.0.0.1:" + std::to_string(port.number) + ": Connection refused");
        const auto code =
            co_await code_of([&]() -> task<> { co_await tcp_stream::connect("127.0.0.1", port.number); });
        CHECK(code == condition::retry_later);
    });
}

TEST_CASE("connect tries each address of a host in order and names all that failed") {
    run([]() -> task<> {
        resolver_options options;
        options.look_up = [](const std::string&) {
            return std::vector<ip_address>{ip_address::v4({127, 0, 0, 2}), ip_address::v4({127, 0, 0, 1})};
        };
        const resolver names(options);
        tcp_options with;
        with.names = &names;
        const dead_port port;
        const std::string number = std::to_string(port.number);
        const auto text = co_await text_of(
            [&]() -> task<> { co_await tcp_stream::connect("two.test", port.number, with); });
        CHECK(text == "connect two.test:" + number +
                          " (tried 127.0.0.2: Connection refused; 127.0.0.1): Connection refused");

        tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
        tcp_stream a = co_await tcp_stream::connect("two.test", listener.local_endpoint().port, with);
        CHECK(a.peer_endpoint() == listener.local_endpoint());
        CHECK(a.describe() == "two.test:" + std::to_string(listener.local_endpoint().port));
    });
}

TEST_CASE("an address that is taken is named by the listener") {
    run([]() -> task<> {
        tcp_listener first = tcp_listener::bind("127.0.0.1", 0);
        const auto text = co_await text_of([&]() -> task<> {
            tcp_listener::bind(first.local_endpoint());
            co_return;
        });
        CHECK(text == "listen on " + first.local_endpoint().to_string() + ": Address already in use");
        tcp_listen_options shared;
        shared.reuse_port = true;
        tcp_listener one = tcp_listener::bind("127.0.0.1", 0, shared);
        tcp_listener two = tcp_listener::bind(one.local_endpoint(), shared);
        CHECK(two.local_endpoint() == one.local_endpoint());
    });
}

TEST_CASE("a canceled accept leaves the connection with its listener") {
    run([]() -> task<> {
        tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
        for (int steps = 0; steps < 12; ++steps) {
            bool accepted = false;
            co_await with_scope([&](cancel_scope& scope) -> task<> {
                auto server = [&]() -> task<> {
                    tcp_stream b = co_await listener.accept();
                    accepted = true;
                    co_await b.write_all("early");
                };
                auto client = [&]() -> task<> {
                    tcp_stream a = co_await tcp_stream::connect(listener.local_endpoint());
                    for (int i = 0; i < steps; ++i) co_await yield();
                    scope.cancel();
                    co_await shield([](tcp_stream& s, tcp_listener& l, const bool& early) -> task<> {
                        // Whoever accepts next gets exactly this connection, however late the cancel came.
                        if (early) co_return;
                        co_await yield();
                        if (early) co_return;
                        tcp_stream b = co_await l.accept();
                        co_await b.write_all("late!");
                        CHECK(co_await read_count(s, 5) == "late!");
                    }(a, listener, accepted));
                };
                co_await all(server(), client());
            });
        }
    });
}

TEST_CASE("several tasks accept from one listener, and each connection is served once") {
    run([]() -> task<> {
        tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
        int served = 0;
        auto server = [&](int) -> task<> {
            for (int i = 0; i < 5; ++i) {
                tcp_stream s = co_await listener.accept();
                ++served;
                co_await s.write_all("x");
            }
        };
        auto client = [&](int) -> task<> {
            tcp_stream s = co_await tcp_stream::connect(listener.local_endpoint());
            CHECK(co_await read_count(s, 1) == "x");
        };
        const std::vector<int> servers(4);
        const std::vector<int> clients(20);
        co_await all(all(servers, server), all(clients, client));
        CHECK(served == 20);
    });
}

TEST_CASE("a cancel at any step of connecting leaves no descriptor behind") {
    std::size_t before = 0;
    run([&]() -> task<> {
        tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
        const std::uint16_t port = listener.local_endpoint().port;
        before = open_descriptors();
        for (int steps = 0; steps < 10; ++steps) {
            co_await with_scope([&](cancel_scope& scope) -> task<> {
                auto client = [&]() -> task<> {
                    tcp_stream s = co_await tcp_stream::connect("127.0.0.1", port);
                    co_await sleep_forever();
                };
                auto canceler = [&]() -> task<> {
                    for (int i = 0; i < steps; ++i) co_await sleep_for(duration::zero());
                    scope.cancel();
                };
                co_await all(client(), canceler());
            });
            CHECK(open_descriptors() == before);
        }
        // A connection that nobody answers, since the backlog is full.
        tcp_listen_options small;
        small.backlog = 1;
        tcp_listener full = tcp_listener::bind("127.0.0.1", 0, small);
        tcp_options brief;
        brief.connect_time_max = 20ms;
        std::vector<tcp_stream> waiting;
        std::error_code code;
        while (!code && waiting.size() < 20) {
            code = co_await code_of([&]() -> task<> {
                waiting.push_back(co_await tcp_stream::connect(full.local_endpoint(), brief));
            });
        }
        CHECK(code == condition::timed_out);
    });
}

// The vptr check of UndefinedBehaviorSanitizer asks the kernel through a pipe whether memory can be read;
// without a descriptor it takes every object for one of a wrong type.
#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
#define SIMUL_TEST_NO_DESCRIPTORS doctest::skip()
#endif
#endif
#ifndef SIMUL_TEST_NO_DESCRIPTORS
#define SIMUL_TEST_NO_DESCRIPTORS doctest::skip(false)
#endif

TEST_CASE("when no descriptor is free, accept says so and works again later" * SIMUL_TEST_NO_DESCRIPTORS) {
    run([]() -> task<> {
        tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
        tcp_stream client = co_await tcp_stream::connect(listener.local_endpoint());
        rlimit before{};
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
        const int lowest = ::dup(0);
        REQUIRE(lowest >= 0);
        ::close(lowest);
        rlimit none = before;
        none.rlim_cur = static_cast<rlim_t>(lowest);
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
        std::error_code code;
        std::string text;
        try {
            co_await listener.accept();
        } catch (const std::system_error& e) {
            code = e.code();
            text = e.what();
        }
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
        CHECK(code == std::errc::too_many_files_open);
        CHECK(code == condition::retry_later);
        CHECK(text.find("no descriptor is free") != std::string::npos);
        tcp_stream accepted = co_await listener.accept();
        co_await accepted.write_all("here");
        CHECK(co_await read_count(client, 4) == "here");
    });
}

TEST_CASE("a closed listener refuses, and says so itself") {
    run([]() -> task<> {
        tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
        const endpoint at = listener.local_endpoint();
        listener.close();
        const auto accept = co_await code_of([&]() -> task<> { co_await listener.accept(); });
        CHECK(accept == errc::closed);
        const auto connect = co_await code_of([&]() -> task<> { co_await tcp_stream::connect(at); });
        CHECK(connect == std::errc::connection_refused);
    });
}

TEST_CASE("a listener belongs to the loop that accepts first") {
    loop first;
    loop second;
    tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
    first.run([&]() -> task<> {
        tcp_stream a = co_await tcp_stream::connect(listener.local_endpoint());
        tcp_stream b = co_await listener.accept();
    });
    const auto code = second.run([&]() -> task<std::error_code> {
        co_return co_await code_of([&]() -> task<> { co_await listener.accept(); });
    });
    CHECK(code == errc::wrong_loop);
}

TEST_CASE("a socket is handed to another loop with release and adopt") {
    loop first;
    loop second;
    tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
    int fd = -1;
    auto client = first.run([&]() -> task<tcp_stream> {
        tcp_stream a = co_await tcp_stream::connect(listener.local_endpoint());
        tcp_stream b = co_await listener.accept();
        co_await a.write_all("moved");
        CHECK(co_await read_count(b, 2) == "mo");
        fd = b.release();
        const auto code = co_await code_of([&]() -> task<> { co_await read_count(b, 1); });
        CHECK(code == errc::closed);
        co_return a;
    });
    second.run([&]() -> task<> {
        tcp_stream b = tcp_stream::adopt(fd);
        CHECK(co_await read_count(b, 3) == "ved");
    });
}

TEST_CASE("on virtual time sockets are refused with a word on what to do") {
    virtual_loop loop;
    loop.run([]() -> task<> {
        const auto text = co_await text_of(
            []() -> task<> { co_await tcp_stream::connect(endpoint(ip_address::loopback_v4(), 1)); });
        CHECK(text.find("in-memory") != std::string::npos);
    });
}

TEST_CASE("a connection that was reset is disconnected, by name") {
    run([]() -> task<> {
        tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
        tcp_stream a = co_await tcp_stream::connect(listener.local_endpoint());
        {
            tcp_stream b = co_await listener.accept();
            const linger at_once{1, 0};
            REQUIRE(::setsockopt(b.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
        }
        const auto text = co_await text_of([&]() -> task<> { co_await read_count(a, 1); });
        CHECK(text == "read from " + listener.local_endpoint().to_string() + ": Connection reset by peer");
    });
}

// With epoll, a recv that gave less than was asked for is followed by no second one before an event comes.
// These are the cases in which that could wait for ever.

namespace {
/// A connection; the peer's end is a bare descriptor.
struct half_bare {
    tcp_stream ours;
    int theirs;
};

task<half_bare> connect_half_bare(tcp_listener& listener) {
    tcp_stream ours = co_await tcp_stream::connect(listener.local_endpoint());
    tcp_stream theirs = co_await listener.accept();
    const int fd = theirs.release();
    co_return half_bare{std::move(ours), fd};
}
}  // namespace

TEST_CASE("the end that comes together with the last bytes is read after them") {
    run([]() -> task<> {
        tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
        for (const bool reset : {false, true}) {
            for (const bool waits : {false, true}) {
                auto [ours, theirs] = co_await connect_half_bare(listener);
                char buffer[100];
                const auto end = [&, fd = theirs]() -> task<> {
                    if (waits) co_await sleep_for(1ms);
                    CHECK(::send(fd, "ab", 2, MSG_NOSIGNAL) == 2);
                    CHECK(::send(fd, "cd", 2, MSG_NOSIGNAL) == 2);
                    if (reset) {
                        co_await sleep_for(5ms);
                        const linger at_once{1, 0};
                        CHECK(::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
                    }
                    ::close(fd);
                };
                const auto read_to_the_end = [&]() -> task<> {
                    std::size_t size = 0;
                    try {
                        while (const std::size_t got = co_await ours.read_some(buffer)) size += got;
                        CHECK_FALSE(reset);
                    } catch (const std::system_error& e) {
                        CHECK(reset);
                        CHECK(e.code() == condition::disconnected);
                    }
                    CHECK(size == 4);
                };
                // A first short read registers the socket, so that the next ones are of the kind in question.
                CHECK(::send(theirs, "x", 1, MSG_NOSIGNAL) == 1);
                CHECK(co_await ours.read_some(buffer) == 1);
                co_await all(read_to_the_end(), end());
            }
        }
    });
}

TEST_CASE("what comes in pieces of every size and rhythm is read whole") {
    run([]() -> task<> {
        tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
        tcp_stream ours = co_await tcp_stream::connect(listener.local_endpoint());
        tcp_stream theirs = co_await listener.accept();
        constexpr std::size_t total = 300'000;
        const auto write = [&]() -> task<> {
            const std::string piece(5000, 'p');
            std::size_t written = 0;
            for (unsigned n = 1; written < total; n = n * 1103515245 + 12345) {
                const std::size_t size = std::min<std::size_t>({n % 5000 + 1, total - written});
                co_await ours.write_all(std::string_view(piece).substr(0, size));
                written += size;
                for (unsigned turns = n >> 16 & 3; turns > 0; --turns) co_await yield();
                if (n % 97 == 0) co_await sleep_for(1ms);
            }
            co_await ours.shutdown_write();
        };
        const auto read = [&]() -> task<> {
            std::size_t count = 0;
            char buffer[4096];
            for (std::size_t size = 1;; size = size * 7 % 4096 + 1) {
                const std::size_t got = co_await theirs.read_some({buffer, size});
                if (got == 0) break;
                count += got;
            }
            CHECK(count == total);
        };
        co_await all(write(), read());
    });
}

TEST_CASE("urgent data does not keep what comes behind it") {
    run([]() -> task<> {
        tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
        auto [ours, theirs] = co_await connect_half_bare(listener);
        std::string all_read;
        char buffer[100];
        CHECK(::send(theirs, "x", 1, MSG_NOSIGNAL) == 1);
        CHECK(co_await ours.read_some(buffer) == 1);
        for (int i = 0; i < 3; ++i) {
            const auto send_urgently = [fd = theirs]() -> task<> {
                co_await sleep_for(1ms);
                CHECK(::send(fd, "ab", 2, MSG_NOSIGNAL) == 2);
                CHECK(::send(fd, "!", 1, MSG_NOSIGNAL | MSG_OOB) == 1);
                CHECK(::send(fd, "cd", 2, MSG_NOSIGNAL) == 2);
            };
            const auto read_both = [&]() -> task<> {
                std::size_t got = 0;
                while (got < 4) got += co_await ours.read_some(buffer);
                CHECK(got == 4);
            };
            co_await all(read_both(), send_urgently());
        }
        ::close(theirs);
    });
}

}  // namespace simul
