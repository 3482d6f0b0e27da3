#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <simul/http/wire/error.hpp>
#include <simul/http/wire/head_reader.hpp>
#include <simul/http/wire/headers.hpp>
#include <simul/http/wire/method.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace simul::http {

/// How much of what a peer may send. Lines are measured as they arrived, however they were cut into packets.
struct parser_limits {
    static constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

    std::size_t start_line_bytes_max = 8 * 1024;  ///< request or status line, without CR LF
    std::size_t header_bytes_max = 8 * 1024;      ///< one header or trailer line, without CR LF
    std::size_t headers_bytes_max = 64 * 1024;    ///< all headers of a message; and again all trailers
    std::size_t headers_max = 100;                ///< number of headers and trailers of a message together
    std::size_t chunk_line_bytes_max = 1024;      ///< one chunk size line with its extensions, without CR LF
    std::size_t chunk_extension_bytes_max = 8 * 1024;  ///< all chunk extensions of a message
    std::uint64_t body_bytes_max = unlimited;  ///< body of a message, as transferred (still compressed)
    std::size_t interim_responses_max = 8;     ///< 1xx responses before the final one
};

/// What `next` found.
enum class wire_event {
    need_input,  ///< nothing more in what was given
    head,        ///< start line and headers are in `head()`
    body,        ///< a piece of the body is in `body()`
    end,  ///< the message is complete; trailers are in `trailers()`, and `keep_alive()` tells about the rest
    upgrade,  ///< what follows is another protocol (CONNECT, 101); the rest of the input was left alone
    closed,   ///< only from `finish`: the connection ended between two messages
};

/// Start line and headers of a request.
struct request_head {
    http::method method;
    std::string target;     ///< as sent: "/path?query", "*", "host:port" for CONNECT, or "http://host/path"
    int version_minor = 1;  ///< of HTTP/1
    http::headers headers;
    std::optional<std::uint64_t> content_length;
    bool chunked = false;
    bool keep_alive = true;        ///< the client will take another response on this connection
    bool expect_continue = false;  ///< the client waits for 100 before it sends the body
    bool upgrade = false;  ///< the client offers another protocol in Upgrade; HTTP goes on if it is not taken
};

/// Status line and headers of a response.
struct response_head {
    int status = 0;
    std::string reason;     ///< as sent; may be empty and means nothing
    int version_minor = 1;  ///< of HTTP/1
    http::headers headers;
    std::optional<std::uint64_t> content_length;  ///< of the body that follows; empty also if none can follow
    bool chunked = false;
    bool keep_alive = true;  ///< the server will answer another request on this connection

    /// 1xx but 101: another response to the same request follows.
    bool is_interim() const noexcept { return status < 200 && status != 101; }
};

namespace detail {

/// What requests and responses share: the body, its framing and the life of the connection.
class message_parser {
  public:
    /// Takes bytes from the front of `input` until something happened, and says what.
    ///
    /// Call it with what is unread of the connection until it answers `need_input`; then read more. It takes
    /// all of a message's bytes and none behind it, so a pipelined message or another protocol stays in
    /// `input`. Throws: wire_error. The message cannot be trusted from then on: every later call throws the
    /// same again, and the connection must be closed after the answer (see `status_for`).
    wire_event next(std::string_view& input);

    /// The peer will send no more. Gives `end` if that ends a message, `closed` between messages, and throws
    /// wire_error (truncated) inside one.
    wire_event finish();

    /// The piece of the body of the last `body` event. Lifetime: that of the input given to `next`.
    std::string_view body() const noexcept { return body_; }

    /// The fields after a chunked body, never mixed with the headers. Lifetime: until the next `head`.
    const headers& trailers() const noexcept { return trailers_; }

    /// Whether another message may follow on this connection.
    bool keep_alive() const noexcept { return keep_alive_; }

    /// Changes the limit for the body that comes; call it after `head`, for example for one route of a
    /// server.
    void set_body_limit(std::uint64_t bytes_max) noexcept { limits_.body_bytes_max = bytes_max; }

    /// Bytes taken since the start of the message.
    std::uint64_t position() const noexcept { return position_; }

    /// Whether nothing of a message has arrived yet, so that the connection may be closed without loss.
    bool idle() const noexcept { return state_ == state::head && !reader_.started(); }

  protected:
    enum class framing { none, sized, chunked, until_close, tunnel };

    explicit message_parser(head_reader::block kind, const parser_limits& limits)
        : limits_(limits), kind_(kind) {}
    ~message_parser() = default;
    message_parser(const message_parser&) = delete;
    message_parser& operator=(const message_parser&) = delete;

    /// Reads the block in `reader()` and says what follows it.
    virtual framing read_head() = 0;
    const head_reader& reader() const noexcept { return reader_; }
    const parser_limits& limits() const noexcept { return limits_; }
    [[noreturn]] void fail(wire_errc code, std::uint64_t position, std::string_view what) const;

    /// Transfer-Encoding, Content-Length and Connection, which mean the same in both directions.
    struct framing_fields {
        bool chunked = false;
        std::optional<std::uint64_t> content_length;
        bool keep_alive = false;
    };
    framing_fields read_framing(int version_minor) const;

    bool keep_alive_ = true;
    std::uint64_t length_ = 0;  // framing::sized: all of the body
    bool interim_ = false;      // the message is followed by another for the same exchange

  private:
    enum class state {
        head,
        sized,
        chunk_line,
        chunk_data,
        chunk_end,
        trailers,
        until_close,
        ending,
        closed,
        upgraded
    };

    wire_event advance(std::string_view& input);
    void drop(std::string_view& input, std::size_t size) noexcept;
    bool take_block(head_reader::block kind, std::string_view& input);
    void take_body(std::string_view& input);
    void begin_message();
    bool take_chunk_line(std::string_view& input);
    void read_chunk_line(std::string_view line);

    parser_limits limits_;
    head_reader::block kind_;
    head_reader reader_;
    state state_ = state::head;
    std::uint64_t position_ = 0;
    std::uint64_t remaining_ = 0;   // of the sized body or of the chunk
    std::uint64_t body_bytes_ = 0;  // of the whole body so far
    std::size_t extension_bytes_ = 0;
    std::string chunk_line_;
    std::string_view body_;
    headers trailers_;
    std::optional<wire_error> failure_;
};

}  // namespace detail

/// Reads the requests of one connection: bytes in, events out; it does no I/O and never waits.
///
/// One object serves all messages of a connection and keeps its memory: in steady state a request costs no
/// allocation, or two if the headers are moved out of `head()`.
/// Anything that two programs could read in two ways is refused (RFC 9112 with none of its tolerances but one
/// empty line before the request line); parser.cpp tells how.
class request_parser final : public detail::message_parser {
  public:
    explicit request_parser(const parser_limits& limits = {})
        : message_parser(detail::head_reader::block::request, limits) {}

    /// Valid from `head` to the next call after `end`. May be moved from.
    request_head& head() noexcept { return head_; }

  private:
    framing read_head() override;
    request_head head_;
};

/// Reads the responses of one connection. As `request_parser`; it must be told what was asked.
class response_parser final : public detail::message_parser {
  public:
    explicit response_parser(const parser_limits& limits = {})
        : message_parser(detail::head_reader::block::response, limits) {}

    /// The next response answers a request with this method (the answer to HEAD has no body, CONNECT opens a
    /// tunnel).
    void expect(const method& request_method) noexcept {
        asked_head_ = request_method == method::head;
        asked_connect_ = request_method == method::connect;
        interim_seen_ = 0;
    }

    /// Valid from `head` to the next call after `end`. May be moved from.
    response_head& head() noexcept { return head_; }

  private:
    framing read_head() override;
    response_head head_;
    std::size_t interim_seen_ = 0;
    bool asked_head_ = false;
    bool asked_connect_ = false;
};

}  // namespace simul::http
