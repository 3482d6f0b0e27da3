#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <simul/base/error.hpp>

namespace simul {

/// An IPv4 or IPv6 address, with its scope ("fe80::1%eth0"). A value; the default is 0.0.0.0.
class ip_address {
  public:
    ip_address() = default;

    /// Reads an address in its usual form: four decimal numbers, or IPv6 with an optional "%scope" (name or
    /// number of an interface). Brackets, octal and shortened IPv4 ("127.1") are not accepted. Throws
    /// data_error.
    static ip_address parse(std::string_view text);
    /// The same; nothing instead of an error.
    static std::optional<ip_address> try_parse(std::string_view text) noexcept;

    static ip_address v4(std::array<std::uint8_t, 4> bytes) noexcept;
    static ip_address v6(std::array<std::uint8_t, 16> bytes, std::uint32_t scope = 0) noexcept;
    static ip_address loopback_v4() noexcept { return v4({127, 0, 0, 1}); }
    static ip_address loopback_v6() noexcept { return v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}); }
    static ip_address any_v4() noexcept { return v4({}); }
    static ip_address any_v6() noexcept { return v6({}); }

    bool is_v4() const noexcept { return !v6_; }
    bool is_v6() const noexcept { return v6_; }
    /// 127.0.0.0/8, ::1 and their IPv4-mapped forms.
    bool is_loopback() const noexcept;
    bool is_any() const noexcept;
    /// The first 4 (IPv4) or all 16 bytes, in network order.
    const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }
    /// Number of the interface that a link-local address belongs to; 0: none.
    std::uint32_t scope() const noexcept { return scope_; }

    std::string to_string() const;

    friend bool operator==(const ip_address&, const ip_address&) = default;
    friend std::strong_ordering operator<=>(const ip_address&, const ip_address&) = default;

  private:
    bool v6_ = false;
    std::uint32_t scope_ = 0;
    std::array<std::uint8_t, 16> bytes_{};
};

/// An address and a port: one end of a TCP connection. A value.
struct endpoint {
    ip_address address;
    std::uint16_t port = 0;

    endpoint() = default;
    endpoint(ip_address at, std::uint16_t number) noexcept : address(at), port(number) {}

    /// Reads "10.0.0.1:80" or "[::1]:80". Throws data_error.
    static endpoint parse(std::string_view text);

    std::string to_string() const;

    friend bool operator==(const endpoint&, const endpoint&) = default;
    friend std::strong_ordering operator<=>(const endpoint&, const endpoint&) = default;
};

}  // namespace simul
