#include <simul/http/transport.hpp>

#include <fmt/format.h>
#include <netdb.h>

#include <optional>
#include <vector>

#include <simul/base/error.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/timeout.hpp>
#include <simul/net/error.hpp>
#include <simul/net/tcp_stream.hpp>
#include <simul/net/tls_stream.hpp>
#include <simul/net/unix_stream.hpp>

#include "http/printable.hpp"

namespace simul::http {

void connect_request::fail(errc code, phase when, std::string_view message, std::error_code cause) const {
    throw error(code, fmt::format("{} {}: {}", method_, to_->safe_string(), message),
                {to_->safe_string(), when, this_loop().now() - began_, cause});
}

void connect_request::fail_timed_out(phase when, duration limit, std::string_view doing) const {
    fail(errc::timed_out, when,
         fmt::format("{} took longer than {} (timeouts::{})", doing, describe(limit), to_string(when)),
         make_error_code(simul::errc::timed_out));
}

namespace {

errc code_of_tls(std::error_code code) noexcept {
    if (code.category() != net_category()) return errc::tls_failed;
    switch (static_cast<net_errc>(code.value())) {
        case net_errc::certificate_expired:
        case net_errc::certificate_not_yet_valid:
        case net_errc::certificate_wrong_host:
        case net_errc::certificate_unknown_ca:
        case net_errc::certificate_refused:
            return errc::certificate_refused;
        default:
            return errc::tls_failed;
    }
}

class socket_transport final : public transport {
  public:
    explicit socket_transport(transport_options options)
        : options_(std::move(options)), names_(options_.names) {}

    task<std::unique_ptr<stream>> connect(const connect_request& what) override {
        std::unique_ptr<stream> made;
        if (options_.unix_socket.empty())
            made = co_await connect_tcp(what);
        else
            made = co_await connect_unix(what);
        if (what.to().scheme() == "https") co_return co_await encrypt(what, std::move(made));
        co_return made;
    }

  private:
    task<std::vector<ip_address>> look_up(const connect_request& what) {
        std::string host(what.to().host());
        try {
            auto found = co_await move_on_after(what.limits().dns, names_.resolve(host));
            if (found) co_return std::move(*found);
        } catch (const std::system_error& e) {
            const bool for_now = e.code() == condition::retry_later;
            what.fail(for_now ? errc::host_lookup_failed : errc::unknown_host, phase::dns, e.what(),
                      e.code());
        }
        what.fail_timed_out(phase::dns, what.limits().dns, fmt::format("looking up {}", host));
    }

    task<tcp_stream> connect_one_of(const connect_request& what, std::vector<ip_address> addresses) {
        std::string tried;
        std::error_code last;
        for (const ip_address& each : addresses) {
            const endpoint to(each, what.to().port_or_default());
            try {
                co_return co_await tcp_stream::connect(to, tcp_options{});
            } catch (const std::system_error& e) {
                if (!tried.empty()) tried += "; ";
                tried += fmt::format("{}: {}", to.to_string(), e.code().message());
                last = e.code();
            }
        }
        what.fail(errc::connect_failed, phase::connect,
                  fmt::format("no connection to {} ({}); does the server run there?", what.to().host_header(),
                              tried),
                  last);
    }

    task<std::unique_ptr<stream>> connect_tcp(const connect_request& what) {
        std::vector<ip_address> addresses = co_await look_up(what);
        auto made = co_await move_on_after(what.limits().connect, connect_one_of(what, std::move(addresses)));
        if (!made)
            what.fail_timed_out(phase::connect, what.limits().connect,
                                fmt::format("connecting to {}", what.to().host_header()));
        co_return std::make_unique<tcp_stream>(std::move(*made));
    }

    task<std::unique_ptr<stream>> connect_unix(const connect_request& what) {
        std::optional<unix_stream> made;
        try {
            made = co_await move_on_after(what.limits().connect, unix_stream::connect(options_.unix_socket));
        } catch (const std::system_error& e) {
            what.fail(errc::connect_failed, phase::connect,
                      fmt::format("no connection to the Unix socket {} ({}); does the server run there?",
                                  options_.unix_socket, e.code().message()),
                      e.code());
        }
        if (!made)
            what.fail_timed_out(phase::connect, what.limits().connect,
                                fmt::format("connecting to {}", options_.unix_socket));
        co_return std::make_unique<unix_stream>(std::move(*made));
    }

    task<std::unique_ptr<stream>> encrypt(const connect_request& what, std::unique_ptr<stream> below) {
        std::optional<tls_stream> made;
        try {
            if (!options_.tls) {
                tls_client_options trust;
                trust.protocols = {"http/1.1"};
                options_.tls = tls_context::client(trust);
            }
            made = co_await move_on_after(what.limits().tls,
                                          tls_stream::client(std::move(below), *options_.tls,
                                                             std::string(what.to().host()), duration::max()));
        } catch (const std::system_error& e) {
            what.fail(code_of_tls(e.code()), phase::tls,
                      e.code().category() == net_category() ? detail::without_code(e) : e.what(), e.code());
        }
        if (!made)
            what.fail_timed_out(phase::tls, what.limits().tls,
                                fmt::format("the TLS handshake with {}", what.to().host_header()));
        co_return std::make_unique<tls_stream>(std::move(*made));
    }

    transport_options options_;
    resolver names_;
};

}  // namespace

std::shared_ptr<transport> make_transport(transport_options options) {
    return std::make_shared<socket_transport>(std::move(options));
}

}  // namespace simul::http
