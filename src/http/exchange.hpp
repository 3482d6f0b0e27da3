#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <simul/core/task.hpp>
#include <simul/http/client.hpp>
#include <simul/http/wire/content_decoder.hpp>
#include <simul/http/wire/parser.hpp>

#include "http/pool.hpp"

namespace simul::http::detail {

/// A request as its builder collects it.
struct outgoing {
    outgoing(std::shared_ptr<client_state> from, http::method with, url where, const http::headers& defaults,
             const http::timeouts& limits_from, redirect_options redirects_from, std::uint64_t bytes_max)
        : client(std::move(from)),
          how(std::move(with)),
          to(std::move(where)),
          fields(defaults),
          limits(limits_from),
          redirects(redirects_from),
          response_bytes_max(bytes_max) {}

    std::shared_ptr<client_state> client;
    http::method how;
    url to;
    std::string query;
    http::headers fields;  ///< begins with a Host that is filled in when it is sent
    std::vector<std::string> sensitive;
    bool own_host = false;

    std::string body;
    std::optional<async_generator<std::string>> pieces;
    std::optional<std::uint64_t> pieces_size;
    bool has_body = false;
    bool pieces_begun = false;
    bool expect_continue = false;

    http::timeouts limits;
    redirect_options redirects;
    std::uint64_t response_bytes_max;

    time_point began{};
    time_point latest = time_point::max();
};

/// A response that comes in.
class incoming {
  public:
    explicit incoming(std::unique_ptr<outgoing> what) noexcept : request(std::move(what)) {}
    incoming(const incoming&) = delete;
    incoming& operator=(const incoming&) = delete;
    ~incoming() { drop(); }

    /// Sends the request and reads the head of the response, through redirects.
    task<> open();
    /// The next piece of the decoded body; empty at the end.
    task<std::string_view> next_piece();
    /// The whole body, up to the request's limit.
    task<std::string> read_whole(std::uint64_t bytes_max);
    /// The rest is not wanted.
    void drop() noexcept;
    void close() noexcept;

    std::shared_ptr<const exchange_info> make_info();

    std::unique_ptr<outgoing> request;
    response_head head;
    std::shared_ptr<exchange_info> info;

    [[noreturn]] void fail(errc code, phase when, std::string_view message, std::error_code cause = {}) const;

  private:
    enum class tried { answered, dead };

    task<> send_once();
    task<> connect();
    task<tried> exchange(bool reused);
    task<bool> send_body(pooled_connection& on);
    task<bool> read_head(pooled_connection& on, phase when);
    task<bool> wait_for_continue(pooled_connection& on);
    void write_head(std::string& out);
    void begin_body();
    bool follow_redirect();
    wire_event parse(pooled_connection& on);
    [[noreturn]] void fail_timed_out(phase when, duration limit, std::string_view doing) const;
    [[noreturn]] void fail_wire(const wire_error& e, phase when) const;
    duration elapsed() const noexcept;
    bool finish_body() noexcept;

    lease lease_;
    std::optional<content_decoder> decoder_;
    std::string_view undecoded_;    // of the connection's input, held while the decoder works on it
    std::uint64_t received_ = 0;    // of the body, as transferred
    bool body_open_ = false;        // the end of the message was not seen yet
    bool broken_ = false;           // the connection cannot be used again
    bool wrote_ = false;            // some of the request has left
    bool head_came_early_ = false;  // the response began before the request was sent
    std::vector<url> redirects_;
    bool reused_ = false;
};

class client_state final : public std::enable_shared_from_this<client_state> {
  public:
    explicit client_state(client_options options);
    ~client_state() { connections->close(); }

    const client_options& options() const noexcept { return connections->options(); }

    std::shared_ptr<pool> connections;
    std::shared_ptr<http::transport> transport;
    http::headers defaults;
};

}  // namespace simul::http::detail
