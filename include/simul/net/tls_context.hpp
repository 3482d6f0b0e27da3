#pragma once

#include <memory>
#include <string>
#include <vector>

namespace simul {

namespace detail {
class tls_context_state;
}

enum class tls_version { tls_1_2, tls_1_3 };

struct tls_client_options {
    /// Trust the authorities of this machine: those of the environment's SSL_CERT_FILE and SSL_CERT_DIR, else
    /// the system's folder, in which each is looked up when it is needed.
    bool system_authorities = true;
    /// Further authorities to trust, as a PEM file and as PEM text.
    std::string authorities_file{};
    std::string authorities_pem{};
    /// Our own certificate (with its chain) and key, for servers that ask; as files or as PEM text.
    std::string certificate_file{};
    std::string key_file{};
    std::string certificate_pem{};
    std::string key_pem{};
    /// Application protocols (ALPN) in the order of preference: {"h2", "http/1.1"}. None: not negotiated.
    std::vector<std::string> protocols{};
    tls_version version_min = tls_version::tls_1_2;
};

struct tls_server_options {
    /// Certificate (with its chain) and key, as files or as PEM text. Needed.
    std::string certificate_file{};
    std::string key_file{};
    std::string certificate_pem{};
    std::string key_pem{};
    /// Application protocols (ALPN) in the order of preference. A client that names some, but none of these,
    /// is refused.
    std::vector<std::string> protocols{};
    /// If one is given, clients must show a certificate that one of these authorities has signed.
    std::string client_authorities_file{};
    std::string client_authorities_pem{};
    tls_version version_min = tls_version::tls_1_2;
};

/// What TLS connections share: trust, certificates, protocols, and the sessions that make the next
/// handshake with the same server shorter.
///
/// Immutable; copies share it. Make one and hand it around: building one costs time, using it does not.
/// Verification is on; nothing in the environment turns it off.
/// Threads: any.
class tls_context {
  public:
    /// Throws std::system_error with net_errc::bad_credentials that names the file or option.
    static tls_context client(const tls_client_options& options = {});
    static tls_context server(const tls_server_options& options);

    /// The same for connections that do not look who the peer is: for tests. Logs a warning each time.
    tls_context insecure() const;

    bool is_server() const noexcept;
    bool verifies() const noexcept;

    const std::shared_ptr<detail::tls_context_state>& state() const noexcept { return state_; }

  private:
    explicit tls_context(std::shared_ptr<detail::tls_context_state> state) noexcept
        : state_(std::move(state)) {}
    std::shared_ptr<detail::tls_context_state> state_;
};

}  // namespace simul
