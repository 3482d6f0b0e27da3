#pragma once

#include <chrono>
#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <simul/base/time.hpp>
#include <simul/core/task.hpp>
#include <simul/net/stream.hpp>
#include <simul/net/tcp_stream.hpp>
#include <simul/net/tls_context.hpp>

namespace simul {

namespace detail {
class tls_engine;
}

/// How long a TLS handshake may take, by default.
inline constexpr duration tls_handshake_time_max_default = std::chrono::seconds(10);

/// TLS over any stream.
///
/// The peer's end counts only if it says so: a connection that is cut throws net_errc::truncated instead of
/// giving 0. `close()` says goodbye (close_notify) without waiting for the answer, for one second at most.
/// A write that was canceled, write_some too, breaks the writing side.
class tls_stream final : public stream {
  public:
    /// The client's handshake. `host`: whom we want to talk to, a name or an IP address: sent as SNI, and
    /// checked against the certificate.
    ///
    /// Cancel:  closes the connection.
    /// Throws:  std::system_error with a net_errc ("TLS handshake with a.test:443: the certificate is for
    ///          b.test, *.c.test; not for a.test"), errc::timed_out after `handshake_time_max`.
    static task<tls_stream> client(std::unique_ptr<stream> below, tls_context context, std::string host,
                                   duration handshake_time_max = tls_handshake_time_max_default);
    /// The server's handshake. Errors concern this client only.
    static task<tls_stream> server(std::unique_ptr<stream> below, tls_context context,
                                   duration handshake_time_max = tls_handshake_time_max_default);

    /// The same over a stream by value: tls_stream::client(co_await tcp_stream::connect(...), tls, host).
    template <std::derived_from<stream> Below>
    static task<tls_stream> client(Below below, tls_context context, std::string host,
                                   duration handshake_time_max = tls_handshake_time_max_default) {
        return client(std::unique_ptr<stream>(std::make_unique<Below>(std::move(below))), std::move(context),
                      std::move(host), handshake_time_max);
    }
    template <std::derived_from<stream> Below>
    static task<tls_stream> server(Below below, tls_context context,
                                   duration handshake_time_max = tls_handshake_time_max_default) {
        return server(std::unique_ptr<stream>(std::make_unique<Below>(std::move(below))), std::move(context),
                      handshake_time_max);
    }

    /// tcp_stream::connect and the client's handshake.
    static task<tls_stream> connect(std::string host, std::uint16_t port, tls_context context,
                                    tcp_options options = {});

    tls_stream(tls_stream&&) noexcept;
    tls_stream& operator=(tls_stream&&) noexcept;
    ~tls_stream() override;

    /// The application protocol that was agreed on (ALPN); empty: none.
    std::string_view protocol() const noexcept;
    /// "TLSv1.3"
    std::string_view version() const noexcept;
    /// The handshake was a short one: it took up a session of before.
    bool resumed() const noexcept;

    task<> shutdown_write() override;
    task<> close() override;
    std::string describe() const override;

  private:
    explicit tls_stream(std::unique_ptr<detail::tls_engine> engine) noexcept;
    static task<tls_stream> shake_hands(std::unique_ptr<detail::tls_engine> engine, duration time_max);

    bool begin_read(detail::io_op& op) noexcept override;
    void cancel_read(detail::io_op& op) noexcept override;
    bool begin_write(detail::io_op& op) noexcept override;
    void cancel_write(detail::io_op& op) noexcept override;
    void bound(detail::scheduler& loop) override;
    [[noreturn]] void throw_failure(const char* call, int result) const override;

    std::unique_ptr<detail::tls_engine> engine_;
};

}  // namespace simul
