#pragma once

#include <system_error>

#include <simul/base/error.hpp>

namespace simul {

/// What goes wrong with connections beside what the system reports.
enum class net_errc {
    write_canceled = 1,   ///< An earlier write of this stream was canceled: nobody knows how much of it
                          ///< left. condition::disconnected
    truncated,            ///< TLS: the peer, or somebody between, cut the connection without saying that
                          ///< it was the end. condition::disconnected
    not_tls,              ///< TLS: the peer does not speak TLS on this port. condition::invalid
    no_common_protocol,   ///< TLS: no version, cipher or application protocol that both sides accept.
                          ///< condition::unsupported
    certificate_expired,  ///< TLS: the peer's certificate, or one above it, is out of date.
    certificate_not_yet_valid,  ///< TLS: it is not valid yet (often: the clock of this machine is wrong).
    certificate_wrong_host,     ///< TLS: it is for other hosts; the message names them.
    certificate_unknown_ca,     ///< TLS: nobody we trust has signed it.
    certificate_refused,        ///< TLS: it was refused for another reason (revoked, weak, wrong purpose).
    refused_by_peer,            ///< TLS: the peer ended the handshake with an alert; the message names it.
    tls_failed,                 ///< TLS: another error of OpenSSL; the message has its text.
    bad_credentials,            ///< TLS: a certificate, key or CA file of ours cannot be used.
                                ///< condition::invalid
    address_in_use_by_other,    ///< A Unix socket's path is a file that is not a socket.
};

const std::error_category& net_category() noexcept;  ///< name(): "simul.net"
std::error_code make_error_code(net_errc e) noexcept;

/// The codes of getaddrinfo (EAI_NONAME ...); EAI_AGAIN and EAI_MEMORY are condition::retry_later. Its own
/// errno (EAI_SYSTEM) is reported as such instead. name(): "simul.resolver"
const std::error_category& resolver_category() noexcept;

}  // namespace simul

template <>
struct std::is_error_code_enum<simul::net_errc> : std::true_type {};
