// How much CPU time does an echo server on Boost.Asio's epoll reactor use, written with coroutines?
#include "asio.hpp"

namespace {

asio::awaitable<void> serve(tcp::socket socket) {
    socket.set_option(tcp::no_delay(true));
    char data[4096];
    try {
        for (;;) {
            std::size_t got = co_await socket.async_read_some(asio::buffer(data), asio::use_awaitable);
            co_await asio::async_write(socket, asio::buffer(data, got), asio::use_awaitable);
        }
    } catch (const boost::system::system_error&) {  // the client has gone
    }
}

asio::awaitable<void> listen(tcp::acceptor& acceptor) {
    for (;;) {
        tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
        asio::co_spawn(acceptor.get_executor(), serve(std::move(socket)), asio::detached);
    }
}

}  // namespace

int main() {
    asio::io_context context(1);  // one thread: Asio leaves out what it needs for more
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
    printf("port %d\n", acceptor.local_endpoint().port());
    fflush(stdout);
    asio::co_spawn(context, listen(acceptor), asio::detached);
    context.run();
}
