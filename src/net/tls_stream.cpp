#include <simul/net/tls_stream.hpp>

#include <fmt/format.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <cstring>

#include <simul/base/error.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/timeout.hpp>

#include "net/tls_engine.hpp"

namespace simul {
namespace {

constexpr duration goodbye_time_max = std::chrono::seconds(1);

void require(const std::unique_ptr<stream>& below, const tls_context& context, bool server) {
    if (!below)
        throw data_error(fmt::format("tls_stream::{}: there is no stream to speak TLS over",
                                     server ? "server" : "client"));
    if (context.is_server() != server)
        throw std::system_error(make_error_code(errc::wrong_state),
                                server ? "tls_stream::server: this is a context for clients; make one with "
                                         "tls_context::server"
                                       : "tls_stream::client: this is a context for servers; make one with "
                                         "tls_context::client");
}

}  // namespace

tls_stream::tls_stream(std::unique_ptr<detail::tls_engine> engine) noexcept : engine_(std::move(engine)) {}
tls_stream::tls_stream(tls_stream&&) noexcept = default;
tls_stream& tls_stream::operator=(tls_stream&&) noexcept = default;
tls_stream::~tls_stream() = default;

task<tls_stream> tls_stream::client(std::unique_ptr<stream> below, tls_context context, std::string host,
                                    duration handshake_time_max) {
    require(below, context, false);
    co_return co_await shake_hands(
        std::make_unique<detail::tls_engine>(std::move(below), context.state(), std::move(host)),
        handshake_time_max);
}

task<tls_stream> tls_stream::server(std::unique_ptr<stream> below, tls_context context,
                                    duration handshake_time_max) {
    require(below, context, true);
    co_return co_await shake_hands(
        std::make_unique<detail::tls_engine>(std::move(below), context.state(), std::string()),
        handshake_time_max);
}

task<tls_stream> tls_stream::shake_hands(std::unique_ptr<detail::tls_engine> engine, duration time_max) {
    if (!co_await move_on_after(time_max, engine->handshake()))
        throw std::system_error(
            make_error_code(errc::timed_out),
            fmt::format("TLS handshake with {}: no end after {}", engine->name, simul::describe(time_max)));
    tls_stream made(std::move(engine));
    made.bind(detail::loop_access::as_scheduler(this_loop()));
    co_return made;
}

task<tls_stream> tls_stream::connect(std::string host, std::uint16_t port, tls_context context,
                                     tcp_options options) {
    std::unique_ptr<stream> below =
        std::make_unique<tcp_stream>(co_await tcp_stream::connect(host, port, options));
    co_return co_await client(std::move(below), std::move(context), std::move(host));
}

std::string_view tls_stream::protocol() const noexcept {
    if (!engine_) return {};
    const unsigned char* name = nullptr;
    unsigned size = 0;
    ::SSL_get0_alpn_selected(engine_->ssl.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
}
std::string_view tls_stream::version() const noexcept {
    return engine_ ? ::SSL_get_version(engine_->ssl.get()) : "";
}
bool tls_stream::resumed() const noexcept {
    return engine_ != nullptr && ::SSL_session_reused(engine_->ssl.get()) == 1;
}

task<> tls_stream::shutdown_write() {
    require_idle("shut down", true);
    if (!engine_) throw_failure("shut down", -EBADF);
    if (engine_->can_say_goodbye()) co_await engine_->goodbye();
}

task<> tls_stream::close() {
    require_idle("close");
    if (!engine_) co_return;
    const std::unique_ptr<detail::tls_engine> engine = std::move(engine_);
    try {
        if (engine->can_say_goodbye() && !writes_refused())
            co_await move_on_after(goodbye_time_max, engine->goodbye());
    } catch (const std::system_error&) {
        // The connection broke, and it was to end anyway.
    }
    co_await engine->below->close();
}

std::string tls_stream::describe() const {
    return engine_ ? engine_->name + " (TLS)" : std::string("a TLS connection");
}

bool tls_stream::begin_read(detail::io_op& op) noexcept {
    if (engine_) return engine_->begin_read(op);
    op.result = -EBADF;
    return true;
}
void tls_stream::cancel_read(detail::io_op&) noexcept { engine_->cancel_read(); }
bool tls_stream::begin_write(detail::io_op& op) noexcept {
    if (engine_) return engine_->begin_write(op);
    op.result = -EBADF;
    return true;
}
void tls_stream::cancel_write(detail::io_op&) noexcept { engine_->cancel_write(); }

void tls_stream::bound(detail::scheduler& loop) {
    if (engine_) detail::stream_access::bind(*engine_->below, loop);
}

void tls_stream::throw_failure(const char* call, int result) const {
    if (!engine_)
        throw std::system_error(make_error_code(errc::closed), fmt::format("{} {}", call, describe()));
    engine_->throw_failure(call, result, std::strcmp(call, "write to") == 0);
}

}  // namespace simul
