#pragma once

#include <simul/base/time.hpp>
#include <simul/core/task.hpp>
#include <simul/net/tls_context.hpp>
#include <simul/redis/error.hpp>
#include <simul/redis/resp.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace simul::redis {

/// The sentinels that know which of several servers is the primary one now.
///
/// They are asked in order, for each new connection, until one knows; so after a failover the next connection
/// goes to the new primary. A server that calls itself a replica is not used: client_errc::no_primary.
struct sentinel_options {
    struct address {
        std::string host;
        std::uint16_t port = 26379;
    };
    std::vector<address> addresses{};
    std::string primary{};  ///< The name by which they watch it, as in `sentinel monitor NAME`.
    std::string user{};     ///< For the sentinels themselves, where they ask for it.
    std::string password{};
    /// Longest wait for one of them; then the next one is asked.
    std::chrono::milliseconds answer_timeout{1'000};
};

/// Where a server is and how it is talked to.
struct client_options {
    std::string host = "localhost";
    std::uint16_t port = 6379;
    std::string socket{};  ///< Path of a Unix socket, instead of host and port.
    /// Talk TLS to host and port; the certificate must be one for `host`. Default: plain TCP.
    std::optional<tls_context> tls{};
    /// Ask these where the server is, instead of host and port. With `tls` they are talked to over TLS too.
    std::optional<sentinel_options> sentinel{};
    std::string user{};
    std::string password{};  ///< Never shown in messages.
    int database = 0;
    std::chrono::milliseconds connect_timeout{5'000};
    /// Longest wait for an answer; then the connection counts as dead.
    std::chrono::milliseconds command_timeout{30'000};
    /// Most commands that wait for an answer at once.
    std::size_t pending_max = 100'000;
    /// Idle connections kept for calls that block.
    std::size_t blocking_idle_max = 8;
    resp_limits limits{};

    /// "redis://host:port/db", "rediss://..." with TLS, "redis+sentinel://a:26379,b:26379/primary/db" or
    /// "unix:///path"; without a password.
    std::string shown() const;
};

namespace detail {
class connection;
}

/// A client of one Redis or Valkey server.
///
///     redis::client db({.socket = "/run/redis.sock"});
///     redis::reply r = co_await db.command("GET", "key");
///
/// Commands of several tasks share one connection: those of one turn of the loop travel together, and answers
/// are given out in order. Calls that block in the server (BLMOVE, XREAD BLOCK) get a connection of their
/// own. A lost connection is made again by the next command; commands under way at the loss fail.
///
/// Lifetime: must outlive its calls. Threads: one loop.
/// Cancel:   the command may have happened; its answer is dropped, those of the others are not touched.
/// Throws:   reply_error for an error of the server; std::system_error with client_errc or the system's code,
///           whose text names the server.
class client {
  public:
    explicit client(client_options options);
    client(const client&) = delete;
    client& operator=(const client&) = delete;
    ~client();

    template <command_argument... Args>
    task<reply> command(std::string_view name, const Args&... args) {
        pipeline one;
        one.add(name, args...);
        return send_one(std::move(one));
    }
    /// One command whose arguments were put together by hand.
    task<reply> send_one(pipeline one);
    /// Several commands in one go. Error replies are in the result, not thrown.
    task<std::vector<reply>> send(pipeline commands);
    /// A command that may block in the server for `wait`, on a connection of its own. A canceled one closes
    /// that connection.
    task<reply> blocking(pipeline one, std::chrono::milliseconds wait);

    /// The server's id of the shared connection; 0 while there is none.
    std::int64_t connection_id() const noexcept;
    /// Makes the shared connection if there is none. Throws as a command does.
    task<void> connect();
    const client_options& options() const noexcept { return options_; }

  private:
    struct shared_state;
    task<std::shared_ptr<detail::connection>> live();

    client_options options_;
    std::shared_ptr<shared_state> state_;
};

/// A message that was published.
struct message {
    std::string channel;
    std::string text;
};

/// Listens to channels on a connection of its own.
///
/// A lost connection is an error of next(); a new subscription has to be made then, and what was published
/// in between is gone: that is the nature of publishing. While nothing comes next() asks the server for a
/// sign of life every command_timeout, so that a server that is gone without a word is noticed, too.
class subscription {
  public:
    /// Connects and subscribes.
    static task<std::unique_ptr<subscription>> open(client_options options, std::string channel);
    ~subscription();
    /// Waits for the next message. Cancel: nothing is lost.
    task<message> next();

  private:
    subscription(std::shared_ptr<detail::connection> c, client_options options);
    std::shared_ptr<detail::connection> connection_;
    client_options options_;
    time_point since_ =
        clock::now();  // the last time that anything came, or that a sign of life was asked for
    bool asked_ = false;
};

}  // namespace simul::redis
