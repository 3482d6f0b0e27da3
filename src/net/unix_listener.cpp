#include <simul/net/unix_listener.hpp>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include <simul/base/error.hpp>
#include <simul/net/error.hpp>

#include "net/socket_address.hpp"

namespace simul {
namespace {

/// Removes the file at `path` if it is a socket on which nobody listens. The only way to know is to knock.
void remove_stale(const std::string& path, detail::socket_address& address) {
    struct stat file{};
    if (::lstat(path.c_str(), &file) != 0) return;
    if (!S_ISSOCK(file.st_mode))
        throw std::system_error(make_error_code(net_errc::address_in_use_by_other),
                                fmt::format("listen on {}", path));
    const detail::descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe.open()) throw_errno(errno, "listen on " + path);
    if (::connect(probe.get(), address.data(), address.size) != 0 && errno == ECONNREFUSED)
        ::unlink(path.c_str());
}

}  // namespace

unix_listener unix_listener::bind(std::string path, unix_listen_options options) {
    detail::socket_address address{std::string_view(path)};
    const std::string call = "listen on " + path;
    const bool abstract = path.front() == '@';
    detail::descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.open()) throw_errno(errno, call);
    int bound = ::bind(socket.get(), address.data(), address.size);
    if (bound != 0 && errno == EADDRINUSE && !abstract && options.replace_stale) {
        remove_stale(path, address);
        bound = ::bind(socket.get(), address.data(), address.size);
    }
    if (bound != 0) throw_errno(errno, call);
    struct stat file{};
    if (!abstract) {
        // Nobody can connect before listen(), so nobody gets in before the permissions are right.
        if (::chmod(path.c_str(), options.mode) != 0 || ::lstat(path.c_str(), &file) != 0) {
            const int error = errno;
            ::unlink(path.c_str());
            throw_errno(error, call);
        }
    }
    unix_listener listener(std::move(socket), std::move(path), file.st_dev, file.st_ino);
    if (::listen(listener.native_handle(), options.backlog) != 0) throw_errno(errno, call);
    return listener;
}

unix_listener::unix_listener(unix_listener&& other) noexcept
    : socket_listener(std::move(other)), device_(other.device_), file_(std::exchange(other.file_, 0)) {}

unix_listener::~unix_listener() {
    struct stat file{};
    if (file_ != 0 && ::lstat(path().c_str(), &file) == 0 && file.st_dev == device_ && file.st_ino == file_)
        ::unlink(path().c_str());
}

}  // namespace simul
