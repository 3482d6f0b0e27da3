#include <simul/net/error.hpp>

#include <netdb.h>

#include <string>

namespace simul {
namespace {

class net_category_type final : public std::error_category {
  public:
    const char* name() const noexcept override { return "simul.net"; }

    std::string message(int value) const override {
        switch (static_cast<net_errc>(value)) {
            case net_errc::write_canceled:
                return "an earlier write was canceled in the middle; open a new connection";
            case net_errc::truncated:
                return "the connection was cut before its end was announced";
            case net_errc::not_tls:
                return "the peer does not speak TLS";
            case net_errc::no_common_protocol:
                return "no protocol that both sides accept";
            case net_errc::certificate_expired:
                return "certificate expired";
            case net_errc::certificate_not_yet_valid:
                return "certificate not yet valid";
            case net_errc::certificate_wrong_host:
                return "certificate for another host";
            case net_errc::certificate_unknown_ca:
                return "certificate of an unknown authority";
            case net_errc::certificate_refused:
                return "certificate refused";
            case net_errc::refused_by_peer:
                return "refused by the peer";
            case net_errc::tls_failed:
                return "TLS failed";
            case net_errc::bad_credentials:
                return "certificate, key or CA file cannot be used";
            case net_errc::address_in_use_by_other:
                return "the path is in use by something that is not a socket";
        }
        return "unknown error " + std::to_string(value);
    }

    std::error_condition default_error_condition(int value) const noexcept override {
        switch (static_cast<net_errc>(value)) {
            case net_errc::write_canceled:
            case net_errc::truncated:
                return condition::disconnected;
            case net_errc::not_tls:
            case net_errc::bad_credentials:
            case net_errc::address_in_use_by_other:
                return condition::invalid;
            case net_errc::no_common_protocol:
                return condition::unsupported;
            default:
                return {value, *this};
        }
    }
};

class resolver_category_type final : public std::error_category {
  public:
    const char* name() const noexcept override { return "simul.resolver"; }
    std::string message(int value) const override {
        if (value == EAI_NONAME) return "no such host";
        if (value == EAI_NODATA) return "the host has no address";
        if (value == EAI_AGAIN) return "the name servers do not answer; try again later";
        return ::gai_strerror(value);
    }
    std::error_condition default_error_condition(int value) const noexcept override {
        switch (value) {
            case EAI_AGAIN:
            case EAI_MEMORY:
                return condition::retry_later;
            case EAI_FAMILY:
            case EAI_SOCKTYPE:
            case EAI_SERVICE:
                return condition::unsupported;
            default:
                return {value, *this};
        }
    }
};

}  // namespace

const std::error_category& net_category() noexcept {
    static const net_category_type category;
    return category;
}
const std::error_category& resolver_category() noexcept {
    static const resolver_category_type category;
    return category;
}
std::error_code make_error_code(net_errc e) noexcept { return {static_cast<int>(e), net_category()}; }

}  // namespace simul
