#include "contract/stream_contract.hpp"

#include <sys/socket.h>

#include <simul/net/tcp_listener.hpp>
#include <simul/net/tcp_stream.hpp>
#include <simul/net/tls_stream.hpp>
#include <simul/net/unix_stream.hpp>
#include <simul/testing/stream_pair.hpp>

#include "net/certificates.hpp"

namespace simul::contract {

struct tcp {
    using loop_type = simul::loop;
    static task<two_ends> connect() {
        tcp_listener listener = tcp_listener::bind("127.0.0.1", 0);
        two_ends ends;
        auto dial = [&]() -> task<> {
            ends.a = std::make_unique<tcp_stream>(co_await tcp_stream::connect(listener.local_endpoint()));
        };
        auto answer = [&]() -> task<> { ends.b = std::make_unique<tcp_stream>(co_await listener.accept()); };
        co_await all(dial(), answer());
        co_return ends;
    }
};

struct unix_socket {
    using loop_type = simul::loop;
    static task<two_ends> connect() {
        int fds[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        co_return two_ends{std::make_unique<unix_stream>(unix_stream::adopt(fds[0])),
                           std::make_unique<unix_stream>(unix_stream::adopt(fds[1]))};
    }
};

struct memory {
    using loop_type = simul::virtual_loop;
    static task<two_ends> connect() {
        auto [a, b] = testing::stream_pair();
        co_return two_ends{std::make_unique<testing::memory_stream>(std::move(a)),
                           std::make_unique<testing::memory_stream>(std::move(b))};
    }
};

template <class Below>
struct tls_over {
    using loop_type = typename Below::loop_type;
    static task<two_ends> connect() {
        static const testing::certificate own = testing::test_authority().sign("DNS:a.test");
        tls_server_options server;
        server.certificate_pem = own.pem;
        server.key_pem = own.key_pem;
        tls_client_options client;
        client.system_authorities = false;
        client.authorities_pem = testing::test_authority().pem();
        auto below = co_await Below::connect();
        two_ends ends;
        auto dial = [&]() -> task<> {
            ends.a = std::make_unique<tls_stream>(
                co_await tls_stream::client(std::move(below.a), tls_context::client(client), "a.test"));
        };
        auto answer = [&]() -> task<> {
            ends.b = std::make_unique<tls_stream>(
                co_await tls_stream::server(std::move(below.b), tls_context::server(server)));
        };
        co_await all(dial(), answer());
        co_return ends;
    }
};
using tls = tls_over<tcp>;
using tls_in_memory = tls_over<memory>;

}  // namespace simul::contract

TYPE_TO_STRING_AS("tcp", simul::contract::tcp);
TYPE_TO_STRING_AS("unix socket", simul::contract::unix_socket);
TYPE_TO_STRING_AS("memory", simul::contract::memory);
TYPE_TO_STRING_AS("tls", simul::contract::tls);
TYPE_TO_STRING_AS("tls in memory", simul::contract::tls_in_memory);

namespace simul::contract {
SIMUL_STREAM_CONTRACT(tcp, unix_socket, memory, tls, tls_in_memory);
}
