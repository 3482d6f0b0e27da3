#include <simul/redis/client.hpp>

#include <simul/core/async_mutex.hpp>
#include <simul/loop/timeout.hpp>

#include "redis/connection.hpp"

#include <fmt/format.h>

#include <utility>

namespace simul::redis {

std::string client_options::shown() const {
    if (!socket.empty())
        return fmt::format("unix://{}{}", socket, database != 0 ? fmt::format("?db={}", database) : "");
    auto place = [](const std::string& name, std::uint16_t at) {
        return fmt::format("{}:{}", name.find(':') == std::string::npos ? name : "[" + name + "]", at);
    };
    std::string where;
    if (sentinel) {
        for (const sentinel_options::address& s : sentinel->addresses)
            where += (where.empty() ? "" : ",") + place(s.host, s.port);
        where += "/" + sentinel->primary;
    } else {
        where = place(host, port);
    }
    return fmt::format("{}{}://{}{}{}", tls ? "rediss" : "redis", sentinel ? "+sentinel" : "",
                       user.empty() && password.empty() ? "" : fmt::format("{}:***@", user), where,
                       database != 0 ? fmt::format("/{}", database) : "");
}

namespace {

// After a failover an old primary is a replica; sentinels know where the new one is.
bool from_replica(const std::vector<reply>& replies) {
    for (const reply& r : replies)
        if (r.is_error() && r.error_text().starts_with("READONLY")) return true;
    return false;
}

}  // namespace

struct client::shared_state {
    async_mutex connecting;
    std::shared_ptr<detail::connection> main;
    std::vector<std::shared_ptr<detail::connection>> idle;  // for calls that block
};

client::client(client_options options)
    : options_(std::move(options)), state_(std::make_shared<shared_state>()) {}
client::~client() = default;

std::int64_t client::connection_id() const noexcept {
    return state_->main && !state_->main->broken() ? state_->main->id() : 0;
}

task<std::shared_ptr<detail::connection>> client::live() {
    if (!state_->main || state_->main->broken()) {
        auto lock = co_await state_->connecting.lock();
        if (!state_->main || state_->main->broken()) {
            state_->main.reset();
            state_->main = co_await detail::connection::open(options_);
        }
    }
    co_return state_->main;
}

task<void> client::connect() { co_await live(); }

task<std::vector<reply>> client::send(pipeline commands) {
    std::shared_ptr<detail::connection> c = co_await live();
    if (c->pending() >= options_.pending_max)
        throw std::system_error(
            make_error_code(client_errc::too_many_waiting),
            fmt::format("{}: more than {} (option pending_max)", options_.shown(), options_.pending_max));
    std::vector<reply> replies = co_await c->exchange(std::move(commands), options_.command_timeout);
    if (options_.sentinel && state_->main == c && from_replica(replies)) state_->main.reset();
    co_return replies;
}

task<reply> client::send_one(pipeline one) {
    std::vector<reply> replies = co_await send(std::move(one));
    co_return std::move(replies.front()).throw_if_error();
}

task<reply> client::blocking(pipeline one, std::chrono::milliseconds wait) {
    std::shared_ptr<detail::connection> c;
    while (!c && !state_->idle.empty()) {
        c = std::move(state_->idle.back());
        state_->idle.pop_back();
        if (c->broken()) c.reset();
    }
    if (!c) c = co_await detail::connection::open(options_);
    std::vector<reply> replies = co_await c->exchange(std::move(one), wait + options_.command_timeout);
    // Only a connection that answered is used again: a canceled call may still block in the server.
    const bool useful = !c->broken() && !(options_.sentinel && from_replica(replies));
    if (useful && state_->idle.size() < options_.blocking_idle_max) state_->idle.push_back(std::move(c));
    co_return std::move(replies.front()).throw_if_error();
}

subscription::subscription(std::shared_ptr<detail::connection> c, client_options options)
    : connection_(std::move(c)), options_(std::move(options)) {}
subscription::~subscription() = default;

task<std::unique_ptr<subscription>> subscription::open(client_options options, std::string channel) {
    std::shared_ptr<detail::connection> c = co_await detail::connection::open(options);
    pipeline one;
    one.add("SUBSCRIBE", channel);
    std::vector<reply> answers = co_await c->exchange(std::move(one), options.command_timeout);
    answers.front().throw_if_error();
    co_return std::unique_ptr<subscription>(new subscription(std::move(c), std::move(options)));
}

task<message> subscription::next() {
    for (;;) {
        std::optional<reply> came =
            co_await move_on_after(since_ + options_.command_timeout - clock::now(), connection_->receive());
        if (!came && asked_)
            throw std::system_error(
                make_error_code(client_errc::no_answer),
                fmt::format("{} within {} ms", options_.shown(), options_.command_timeout.count()));
        if (!came) {
            pipeline one;
            one.add("PING");
            asked_ = true;
            since_ = clock::now();
            co_await connection_->send_only(std::move(one));
            continue;
        }
        since_ = clock::now();
        asked_ = false;
        const reply r = std::move(*came).throw_if_error();
        auto parts = r.as_array();  // the answer to a PING has two parts
        if (parts.size() == 3 && parts[0].as_string() == "message") {
            message m{parts[1].as_string(), parts[2].as_string()};
            co_return m;
        }
    }
}

}  // namespace simul::redis
