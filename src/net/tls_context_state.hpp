#pragma once

#include <openssl/ssl.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace simul::detail {

template <auto Free>
struct openssl_free {
    template <class T>
    void operator()(T* object) const noexcept {
        Free(object);
    }
};
using ssl_ptr = std::unique_ptr<SSL, openssl_free<SSL_free>>;
using session_ptr = std::unique_ptr<SSL_SESSION, openssl_free<SSL_SESSION_free>>;

/// Sessions of servers that were talked to, each good for one handshake (RFC 8446 C.4). Bounded. Any thread.
class session_store {
  public:
    static constexpr std::size_t servers_max = 256;
    static constexpr std::size_t sessions_per_server_max = 4;

    void put(const std::string& server, session_ptr session);
    session_ptr take(const std::string& server);

  private:
    std::mutex mutex_;
    std::map<std::string, std::vector<session_ptr>> sessions_;
};

class tls_context_state {
  public:
    std::shared_ptr<SSL_CTX> context;
    bool server = false;
    bool verifies = true;
    std::string protocols;  ///< as on the wire: each with its length before it
    session_store sessions;
};

/// What OpenSSL's error queue of this thread says, in one line; empties it.
std::string take_openssl_errors();

}  // namespace simul::detail
