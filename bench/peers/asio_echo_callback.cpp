// How much CPU time does an echo server on Boost.Asio's epoll reactor use, written with callbacks?
#include <memory>

#include "asio.hpp"

namespace {

class session : public std::enable_shared_from_this<session> {
  public:
    explicit session(tcp::socket socket) : socket_(std::move(socket)) {
        socket_.set_option(tcp::no_delay(true));
    }

    void read() {
        socket_.async_read_some(asio::buffer(data_), [self = shared_from_this()](
                                                         boost::system::error_code error, std::size_t got) {
            if (!error) self->write(got);
        });
    }

  private:
    void write(std::size_t size) {
        asio::async_write(socket_, asio::buffer(data_, size),
                          [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                              if (!error) self->read();
                          });
    }

    tcp::socket socket_;
    char data_[4096];
};

void listen(tcp::acceptor& acceptor) {
    acceptor.async_accept([&acceptor](boost::system::error_code error, tcp::socket socket) {
        if (!error) std::make_shared<session>(std::move(socket))->read();
        listen(acceptor);
    });
}

}  // namespace

int main() {
    asio::io_context context(1);  // one thread: Asio leaves out what it needs for more
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
    printf("port %d\n", acceptor.local_endpoint().port());
    fflush(stdout);
    listen(acceptor);
    context.run();
}
