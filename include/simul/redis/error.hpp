#pragma once

#include <simul/base/error.hpp>

#include <system_error>

namespace simul::redis {

/// What a client says beside the system's errors and the server's own (reply_error).
enum class client_errc {
    connection_lost = 1,  ///< While commands were under way; they may have happened. condition::disconnected
    no_answer,            ///< Within command_timeout; the connection was given up. condition::disconnected
    cannot_connect,       ///< Within connect_timeout. condition::retry_later
    authentication,       ///< The server wants a password, or another one.
    not_ready,            ///< The server loads its data or is full; a pause helps. condition::retry_later
    too_old,              ///< Redis before 6.2. condition::unsupported
    too_many_waiting,     ///< pending_max. condition::retry_later
    no_primary,           ///< No sentinel knows one, or it is a replica (yet). condition::retry_later
};

const std::error_category& client_category() noexcept;  ///< name(): "simul.redis"
std::error_code make_error_code(client_errc e) noexcept;

}  // namespace simul::redis

template <>
struct std::is_error_code_enum<simul::redis::client_errc> : std::true_type {};
