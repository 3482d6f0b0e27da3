#include <array>
#include <simul/http/wire/chars.hpp>
#include <simul/http/wire/error.hpp>
#include <simul/http/wire/method.hpp>

namespace simul::http {
namespace {

constexpr std::array<std::string_view, 9> names = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                                   "CONNECT", "OPTIONS", "TRACE", "PATCH"};

}  // namespace

method::method(std::string_view token) : id_(extension) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == token) {
            id_ = static_cast<known>(i);
            return;
        }
    }
    const std::size_t bad = detail::find_not(token, detail::token_char);
    if (token.empty() || token.size() > token_bytes_max || bad != token.npos) {
        throw wire_error(wire_errc::invalid_method, bad == token.npos ? 0 : bad,
                         "method \"" + detail::printable(token) + "\" is not a token of 1 to 32 bytes");
    }
    token_ = token;
}

std::string_view method::name() const noexcept {
    return id_ == extension ? std::string_view(token_) : names[static_cast<std::size_t>(id_)];
}

bool method::is_safe() const noexcept { return id_ == get || id_ == head || id_ == options || id_ == trace; }

bool method::is_idempotent() const noexcept { return is_safe() || id_ == put || id_ == delete_; }

}  // namespace simul::http
