#pragma once

#include <simul/core/task.hpp>
#include <simul/redis/client.hpp>

#include <span>
#include <string_view>
#include <utility>

namespace simul::redis::detail {

/// The bytes of one connection, TCP or Unix.
class socket {
  public:
    static task<socket> open(const client_options& options);

    socket(socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    socket& operator=(socket&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~socket();

    /// 0: the end.
    task<std::size_t> read_some(std::span<char> into);
    task<void> write_all(std::string_view data);

  private:
    explicit socket(int fd) : fd_(fd) {}
    int fd_;
};

}  // namespace simul::redis::detail
