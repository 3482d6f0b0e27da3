#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <simul/base/time.hpp>
#include <simul/http/wire/headers.hpp>

namespace simul::http {

/// Why a request came to nothing.
enum class errc {
    invalid_request = 1,  ///< It cannot be sent as it is (scheme, header, body). condition::invalid
    unknown_host,         ///< There is no such host.
    host_lookup_failed,   ///< The look-up of the host failed for now. condition::retry_later
    connect_failed,       ///< No address of the host took the connection. condition::retry_later
    certificate_refused,  ///< The server's certificate is not good for this host; cause() says why.
    tls_failed,           ///< TLS did not come about for another reason; cause() says which.
    timed_out,            ///< A limit of `timeouts` passed; when() says which. condition::timed_out
    connection_lost,      ///< The connection ended before the response did. condition::disconnected
    malformed_response,   ///< What came is not HTTP, or can be read in two ways. condition::invalid
    response_too_large,   ///< A limit on the size of the response was reached; the message names it.
    corrupt_content,      ///< The compressed body is damaged, or coded in a way not known here.
    decompression_bomb,   ///< The compressed body becomes too large; the message names the limit.
    too_many_redirects,   ///< redirect_options::redirects_max
    refused_redirect,     ///< A redirect that must not be followed; the message says why.
    body_not_repeatable,  ///< The body was a stream that is used up, and has to be sent again.
    invalid_content,      ///< The body is not what was asked for (JSON). condition::invalid
    bad_status,           ///< throw_for_status: the status is 400 or above.
    overloaded,           ///< The same for 429 and 503. condition::retry_later
    closed,               ///< The client, or this response, was closed on this side.
};

/// The category of `errc`, named "simul.http".
const std::error_category& http_category() noexcept;
std::error_code make_error_code(errc code) noexcept;

/// The part of a request that an error or a time limit belongs to.
enum class phase : std::uint8_t {
    none,
    pool,        ///< waiting for a free connection
    dns,         ///< looking up the host
    connect,     ///< TCP or Unix socket
    tls,         ///< the handshake
    write,       ///< sending the request
    first_byte,  ///< waiting for the response to begin
    read_idle,   ///< reading the response
    total,       ///< all of it
};

/// As the field of `timeouts` is called: "first_byte".
std::string_view to_string(phase p) noexcept;

/// What a request that failed throws.
///
/// what() is one sentence: "GET http://a.test/x: no response began within 5 s (timeouts::first_byte)".
/// User names and passwords never appear in it.
class error : public std::system_error {
  public:
    struct details {
        std::string url;  ///< without user name and password
        phase when = phase::none;
        duration elapsed{};       ///< since the request was made
        std::error_code cause{};  ///< what was reported from below, if anything was
    };

    error(errc code, const std::string& message, details more);

    const char* what() const noexcept override { return message_.what(); }
    errc reason() const noexcept { return static_cast<errc>(code().value()); }
    /// Lifetime of the string: as long as this exception.
    const std::string& url() const noexcept { return details_->url; }
    phase when() const noexcept { return details_->when; }
    duration elapsed() const noexcept { return details_->elapsed; }
    std::error_code cause() const noexcept { return details_->cause; }

  private:
    std::runtime_error message_;  // copies of an exception must not throw
    std::shared_ptr<const details> details_;
};

/// What response::throw_for_status throws: the server answered, but not with success.
class status_error : public error {
  public:
    struct answer {
        std::string method;
        int status = 0;
        http::headers fields;    // qualified: below, headers() is a member
        std::string body_start;  ///< the first bytes of the body, at most `body_start_bytes_max`
    };
    static constexpr std::size_t body_start_bytes_max = 512;

    status_error(answer what_came, details more);

    int status() const noexcept { return answer_->status; }
    const std::string& method() const noexcept { return answer_->method; }
    const http::headers& headers() const noexcept { return answer_->fields; }
    const std::string& body_start() const noexcept { return answer_->body_start; }

  private:
    std::shared_ptr<const answer> answer_;
};

}  // namespace simul::http

template <>
struct std::is_error_code_enum<simul::http::errc> : std::true_type {};
