#include <simul/net/unix_stream.hpp>

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

#include <simul/base/error.hpp>
#include <simul/loop/loop.hpp>

#include "net/connect.hpp"
#include "net/socket_address.hpp"

namespace simul {

task<unix_stream> unix_stream::connect(std::string path) {
    const detail::socket_address to{std::string_view(path)};
    const std::string call = "connect " + path;
    detail::descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.open()) throw_errno(errno, call);
    loop& here = this_loop();
    socket.used_on(detail::loop_access::as_scheduler(here));
    const int result = co_await detail::connect_operation(socket.get(), to);
    if (result < 0) detail::throw_io_error(result, call.c_str());
    // Not blocking only for connect, where io_uring would let a thread wait if the backlog is full; later
    // that would cost it its own way of waiting.
    if (::fcntl(socket.get(), F_SETFL, 0) != 0) throw_errno(errno, call);
    co_return unix_stream(std::move(socket), std::move(path));
}

}  // namespace simul
