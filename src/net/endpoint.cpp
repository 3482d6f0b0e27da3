#include <simul/net/endpoint.hpp>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "net/socket_address.hpp"

namespace simul {
namespace {

/// Text from outside in an error message: short, and without control bytes.
std::string shown(std::string_view text) {
    constexpr std::size_t shown_max = 80;
    std::string out;
    for (char c : text.substr(0, shown_max)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f)
            out += fmt::format("\\x{:02x}", byte);
        else
            out += c;
    }
    if (text.size() > shown_max) out += "...";
    return out;
}

template <class Number>
std::optional<Number> number(std::string_view text) noexcept {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace

ip_address ip_address::v4(std::array<std::uint8_t, 4> bytes) noexcept {
    ip_address a;
    std::copy(bytes.begin(), bytes.end(), a.bytes_.begin());
    return a;
}
ip_address ip_address::v6(std::array<std::uint8_t, 16> bytes, std::uint32_t scope) noexcept {
    ip_address a;
    a.v6_ = true;
    a.bytes_ = bytes;
    a.scope_ = scope;
    return a;
}

std::optional<ip_address> ip_address::try_parse(std::string_view text) noexcept {
    char copy[INET6_ADDRSTRLEN + 1];
    std::uint32_t scope = 0;
    std::string_view address = text;
    if (const auto percent = text.find('%'); percent != text.npos) {
        address = text.substr(0, percent);
        const std::string_view name = text.substr(percent + 1);
        char interface[IF_NAMESIZE];
        if (const auto known = number<std::uint32_t>(name)) {
            scope = *known;
        } else {
            if (name.empty() || name.size() >= sizeof interface) return std::nullopt;
            std::memcpy(interface, name.data(), name.size());
            interface[name.size()] = '\0';
            scope = ::if_nametoindex(interface);
        }
        if (scope == 0 || address.find(':') == address.npos) return std::nullopt;
    }
    if (address.empty() || address.size() >= sizeof copy || address.find('\0') != address.npos)
        return std::nullopt;
    std::memcpy(copy, address.data(), address.size());
    copy[address.size()] = '\0';
    if (address.find(':') != address.npos) {
        std::array<std::uint8_t, 16> bytes{};
        if (::inet_pton(AF_INET6, copy, bytes.data()) != 1) return std::nullopt;
        return v6(bytes, scope);
    }
    std::array<std::uint8_t, 4> bytes{};
    if (::inet_pton(AF_INET, copy, bytes.data()) != 1) return std::nullopt;
    return v4(bytes);
}

ip_address ip_address::parse(std::string_view text) {
    if (auto address = try_parse(text)) return *address;
    throw data_error(fmt::format("'{}' is not an IP address (10.0.0.1, ::1, fe80::1%eth0)", shown(text)));
}

bool ip_address::is_loopback() const noexcept {
    if (!v6_) return bytes_[0] == 127;
    const auto zero = [this](std::size_t count) {
        return std::all_of(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(count),
                           [](std::uint8_t b) { return b == 0; });
    };
    if (zero(15) && bytes_[15] == 1) return true;
    return zero(10) && bytes_[10] == 0xff && bytes_[11] == 0xff && bytes_[12] == 127;
}

bool ip_address::is_any() const noexcept {
    return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t b) { return b == 0; });
}

std::string ip_address::to_string() const {
    char text[INET6_ADDRSTRLEN];
    if (::inet_ntop(v6_ ? AF_INET6 : AF_INET, bytes_.data(), text, sizeof text) == nullptr) return "?";
    std::string result = text;
    if (scope_ != 0) {
        char interface[IF_NAMESIZE];
        result += '%';
        result +=
            ::if_indextoname(scope_, interface) != nullptr ? std::string(interface) : std::to_string(scope_);
    }
    return result;
}

endpoint endpoint::parse(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon != text.npos) {
        std::string_view host = text.substr(0, colon);
        const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
        if (bracketed) host = host.substr(1, host.size() - 2);
        const auto address = ip_address::try_parse(host);
        const auto port = number<std::uint16_t>(text.substr(colon + 1));
        if (address && port && address->is_v6() == bracketed) return {*address, *port};
    }
    throw data_error(fmt::format("'{}' is not an address with a port (10.0.0.1:80, [::1]:80)", shown(text)));
}

std::string endpoint::to_string() const {
    if (address.is_v6()) return fmt::format("[{}]:{}", address.to_string(), port);
    return fmt::format("{}:{}", address.to_string(), port);
}

namespace detail {

socket_address::socket_address(const endpoint& at) noexcept {
    if (at.address.is_v6()) {
        auto& to = reinterpret_cast<sockaddr_in6&>(storage);
        to.sin6_family = AF_INET6;
        to.sin6_port = htons(at.port);
        to.sin6_scope_id = at.address.scope();
        std::memcpy(&to.sin6_addr, at.address.bytes().data(), 16);
        size = sizeof to;
    } else {
        auto& to = reinterpret_cast<sockaddr_in&>(storage);
        to.sin_family = AF_INET;
        to.sin_port = htons(at.port);
        std::memcpy(&to.sin_addr, at.address.bytes().data(), 4);
        size = sizeof to;
    }
}

socket_address::socket_address(std::string_view unix_path) {
    auto& to = reinterpret_cast<sockaddr_un&>(storage);
    const bool abstract = !unix_path.empty() && unix_path.front() == '@';
    if (unix_path.empty() || (!abstract && unix_path.find('\0') != unix_path.npos))
        throw data_error("the path of a Unix socket is empty or contains a zero byte");
    if (unix_path.size() >= sizeof to.sun_path)
        throw data_error(
            fmt::format("the path of the Unix socket {} has {} bytes; the system allows {}: use a shorter "
                        "folder, or a path relative to the current one",
                        shown(unix_path), unix_path.size(), sizeof to.sun_path - 1));
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, unix_path.data(), unix_path.size());
    if (abstract) to.sun_path[0] = '\0';
    size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + unix_path.size() + (abstract ? 0 : 1));
}

endpoint socket_address::to_endpoint() const noexcept {
    if (family() == AF_INET6) {
        const auto& from = reinterpret_cast<const sockaddr_in6&>(storage);
        std::array<std::uint8_t, 16> bytes{};
        std::memcpy(bytes.data(), &from.sin6_addr, 16);
        return {ip_address::v6(bytes, from.sin6_scope_id), ntohs(from.sin6_port)};
    }
    if (family() == AF_INET) {
        const auto& from = reinterpret_cast<const sockaddr_in&>(storage);
        std::array<std::uint8_t, 4> bytes{};
        std::memcpy(bytes.data(), &from.sin_addr, 4);
        return {ip_address::v4(bytes), ntohs(from.sin_port)};
    }
    return {};
}

endpoint local_endpoint_of(int fd) noexcept {
    socket_address at;
    return ::getsockname(fd, at.data(), &at.size) == 0 ? at.to_endpoint() : endpoint{};
}
endpoint peer_endpoint_of(int fd) noexcept {
    socket_address at;
    return ::getpeername(fd, at.data(), &at.size) == 0 ? at.to_endpoint() : endpoint{};
}

}  // namespace detail
}  // namespace simul
