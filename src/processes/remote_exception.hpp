#pragma once

#include <exception>

#include <simul/processes/wire.hpp>

namespace simul::detail {

/// What travels of an exception: of a std::system_error its code and category, of the others type name and
/// message.
wire::error_message describe_exception(const std::exception_ptr& error);

/// The exception on this side: a std::system_error of the same code and text, or a remote_error.
std::exception_ptr make_exception(const wire::error_message& message);

}  // namespace simul::detail
