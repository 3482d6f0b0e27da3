#include "redis/connection.hpp"

#include <simul/core/outcome.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>
#include <simul/net/tcp_stream.hpp>
#include <simul/net/tls_stream.hpp>
#include <simul/net/unix_stream.hpp>

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <system_error>

namespace simul::redis::detail {
namespace {

std::string text_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {  // only its text is wanted
        return "unknown error";
    }
}

/// "connect redis://host:6379: Connection refused" for what the layers below say of an address, with their
/// reason and their code. `options` says where it is, `shown` how its owner calls it.
[[noreturn]] void throw_not_connected(const std::system_error& e, const client_options& options,
                                      const std::string& shown) {
    std::string reason = e.what();
    if (const std::string message = ": " + e.code().message(); reason.ends_with(message))
        reason.resize(reason.size() - message.size());
    const bool bare_ipv6 = options.host.find(':') != std::string::npos;
    const std::string plain =
        options.socket.empty()
            ? fmt::format("connect {}:{}", bare_ipv6 ? "[" + options.host + "]" : options.host, options.port)
            : "connect " + options.socket;
    std::string_view rest = reason;
    if (rest.starts_with(plain)) {
        rest.remove_prefix(plain.size());  // what is left are the addresses that were tried
        throw std::system_error(e.code(), fmt::format("connect {}{}", shown, rest));
    }
    throw std::system_error(e.code(), fmt::format("connect {}: {}", shown, rest));
}

// `shaking_hands` tells who gives up after a while what was waited for.
task<std::unique_ptr<stream>> dial(const client_options& options, bool& shaking_hands) {
    if (!options.socket.empty())
        co_return std::make_unique<unix_stream>(co_await unix_stream::connect(options.socket));
    tcp_options tcp;
    tcp.keepalive = true;  // a server that vanished is noticed by who only listens
    tcp.connect_time_max = options.connect_timeout;
    auto bytes = std::make_unique<tcp_stream>(co_await tcp_stream::connect(options.host, options.port, tcp));
    if (!options.tls) co_return std::move(bytes);
    shaking_hands = true;
    auto secured = std::make_unique<tls_stream>(
        co_await tls_stream::client(std::move(bytes), *options.tls, options.host, options.connect_timeout));
    shaking_hands = false;
    co_return std::move(secured);
}

task<std::unique_ptr<stream>> dial_or_say_whom(const client_options& options, const std::string& shown,
                                               bool& shaking_hands) {
    for (;;) {
        try {
            co_return co_await dial(options, shaking_hands);
        } catch (const std::system_error& e) {
            // A Unix socket whose queue of connections is full; TCP waits by itself.
            if (e.code() != std::errc::resource_unavailable_try_again) throw_not_connected(e, options, shown);
        }
        co_await sleep_for(std::chrono::milliseconds(5));
    }
}

// Errors of the greeting that have a remedy of their own.
void check_greeting(const reply& r, const client_options& options) {
    if (!r.is_error()) return;
    reply_error e(r.error_text());
    if (e.code() == "NOAUTH" || e.code() == "WRONGPASS" || e.code() == "NOPERM" ||
        r.error_text().find("AUTH") != std::string::npos ||
        r.error_text().find("password") != std::string::npos)
        throw std::system_error(
            make_error_code(client_errc::authentication),
            fmt::format("{}: {}", options.shown(),
                        options.password.empty() ? "the server asks for a password" : r.error_text()));
    if (e.code() == "LOADING" || e.code() == "BUSY" || e.code() == "MASTERDOWN")
        throw std::system_error(make_error_code(client_errc::not_ready),
                                fmt::format("{}: {}", options.shown(), r.error_text()));
    throw std::system_error(std::make_error_code(std::errc::protocol_error),
                            fmt::format("{}: {}", options.shown(), r.error_text()));
}

void add_login(pipeline& to, const std::string& user, const std::string& password) {
    if (password.empty()) return;
    if (user.empty())
        to.add("AUTH", password);
    else
        to.add("AUTH", user, password);
}

// A sentinel's answer may be older than a failover.
void check_role(const reply& role, const client_options& reached, const client_options& options) {
    const auto words = role.as_array();
    if (words.size() > 0 && words[0].as_string() == "master") return;
    throw std::system_error(make_error_code(client_errc::no_primary),
                            fmt::format("{}: {}:{} is a {}", options.shown(), reached.host, reached.port,
                                        words.size() > 0 ? words[0].as_string() : "server of another kind"));
}

}  // namespace

connection::~connection() = default;

task<reply> connection::ask_sentinel(const client_options& options, sentinel_options::address whom) {
    client_options s;
    s.host = whom.host;
    s.port = whom.port;
    s.tls = options.tls;
    s.user = options.sentinel->user;
    s.password = options.sentinel->password;
    s.connect_timeout = options.sentinel->answer_timeout;
    bool shaking_hands = false;
    std::unique_ptr<stream> bytes = co_await dial_or_say_whom(s, s.shown(), shaking_hands);
    std::shared_ptr<connection> c(new connection(s, std::move(bytes)));
    pipeline question;
    add_login(question, s.user, s.password);
    question.add("SENTINEL", "get-master-addr-by-name", options.sentinel->primary);
    std::vector<reply> answers = co_await c->exchange(std::move(question), s.connect_timeout);
    for (const reply& r : answers) check_greeting(r, s);
    co_return std::move(answers.back());
}

// The same options with the host and the port that the first sentinel says who knows.
task<client_options> connection::where_now(client_options options) {
    if (!options.sentinel) co_return options;
    std::string said;
    for (const sentinel_options::address& whom : options.sentinel->addresses) {
        std::optional<reply> answer;
        std::string problem;
        try {
            answer = co_await move_on_after(options.sentinel->answer_timeout, ask_sentinel(options, whom));
            if (!answer)
                problem = fmt::format("{}:{}: no answer in {} ms", whom.host, whom.port,
                                      options.sentinel->answer_timeout.count());
        } catch (const std::system_error& e) {
            problem = e.what();
        }
        if (answer && answer->is_array() && answer->as_array().size() == 2) {
            const auto place = answer->as_array();
            options.host = place[0].as_string();
            options.port = static_cast<std::uint16_t>(place[1].as_int());
            co_return options;
        }
        if (problem.empty())
            problem = fmt::format("{}:{} watches no '{}'", whom.host, whom.port, options.sentinel->primary);
        said += (said.empty() ? "" : "; ") + problem;
    }
    throw std::system_error(
        make_error_code(client_errc::no_primary),
        fmt::format("{}: {}", options.shown(), said.empty() ? "there are no sentinels to ask" : said));
}

task<std::shared_ptr<connection>> connection::open(client_options options) {
    bool shaking_hands = false;
    auto connecting = [&]() -> task<std::shared_ptr<connection>> {
        const client_options reached = co_await where_now(options);
        std::unique_ptr<stream> bytes = co_await dial_or_say_whom(reached, options.shown(), shaking_hands);
        std::shared_ptr<connection> c(new connection(options, std::move(bytes)));
        pipeline greeting;
        add_login(greeting, options.user, options.password);
        if (options.sentinel) greeting.add("ROLE");
        greeting.add("SELECT", options.database).add("CLIENT", "ID");
        std::vector<reply> answers = co_await c->exchange(std::move(greeting), options.connect_timeout);
        for (const reply& r : answers) check_greeting(r, options);
        if (options.sentinel) check_role(answers[answers.size() - 3], reached, options);
        c->id_ = answers.back().as_int();
        co_return c;
    };
    std::optional<std::shared_ptr<connection>> made =
        co_await move_on_after(options.connect_timeout, connecting());
    if (!made)
        throw std::system_error(
            make_error_code(client_errc::cannot_connect),
            fmt::format(
                "connect {} within {} ms{}", options.shown(), options.connect_timeout.count(),
                shaking_hands ? ", the TLS handshake was not answered (is that the port for TLS?)" : ""));
    co_return std::move(*made);
}

std::exception_ptr connection::lost(std::string_view why) const {
    return std::make_exception_ptr(
        std::system_error(make_error_code(client_errc::connection_lost),
                          why.empty() ? options_.shown() : fmt::format("{}: {}", options_.shown(), why)));
}

task<std::vector<reply>> connection::exchange(pipeline commands, std::chrono::milliseconds limit) {
    if (broken_) std::rethrow_exception(broken_);
    auto mine = std::make_shared<waiting>();
    mine->missing = commands.size();
    out_ += commands.data();
    in_flight_.push_back(mine);
    auto keep = shared_from_this();
    bool in_time = co_await move_on_after(limit, drive(mine));
    if (!mine->done() && !in_time) {
        // Later answers would be taken for those of later commands if this went on.
        fail(std::make_exception_ptr(
            std::system_error(make_error_code(client_errc::no_answer),
                              fmt::format("{} within {} ms", options_.shown(), limit.count()))));
    }
    if (mine->error) std::rethrow_exception(mine->error);
    co_return std::move(mine->replies);
}

task<void> connection::send_only(pipeline commands) {
    if (broken_) std::rethrow_exception(broken_);
    auto keep = shared_from_this();
    out_ += commands.data();
    if (!writing_) co_await write_some();
}

task<reply> connection::receive() {
    if (!unasked_.empty()) {
        reply r = std::move(unasked_.front());
        unasked_.pop_front();
        co_return r;
    }
    if (broken_) std::rethrow_exception(broken_);
    auto mine = std::make_shared<waiting>();
    mine->missing = 1;
    in_flight_.push_back(mine);
    auto keep = shared_from_this();
    struct leave {  // a canceled receiver has asked for nothing: what comes is for the next one
        connection& c;
        std::shared_ptr<waiting>& w;
        ~leave() { std::erase(c.in_flight_, w); }
    } guard{*this, mine};
    co_await drive(mine);
    if (mine->error) std::rethrow_exception(mine->error);
    co_return std::move(mine->replies.front());
}

void connection::wake_next() {
    for (auto& w : in_flight_)
        if (!w->done()) w->wake.set();
}

task<void> connection::drive(std::shared_ptr<waiting> mine) {
    while (!mine->done()) {
        if (broken_) {
            mine->error = broken_;
            break;
        }
        if (!out_.empty() && !writing_)
            co_await write_some();
        else if (!reading_)
            co_await read_some();
        else {
            mine->wake.reset();
            co_await mine->wake.wait();
        }
    }
}

task<void> connection::write_some() {
    struct role {
        connection& c;
        explicit role(connection& conn) : c(conn) { c.writing_ = true; }
        ~role() {
            c.writing_ = false;
            c.wake_next();
        }
    } mine(*this);
    co_await yield();  // what others add in this turn goes along
    std::string data = std::exchange(out_, {});
    if (data.empty() || broken_) co_return;
    // Not canceled half way: the rest of the connection's users would suffer.
    auto result =
        co_await outcome_of(shield(move_on_after(options_.command_timeout, stream_->write_all(data))));
    if (result.has_error())
        fail(lost(text_of(result.error())));
    else if (result.has_value() && !result.value())
        fail(lost("the server does not take what is sent"));
}

task<void> connection::read_some() {
    struct role {
        connection& c;
        explicit role(connection& conn) : c(conn) { c.reading_ = true; }
        ~role() {
            c.reading_ = false;
            c.wake_next();
        }
    } mine(*this);
    auto result = co_await outcome_of(stream_->read_some(buffer_));
    if (result.canceled()) co_await checkpoint();
    if (result.has_error()) {
        fail(lost(text_of(result.error())));
        co_return;
    }
    std::size_t n = std::move(result).value();
    if (n == 0) {
        fail(lost("the server closed it"));
        co_return;
    }
    std::string_view input(buffer_.data(), n);
    std::exception_ptr garbage;
    try {
        while (auto r = parser_.next(input)) give_out(std::move(*r));
    } catch (const std::exception&) {  // given to everybody who waits
        garbage = std::current_exception();
    }
    if (garbage) fail(garbage);
}

void connection::give_out(reply r) {
    if (in_flight_.empty()) {  // a message that came while nobody was receiving
        if (unasked_.size() < unasked_max) {
            unasked_.push_back(std::move(r));
        } else {
            fail(lost("nobody takes the messages that come"));
        }
        return;
    }
    waiting& first = *in_flight_.front();
    first.replies.push_back(std::move(r));
    if (--first.missing == 0) {
        std::shared_ptr<waiting> done = in_flight_.front();
        in_flight_.pop_front();
        done->wake.set();
    }
}

void connection::fail(std::exception_ptr error) {
    if (!broken_) broken_ = error;
    std::deque<std::shared_ptr<waiting>> all = std::exchange(in_flight_, {});
    for (auto& w : all) {
        w->error = broken_;
        w->wake.set();
    }
}

}  // namespace simul::redis::detail
