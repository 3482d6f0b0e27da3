#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include <simul/core/task.hpp>
#include <simul/net/error.hpp>
#include <simul/net/stream.hpp>

#include "net/tls_context_state.hpp"

namespace simul::detail {

/// One TLS connection: OpenSSL between our memory and the stream below.
///
/// Theory. OpenSSL does no I/O here: it takes bytes from `inbound_` and puts bytes into `outbound_`, through
/// a BIO of our own. A read that finds too little starts a read of the stream below, whose completion tries
/// again; a write encrypts first and is over when all of `outbound_` has left. The handshake and the goodbye
/// are coroutines, as they are rare.
/// Invariants: (1) the stream below is read only while a reader (or the handshake) waits, and written only
/// while a writer (or handshake, goodbye) waits, so nothing is under way when nobody waits. What reading
/// makes OpenSSL say (the answer to a key update) therefore stays in `outbound_` until the next write, which
/// is when it is due. (2) `inbound_` is empty when OpenSSL wants more.
class tls_engine {
  public:
    /// Results beside -errno: why is in read_failure_ or write_failure_.
    static constexpr int failed = -1'000'000;

    tls_engine(std::unique_ptr<stream> below, std::shared_ptr<tls_context_state> context, std::string host);
    tls_engine(const tls_engine&) = delete;
    tls_engine& operator=(const tls_engine&) = delete;

    static tls_engine& of(SSL* ssl) noexcept { return *static_cast<tls_engine*>(SSL_get_app_data(ssl)); }

    task<> handshake();
    /// Says that nothing more will be written.
    task<> goodbye();

    bool begin_read(io_op& op) noexcept;
    void cancel_read() noexcept;
    bool begin_write(io_op& op) noexcept;
    void cancel_write() noexcept;
    [[noreturn]] void throw_failure(const char* call, int result, bool writes) const;

    bool can_say_goodbye() const noexcept { return !goodbye_said_ && !write_failure_ && !read_failure_; }

    std::unique_ptr<stream> below;
    std::shared_ptr<tls_context_state> context;
    ssl_ptr ssl;
    std::string server_key;  ///< for sessions
    std::string name;

  private:
    struct failure {
        std::error_code code;
        std::string text;
    };
    struct inner_read final : io_op {
        explicit inner_read(tls_engine& e) noexcept : engine(e) {}
        void completed() noexcept override { engine.read_completed(); }
        tls_engine& engine;
    };
    struct inner_write final : io_op {
        explicit inner_write(tls_engine& e) noexcept : engine(e) {}
        void completed() noexcept override { engine.write_completed(); }
        tls_engine& engine;
    };

    static BIO_METHOD* bio_method();
    static int bio_read(BIO* bio, char* into, int size);
    static int bio_write(BIO* bio, const char* data, int size);
    static long bio_control(BIO* bio, int command, long number, void* pointer);
    static int verified(int ok, X509_STORE_CTX* store);

    bool decrypt(io_op& op) noexcept;
    bool read_on(io_op& op) noexcept;
    bool took(io_op& op, int result) noexcept;
    bool flush(int& error) noexcept;
    void read_completed() noexcept;
    void write_completed() noexcept;
    failure explain(int ssl_error, const char* phase);
    failure explain_certificate() const;
    std::optional<failure> explain_plain_text() const;

    std::string host_;
    std::unique_ptr<char[]> inbound_;
    std::size_t inbound_begin_ = 0;
    std::size_t inbound_end_ = 0;
    bool inbound_ended_ = false;
    std::string first_bytes_;
    std::string outbound_;
    std::size_t outbound_sent_ = 0;

    inner_read inner_read_{*this};
    inner_write inner_write_{*this};
    io_op* reader_ = nullptr;
    io_op* writer_ = nullptr;
    int accepted_ = 0;
    bool read_canceled_ = false;
    bool write_canceled_ = false;
    bool goodbye_said_ = false;
    bool shaken_ = false;
    std::optional<failure> read_failure_;
    std::optional<failure> write_failure_;

    int verify_error_ = X509_V_OK;
    std::string verify_subject_;  ///< of the certificate that was refused
    std::string verify_issuer_;
    std::string verify_names_;
    std::string verify_time_;
};

}  // namespace simul::detail
