#pragma once

#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include <simul/base/time.hpp>
#include <simul/base/url.hpp>
#include <simul/core/task.hpp>
#include <simul/http/error.hpp>
#include <simul/net/resolver.hpp>
#include <simul/net/stream.hpp>
#include <simul/net/tls_context.hpp>

namespace simul::http {

/// How long each part of a request may take. duration::max(): as long as it likes. An error names the part.
struct timeouts {
    /// Waiting for a free connection.
    duration pool = std::chrono::seconds(30);
    /// Looking up the host.
    duration dns = std::chrono::seconds(10);
    /// Connecting, over all addresses of the host.
    duration connect = std::chrono::seconds(10);
    /// The TLS handshake.
    duration tls = std::chrono::seconds(10);
    /// Each time that the server has to take something of the request.
    duration write = std::chrono::seconds(30);
    /// From the end of the request to the beginning of the response.
    duration first_byte = std::chrono::seconds(60);
    /// Each time that we wait for more of the response.
    duration read_idle = std::chrono::seconds(30);
    /// All of it, redirects and body included. The body of a `stream()` does not count: it ends with the
    /// head.
    duration total = std::chrono::seconds(300);
};

/// The exchange that a connection is made for; what it needs to know, and to name in errors.
class connect_request {
  public:
    connect_request(const url& to, const timeouts& limits, std::string_view method, time_point began) noexcept
        : to_(&to), limits_(&limits), method_(method), began_(began) {}

    const url& to() const noexcept { return *to_; }
    const timeouts& limits() const noexcept { return *limits_; }

    /// Throws http::error: "GET http://a.test/: MESSAGE".
    [[noreturn]] void fail(errc code, phase when, std::string_view message, std::error_code cause = {}) const;
    /// Throws errc::timed_out for the limit of `when`.
    [[noreturn]] void fail_timed_out(phase when, duration limit, std::string_view doing) const;

  private:
    const url* to_;
    const timeouts* limits_;
    std::string_view method_;
    time_point began_;
};

/// How a client gets its connections: the seam for tests, tunnels and the like.
///
/// Threads: that of the client's loop.
class transport {
  public:
    virtual ~transport() = default;

    /// Connects to the host and port of `what.to()`, encrypted if its scheme is https.
    ///
    /// Cancel: at any point; nothing must be left behind.
    /// Throws: through what.fail; any other exception becomes errc::connect_failed with its text.
    virtual task<std::unique_ptr<stream>> connect(const connect_request& what) = 0;
};

struct transport_options {
    /// Trust and certificates for https. Default: the authorities of the system.
    std::optional<tls_context> tls{};
    /// Connect to this Unix socket, whatever the URL's host and port are. Elsewhere: curl --unix-socket.
    std::string unix_socket{};
    /// Replaces the system's look-up of host names.
    resolver_options names{};
};

/// TCP and TLS, or a Unix socket.
std::shared_ptr<transport> make_transport(transport_options options = {});

}  // namespace simul::http
