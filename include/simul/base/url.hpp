#pragma once

#include <fmt/format.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <simul/base/compiler.hpp>
#include <simul/base/error.hpp>

namespace simul {

/// Thrown for text that is no URL we want to follow. what() names the place and the reason and never shows a
/// user name, a password or a part of the text that may have been meant as one.
class url_error : public data_error {
  public:
    url_error(const std::string& message, std::size_t position) : data_error(message), position_(position) {}
    /// Offset of the offending byte in the text that was parsed.
    std::size_t position() const noexcept { return position_; }

  private:
    std::size_t position_;
};

/// An absolute URL with an authority ("scheme://host/path?query#fragment"): a value, always valid, compared
/// as text.
///
/// Parsing follows RFC 3986, strictly where lenience has led programs to the wrong host: control bytes,
/// backslashes, a second '@', percent-encoded or non-ASCII host names, ports that are no number from 1 to
/// 65535, and IPv4 addresses in other forms than four decimal numbers are refused. What may not stand in a
/// URL as it is but has one clear meaning is percent-encoded: spaces, quotes, brackets, `|`, non-ASCII text.
/// Scheme and host become lower case, the default port and dot segments ("/a/../b", also written "%2e%2e")
/// are removed; other percent-encoding stays as it was written.
///
/// User name and password are kept apart from the text: printing a URL never shows them.
class url {
  public:
    /// Longest text that is accepted, in bytes.
    static constexpr std::size_t size_max = 65536;

    /// Throws: url_error.
    url(std::string_view text);  // NOLINT(google-explicit-constructor): a URL is written as text everywhere
    url(const std::string& text) : url(std::string_view(text)) {}
    url(const char* text) : url(std::string_view(text)) {}

    /// As the constructor, but an expected failure is an empty optional.
    static std::optional<url> try_parse(std::string_view text);

    // --- the parts
    // ---------------------------------------------------------------------------------------------- Lifetime
    // of every string_view: as long as this url is neither changed nor destroyed.

    /// Lower case, without the colon: "https".
    std::string_view scheme() const noexcept { return part(0, scheme_size_); }

    /// Host name in lower case, IPv4 address, or IPv6 address without brackets in its shortest form; with a
    /// zone as "fe80::1%eth0". Empty only for schemes other than http, https, ws and wss
    /// ("unix:///run/redis.sock").
    std::string_view host() const noexcept { return host_; }

    /// The port, if the text had one other than the scheme's default.
    std::optional<std::uint16_t> port() const noexcept;
    /// The port, or the default one of http, https, ws, wss, redis and rediss, or 0.
    std::uint16_t port_or_default() const noexcept;

    /// "HOST" or "HOST:PORT" as the Host header wants it: IPv6 in brackets, no zone, no default port.
    std::string host_header() const;

    /// Percent-encoded; begins with '/' for http, https, ws, wss and may be empty for other schemes.
    std::string_view path() const noexcept { return part(path_begin_, path_end_); }
    /// The path with percent-encoding undone, for schemes whose path is a file name.
    /// Throws: url_error if it contains %00, which would cut the name short.
    std::string decoded_path() const;
    /// The decoded segments of the path: "/a/b%2Fc/" gives "a", "b/c", "".
    std::vector<std::string> segments() const;

    bool has_query() const noexcept { return path_end_ < query_end_; }
    /// Percent-encoded, without the question mark.
    std::string_view query() const noexcept {
        return has_query() ? part(path_end_ + 1, query_end_) : std::string_view();
    }
    /// The decoded pairs of the query in their order; '+' and "%20" are spaces; a name without '=' has an
    /// empty value.
    std::vector<std::pair<std::string, std::string>> query_pairs() const;
    /// The decoded value of the first pair of this name.
    std::optional<std::string> query_value(std::string_view name) const;

    bool has_fragment() const noexcept { return query_end_ < text_.size(); }
    std::string_view fragment() const noexcept {
        return has_fragment() ? part(query_end_ + 1, text_.size()) : std::string_view();
    }

    /// Path and query, for the first line of an HTTP request: "/r/python/top.json?limit=5".
    std::string_view target() const noexcept { return part(path_begin_, query_end_); }

    bool has_userinfo() const noexcept { return userinfo_.has_value(); }
    /// Decoded; empty if there is none.
    std::string user() const;
    /// Decoded; no value if there is none ("redis://user@host"), which differs from an empty one
    /// ("redis://user:@host").
    std::optional<std::string> password() const;

    /// The text without user name and password. Safe in logs and messages; streams and fmt print this too.
    const std::string& safe_string() const noexcept { return text_; }
    /// The text with user name and password: not for logs, messages or command lines.
    std::string string_with_userinfo() const;

    // --- building: each gives a new url and leaves this one alone
    // ------------------------------------------------

    /// Appends one segment to the path and keeps query and fragment: `base / "r" / name / "top.json"`.
    ///
    /// The segment is data: '/', '?', '%' and everything else that has a meaning is encoded, so it cannot
    /// leave its place. An empty segment gives a path that ends with '/'. Throws: url_error for "." and "..",
    /// which no encoding makes harmless.
    friend url operator/(const url& base, std::string_view segment) { return base.append_segment(segment); }
    friend url operator/(const url& base, const std::string& segment) { return base.append_segment(segment); }
    friend url operator/(const url& base, const char* segment) { return base.append_segment(segment); }
    template <std::integral N>
        requires(!std::same_as<N, bool> && !std::same_as<N, char>)
    friend url operator/(const url& base, N segment) {
        return base.append_segment(fmt::format("{}", segment));
    }

    /// Appends the pair "name=value" to the query, both encoded. The value is text, a number, or a bool
    /// ("true", "false").
    template <class Value>
    [[nodiscard]] url query(std::string_view name, const Value& value) const {
        if constexpr (std::is_convertible_v<const Value&, std::string_view>) {
            return append_pair(name, value);
        } else {
            static_assert(
                std::is_arithmetic_v<Value>,
                "a value in a query is text, a number or a bool: convert yours to std::string first");
            return append_pair(name, fmt::format("{}", value));
        }
    }

    [[nodiscard]] url with_scheme(std::string_view scheme) const;
    /// `host` as in a URL: a name, an IPv4 address or an IPv6 address in brackets.
    [[nodiscard]] url with_host(std::string_view host) const;
    [[nodiscard]] url with_port(std::uint16_t port) const;
    /// `path` is percent-encoded text that begins with '/'; what may not stand in it, '?' and '#' included,
    /// is encoded.
    [[nodiscard]] url with_path(std::string_view path) const;
    /// `query` is percent-encoded text without the question mark; '#' in it is encoded.
    [[nodiscard]] url with_query(std::string_view query) const;
    [[nodiscard]] url without_query() const;
    [[nodiscard]] url with_fragment(std::string_view fragment) const;
    [[nodiscard]] url without_fragment() const;
    /// Plain text, not encoded.
    [[nodiscard]] url with_userinfo(std::string_view user,
                                    std::optional<std::string_view> password = {}) const;
    [[nodiscard]] url without_userinfo() const;

    // --- following references
    // -------------------------------------------------------------------------------------

    /// The URL that `reference`, found in a document at this URL, means (RFC 3986, section 5).
    /// Throws: url_error.
    [[nodiscard]] url resolve(std::string_view reference) const;

    /// The URL that the Location header of an answer from this URL means: as resolve(), but a location that
    /// brings a user name is refused, this url's own user name and password stay only within its origin, and
    /// the fragment is inherited (RFC 9110, 10.2.2). Throws: url_error.
    [[nodiscard]] url redirected_to(std::string_view location) const;

    /// "https://example.org:8443": scheme, host and port, the port only where it is not the default.
    std::string origin() const;
    bool same_origin(const url& other) const noexcept;

    friend bool operator==(const url&, const url&) = default;

  private:
    struct parts;
    explicit url(const parts& p);
    static parts parse(std::string_view text);
    parts take_apart() const;
    url append_segment(std::string_view segment) const;
    url append_pair(std::string_view name, std::string_view value) const;

    std::string_view part(std::size_t begin, std::size_t end) const noexcept {
        return std::string_view(text_).substr(begin, end - begin);
    }

    std::string text_;                     // everything but the userinfo
    std::optional<std::string> userinfo_;  // encoded: "user" or "user:password"
    std::string host_;
    std::uint32_t scheme_size_ = 0;
    std::uint32_t path_begin_ = 0;
    std::uint32_t path_end_ = 0;   // where '?' stands, if there is a query
    std::uint32_t query_end_ = 0;  // where '#' stands, if there is a fragment
    std::uint16_t port_ = 0;       // 0: the default one
};

/// Prints safe_string().
std::ostream& operator<<(std::ostream& out, const url& u);

/// Percent-encodes everything but letters, digits, '-', '.', '_' and '~'.
std::string percent_encode(std::string_view text);

/// Undoes percent-encoding. Throws: url_error at a '%' that two hex digits do not follow.
std::string percent_decode(std::string_view text);

}  // namespace simul

/// Formats safe_string().
template <>
struct fmt::formatter<simul::url> : fmt::formatter<std::string_view> {
    template <class Context>
    auto format(const simul::url& u, Context& context) const {
        return fmt::formatter<std::string_view>::format(u.safe_string(), context);
    }
};
