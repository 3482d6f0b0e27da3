#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <simul/core/intrusive_list.hpp>
#include <simul/core/leaf.hpp>
#include <simul/http/client.hpp>
#include <simul/http/wire/parser.hpp>
#include <simul/loop/timer.hpp>

#include "http/connection.hpp"

namespace simul::http::detail {

class pool;
struct origin_slots;

/// A connection of a client: with the parser of its responses, and what it does while no request has it.
class pooled_connection final : public connection {
  public:
    enum class state { busy, draining, idle, dead };

    pooled_connection(pool& owner, origin_slots& home, std::unique_ptr<stream> over, scheduler& on,
                      const parser_limits& limits)
        : connection(std::move(over), on, 16 * 1024), parser(limits), owner_(&owner), home_(&home) {}
    ~pooled_connection() override {
        state_ = state::dead;  // what a last read brings is nobody's
        stop_reading();
    }

    response_parser parser;
    std::string scratch;       ///< the head of the request; keeps its memory
    duration idle_time_max{};  ///< what the server allows and we want
    time_point idle_since{};

  private:
    friend pool;
    void unattended() noexcept override;
    void too_late() noexcept override;
    bool drain_input() noexcept;

    pool* owner_;
    origin_slots* home_;
    state state_ = state::busy;
    std::uint64_t drain_bytes_left_ = 0;
};

struct waiting_tag;
class acquire_operation;

/// Scheme, host and port, and the connections there.
struct origin_slots {
    std::string name;
    std::vector<std::unique_ptr<pooled_connection>> idle;  ///< the one used last at the end
    std::size_t open = 0;                                  ///< idle ones and those being opened included
    std::size_t waiting = 0;
};

/// The right to have one connection to an origin, and that connection once there is one. Gives the right
/// back, and closes the connection, unless it was kept.
class lease {
  public:
    lease() = default;
    lease(std::shared_ptr<pool> from, origin_slots& at, std::unique_ptr<pooled_connection> reused) noexcept
        : pool_(std::move(from)), origin_(&at), connection_(std::move(reused)) {}
    lease(lease&& other) noexcept
        : pool_(std::move(other.pool_)),
          origin_(std::exchange(other.origin_, nullptr)),
          connection_(std::move(other.connection_)) {}
    lease& operator=(lease&& other) noexcept {
        if (this != &other) {
            close();
            pool_ = std::move(other.pool_);
            origin_ = std::exchange(other.origin_, nullptr);
            connection_ = std::move(other.connection_);
        }
        return *this;
    }
    ~lease() { close(); }

    explicit operator bool() const noexcept { return origin_ != nullptr; }
    pooled_connection* connection() const noexcept { return connection_.get(); }
    /// Closes the connection and keeps the right to have one.
    void drop_connection() noexcept { connection_.reset(); }
    void open(std::unique_ptr<stream> over);

    /// Closes the connection and gives the right back.
    void close() noexcept;
    /// The connection is clean: for the next request.
    void keep() noexcept;
    /// The rest of the response is not wanted: it is read to its end in the background, or closed.
    void drain() noexcept;

  private:
    std::shared_ptr<pool> pool_;
    origin_slots* origin_ = nullptr;
    std::unique_ptr<pooled_connection> connection_;
};

/// The connections of a client.
///
/// Theory. A lease is the right to have a connection; leases, idle and draining connections together never
/// exceed the limits. Who gets none waits in one line over all origins. Whoever gives something back hands it
/// straight to the first in line who can use it, so nobody is woken in vain and nobody overtakes; a waiter
/// that is canceled with a lease in its hand gives it back in the same way.
/// Connections that die while nobody has them are taken out of the pool at once and destroyed by a timer of
/// no delay: they hear of it inside the loop's own work, where no stream can be closed.
/// When its loop ends it closes all of them, and may be bound to another one.
class pool final : public std::enable_shared_from_this<pool>,
                   private simul::detail::timer,
                   private simul::detail::loop_member {
  public:
    explicit pool(client_options options) : options_(std::move(options)) {}
    ~pool();

    /// Waits for the right to have a connection to `origin`; gives an empty lease when the time is up.
    acquire_operation acquire(std::string_view origin, duration limit, time_point latest);

    /// Makes it belong to the loop that runs now.
    void bind(scheduler& on) {
        if (on_ != &on) bind_first(on);
    }
    scheduler& on() const noexcept { return *on_; }
    const client_options& options() const noexcept { return options_; }
    void close_idle() noexcept;
    /// The client is gone: nothing is kept any more.
    void close() noexcept;
    client_statistics statistics() const noexcept;

    client_statistics counts;

  private:
    friend lease;
    friend pooled_connection;
    friend acquire_operation;

    origin_slots& at(std::string_view origin);
    bool try_take(origin_slots& origin, lease& into);
    bool has_room(const origin_slots& origin) const noexcept {
        return total_ < options_.connections_max && origin.open < options_.connections_per_origin_max;
    }
    bool close_oldest_idle() noexcept;
    void release(origin_slots& origin) noexcept;
    void keep(std::unique_ptr<pooled_connection> back) noexcept;
    void drain(std::unique_ptr<pooled_connection> back) noexcept;
    void evict(pooled_connection& dying) noexcept;
    void drained(pooled_connection& clean) noexcept;
    std::unique_ptr<pooled_connection> take_out(std::vector<std::unique_ptr<pooled_connection>>& from,
                                                pooled_connection& which) noexcept;
    void forget_if_unused(origin_slots& origin) noexcept;
    void serve() noexcept;
    void fired() noexcept override;
    void bind_first(scheduler& on);
    void give_up_unused() noexcept;
    void loop_ended() noexcept override;

    const client_options options_;
    scheduler* on_ = nullptr;
    std::unordered_map<std::string, std::unique_ptr<origin_slots>> origins_;
    std::vector<std::unique_ptr<pooled_connection>> draining_;
    std::vector<std::unique_ptr<pooled_connection>> dead_;
    std::vector<std::unique_ptr<pooled_connection>> clean_;  ///< drained; to be kept
    simul::detail::intrusive_list<acquire_operation, waiting_tag> line_;
    std::size_t total_ = 0;
    bool closed_ = false;
};

class [[nodiscard]] acquire_operation final : public leaf_operation<acquire_operation>,
                                              public simul::detail::list_node<waiting_tag>,
                                              private simul::detail::timer {
  public:
    acquire_operation(pool& from, origin_slots& origin, duration limit, time_point latest) noexcept
        : from_(from), origin_(origin), limit_(limit), latest_(latest) {}
    ~acquire_operation() { leave(); }

    bool ready() { return from_.try_take(origin_, got_); }
    bool start() noexcept;
    lease result() noexcept { return std::move(got_); }
    const char* describe() const noexcept override { return "wait for a connection of an HTTP client"; }

  private:
    friend pool;
    void hand_over(lease what) noexcept;
    void leave() noexcept;
    void on_cancel() noexcept override {
        leave();
        stop();
    }
    void on_cancel_late() noexcept override {
        got_.close();
        revoke();
    }
    void fired() noexcept override {
        leave();
        resume();
    }

    pool& from_;
    origin_slots& origin_;
    duration limit_;
    time_point latest_;
    lease got_;
};

inline acquire_operation pool::acquire(std::string_view origin, duration limit, time_point latest) {
    return acquire_operation(*this, at(origin), limit, latest);
}

}  // namespace simul::http::detail
