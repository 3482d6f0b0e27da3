#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace simul::http {

/// A request method: one of the nine of RFC 9110 and RFC 5789, or an extension token such as "QUERY".
///
/// A value; the nine cost no allocation. Methods are case-sensitive: "get" is an extension token, not GET.
class method {
  public:
    enum known : std::uint8_t { get, head, post, put, delete_, connect, options, trace, patch, extension };

    /// `id` must not be `extension`, which has no name of its own.
    method(known id = get) noexcept : id_(id) {}

    /// Throws: wire_error (invalid_method) if `token` is not a token of at most `token_bytes_max` bytes.
    explicit method(std::string_view token);

    static constexpr std::size_t token_bytes_max = 32;

    known id() const noexcept { return id_; }
    std::string_view name() const noexcept;

    /// Asks for nothing to be changed (RFC 9110, 9.2.1). Extension methods are taken as unsafe.
    bool is_safe() const noexcept;
    /// May be sent again after a lost answer (RFC 9110, 9.2.2). Extension methods are taken as not
    /// idempotent.
    bool is_idempotent() const noexcept;

    friend bool operator==(const method& a, const method& b) noexcept {
        return a.id_ == b.id_ && a.token_ == b.token_;
    }

  private:
    known id_;
    std::string token_;  // only for extension
};

}  // namespace simul::http
