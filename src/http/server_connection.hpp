#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <simul/core/async_event.hpp>
#include <simul/core/boundary.hpp>
#include <simul/core/intrusive_list.hpp>
#include <simul/core/scopes.hpp>
#include <simul/http/request.hpp>
#include <simul/http/response.hpp>
#include <simul/http/server.hpp>
#include <simul/http/wire/parser.hpp>
#include <simul/loop/timer.hpp>

#include "http/connection.hpp"
#include "http/router.hpp"

namespace simul::http::detail {

struct serving_tag;
class server_connection;
class guarded_base;

/// What all connections of a server share.
class server_state {
  public:
    explicit server_state(server_options chosen) : options(std::move(chosen)) {}

    /// "Sun, 06 Nov 1994 08:49:37 GMT" of now; made once per second.
    std::string_view date();

    const server_options options;
    router routes;
    server_statistics counts;
    async_event room;  ///< set while fewer connections than connections_max are open

  private:
    std::int64_t date_at_ = -1;
    std::string date_;
};

/// The connections of one call of serve().
struct serving {
    bool draining = false;
    simul::detail::intrusive_list<server_connection, serving_tag> connections;

    /// No further requests: connections that wait for one are closed.
    void drain() noexcept;
};

/// A connection of a server: reads requests, calls their handlers, writes responses.
class server_connection final : public connection, public simul::detail::list_node<serving_tag> {
  public:
    server_connection(server_state& server, serving& within, std::unique_ptr<stream> over, scheduler& on);
    ~server_connection() override;

    /// Serves until the connection ends. What goes wrong with it stays here.
    task<> run();
    /// No further requests.
    void drain() noexcept;

    const std::string& peer();
    task<std::optional<std::string_view>> read_body_piece();

  private:
    friend guarded_base;

    task<bool> read_head();
    task<bool> answer();
    task<> read_body(std::uint64_t bytes_max);
    task<bool> finish_body();
    task<bool> send_response(response& r, bool last);
    task<> send_pieces(response& r, bool chunked);
    task<> refuse(int status, std::string_view text);
    task<> linger();
    task<> send_continue();
    task<bool> send_all(std::string_view data);

    wire_event parse();
    void set_up_request();
    void write_head(std::string& out, const response& r, std::optional<std::uint64_t> length, bool chunked,
                    bool close);
    void unattended() noexcept override;
    void handler_began(guarded_base& running) noexcept;
    void handler_ended() noexcept { running_ = nullptr; }
    void watch_for_end() noexcept;

    server_state& server_;
    serving& within_;
    request_parser parser_;
    request request_;
    std::string out_;
    std::string peer_;
    guarded_base* running_ = nullptr;
    bool idle_ = false;       // between two requests
    bool body_open_ = false;  // the end of the request was not seen yet
    bool continue_due_ = false;
    bool close_ = false;  // no further request on this connection
    bool gone_ = false;   // nothing can be sent any more
};

/// The await of a handler: it is canceled when its client goes away.
class guarded_base : private simul::detail::timer {
  public:
    virtual void client_gone() noexcept = 0;

  protected:
    explicit guarded_base(server_connection& by) noexcept : by_(by) {}
    ~guarded_base() { ended(); }
    void began() noexcept;
    void ended() noexcept;

  private:
    void fired() noexcept override;
    server_connection& by_;
    bool begun_ = false;
};

/// Gives nothing (false for void) if it was canceled because the client went away.
template <class T>
class [[nodiscard]] guarded final : public simul::detail::single_child<T>, private guarded_base {
  public:
    guarded(server_connection& by, simul::detail::child_frame<T> child) noexcept
        : simul::detail::single_child<T>(child.release()), guarded_base(by) {}
    simul::detail::maybe<T> await_resume() { return simul::detail::to_maybe<T>(std::move(this->result_)); }

  private:
    void opened() noexcept override { began(); }
    void closing() noexcept override { ended(); }
    bool has_result() noexcept override {
        return !this->result_.canceled() || !this->awaiting_->scope_->canceled();
    }
    void client_gone() noexcept override {
        this->scope_.cancel({cancel_reason::kind::requested, "the client of the request has gone"});
    }
};

}  // namespace simul::http::detail
