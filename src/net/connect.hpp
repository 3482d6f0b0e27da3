#pragma once

#include <simul/loop/io.hpp>

#include <cerrno>

#include "net/socket_address.hpp"

namespace simul::detail {

/// The await of connect(2); gives 0 or -errno. The address lives in it, as the kernel may read it late.
class [[nodiscard("await it")]] connect_operation final : public io_operation<connect_operation> {
  public:
    connect_operation(int descriptor, const socket_address& to) noexcept
        : io_operation(io_kind::connect, descriptor), to_(to) {
        point();
    }
    connect_operation(connect_operation&& other) noexcept
        : io_operation(io_kind::connect, other.fd), to_(other.to_) {
        point();
    }
    int result() const noexcept { return io_op::result; }

  private:
    void point() noexcept {
        buffer = to_.data();
        size = to_.size;
    }
    socket_address to_;
};

}  // namespace simul::detail
