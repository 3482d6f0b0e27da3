#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <simul/core/channel.hpp>
#include <simul/core/task.hpp>
#include <simul/core/task_group.hpp>
#include <simul/http/client.hpp>
#include <simul/http/server.hpp>
#include <simul/http/transport.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/testing/stream_pair.hpp>

/// HTTP without sockets: for tests of clients, servers and all that talks through them, on any loop, the
/// virtual one too.
namespace simul::testing {

/// Both sides of connections that exist only in memory.
///
///     testing::http_network net([&](std::unique_ptr<stream> s) { return web.serve_connection(std::move(s));
///     }); http::client client({.transport = net.transport()}); co_await with_group([&](task_group& group) ->
///     task<> {
///         group.spawn([&] { return net.run(); });
///         auto response = co_await client.get("http://a.test/");
///         group.cancel();
///     });
/// The server sees every host and both schemes; nothing is encrypted.
class http_network {
  public:
    using accept_function = std::function<task<>(std::unique_ptr<stream>)>;

    explicit http_network(accept_function serve, stream_pair_options options = {})
        : state_(std::make_shared<state>(std::move(serve), std::move(options))) {}
    explicit http_network(http::server& server, stream_pair_options options = {})
        : http_network(
              [&server](std::unique_ptr<stream> one) { return server.serve_connection(std::move(one)); },
              std::move(options)) {}

    /// For client_options::transport.
    std::shared_ptr<http::transport> transport() const { return std::make_shared<memory_transport>(state_); }

    /// Serves connections until it is canceled. Their errors end only themselves.
    task<> run() { return run_all(state_); }

    /// Connections made so far.
    std::size_t connections() const noexcept { return state_->made; }
    /// The next connect waits so long; then it goes on.
    void set_connect_delay(duration time) noexcept { state_->connect_delay = time; }
    /// Connections are refused from now on, with this error; 0: accepted again.
    void refuse_with(int error) noexcept { state_->refuse = error; }

  private:
    struct state {
        state(accept_function with, stream_pair_options how)
            : serve(std::move(with)), options(std::move(how)) {}
        accept_function serve;
        stream_pair_options options;
        channel<std::unique_ptr<stream>> knocking{1024};
        std::size_t made = 0;
        duration connect_delay{};
        int refuse = 0;
    };

    class memory_transport final : public http::transport {
      public:
        explicit memory_transport(std::shared_ptr<state> to) noexcept : state_(std::move(to)) {}
        task<std::unique_ptr<stream>> connect(const http::connect_request& what) override {
            if (state_->connect_delay > duration::zero()) co_await sleep_for(state_->connect_delay);
            if (state_->refuse != 0) throw_errno(state_->refuse, "connect " + what.to().host_header());
            stream_pair_options options = state_->options;
            options.name = what.to().host_header();
            auto [ours, theirs] = stream_pair(options);
            auto mine = std::make_unique<memory_stream>(std::move(ours));
            auto other = std::unique_ptr<stream>(std::make_unique<memory_stream>(std::move(theirs)));
            ++state_->made;
            co_await state_->knocking.send(std::move(other));
            co_return mine;
        }

      private:
        std::shared_ptr<state> state_;
    };

    static task<> serve_one(std::shared_ptr<state> net, std::unique_ptr<stream> one) {
        try {
            co_await net->serve(std::move(one));
        } catch (const std::system_error&) {  // a connection that broke: the client sees it
        }
    }
    static task<> run_all(std::shared_ptr<state> net) {
        co_await with_group([net](task_group& group) -> task<> {
            while (auto one = co_await net->knocking.receive()) group.spawn(serve_one, net, std::move(*one));
        });
    }

    std::shared_ptr<state> state_;
};

}  // namespace simul::testing
