#include "http/server_connection.hpp"

#include <fmt/format.h>

#include <chrono>

#include <simul/base/log.hpp>
#include <simul/core/awaitable.hpp>
#include <simul/http/wire/date.hpp>
#include <simul/http/wire/status.hpp>
#include <simul/http/wire/writer.hpp>

#include "http/printable.hpp"

namespace simul::http::detail {
namespace {

/// The rest of a request that nobody reads is skipped up to so much; beyond it the connection is closed.
constexpr std::uint64_t skip_bytes_max = 256 * 1024;
/// After a response that ends the connection, so long and so much of what still comes is thrown away, for
/// closing with unread input would take the response away from the client.
constexpr duration linger_time_max = std::chrono::seconds(1);
constexpr std::size_t linger_bytes_max = 1024 * 1024;
/// A body up to this size is copied behind the head, so that one write sends both.
constexpr std::size_t body_with_head_max = 64 * 1024;
/// While a handler still reads the body, its client is looked after again so much later.
constexpr duration watch_again_after = std::chrono::milliseconds(100);

bool has_no_body(int status) noexcept { return status == 204 || status == 304; }

}  // namespace

std::string_view server_state::date() {
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    if (now.time_since_epoch().count() != date_at_) {
        date_at_ = now.time_since_epoch().count();
        date_ = format_date(now);
    }
    return date_;
}

void serving::drain() noexcept {
    draining = true;
    connections.for_each([](server_connection& each) { each.drain(); });
}

// --- looking after the client while a handler runs

void guarded_base::began() noexcept {
    begun_ = true;
    by_.handler_began(*this);
    const server_options& options = by_.server_.options;
    if (!options.cancel_on_disconnect) return;
    deadline = later(by_.now(), options.disconnect_watch_after);
    if (deadline != time_point::max()) loop_access::timers(loop_access::of(by_.on())).arm(*this);
}

void guarded_base::ended() noexcept {
    if (!begun_) return;
    begun_ = false;
    if (armed()) loop_access::timers(loop_access::of(by_.on())).disarm(*this);
    by_.handler_ended();
}

void guarded_base::fired() noexcept {
    if (by_.body_open_) {  // the handler reads, and notices an end by itself
        deadline = later(by_.now(), watch_again_after);
        loop_access::timers(loop_access::of(by_.on())).arm(*this);
    } else {
        by_.watch_for_end();
    }
}

void server_connection::handler_began(guarded_base& running) noexcept { running_ = &running; }

void server_connection::watch_for_end() noexcept {
    if (ended() || failure() != 0)
        unattended();
    else
        watch();
}

void server_connection::unattended() noexcept {
    if (running_ == nullptr) return;
    if (ended() || failure() != 0) {
        gone_ = true;
        ++server_.counts.disconnected;
        running_->client_gone();
    } else {
        watch();  // the next request came early; it waits in the buffer, and behind it in the kernel
    }
}

// --- the connection

server_connection::server_connection(server_state& server, serving& within, std::unique_ptr<stream> over,
                                     scheduler& on)
    : connection(std::move(over), on, 4 * 1024), server_(server), within_(within), parser_([&] {
          parser_limits limits = server.options.head;
          limits.body_bytes_max = parser_limits::unlimited;
          return limits;
      }()) {
    within_.connections.push_back(*this);
    request_.from_ = this;
}

server_connection::~server_connection() {
    stop_reading();
    list_node<serving_tag>::unlink();
}

const std::string& server_connection::peer() {
    if (peer_.empty()) peer_ = under().describe();
    return peer_;
}

void server_connection::drain() noexcept {
    if (idle_) interrupt();
}

task<> server_connection::run() {
    try {
        while (co_await read_head()) {
            const bool more = co_await answer();
            if (more && !within_.draining) continue;
            if (!gone_) co_await linger();
            co_return;
        }
    } catch (const std::system_error& e) {
        log(log_level::debug, "http: connection with {}: {}", peer(), e.what());
    }
}

wire_event server_connection::parse() {
    std::string_view rest = input();
    const std::size_t before = rest.size();
    const wire_event event = parser_.next(rest);
    consume(before - rest.size());
    return event;
}

// False: there is no further request.
task<bool> server_connection::read_head() {
    const server_options& options = server_.options;
    const bool first = request_.head_.target.empty();
    time_point head_until = first ? later(now(), options.head_time_max) : time_point::max();
    int refused = 0;
    std::string why;
    for (;;) {
        try {
            const wire_event event = parse();
            if (event == wire_event::head) {
                set_up_request();
                co_return true;
            }
            if (event != wire_event::need_input) continue;
            if (ended()) {
                parser_.finish();
                co_return false;
            }
        } catch (const wire_error& e) {
            ++server_.counts.refused;
            if (e.reason() == wire_errc::truncated) co_return false;
            refused = status_for(e.reason());
            why = e.code().message();  // not what(), which quotes the request
        }
        if (refused != 0) break;

        const bool waiting = parser_.idle();
        if (waiting && within_.draining) co_return false;
        idle_ = waiting;
        if (!waiting && head_until == time_point::max()) head_until = later(now(), options.head_time_max);
        const auto got =
            co_await fill(waiting && !first ? options.keep_alive_time_max : duration::max(), head_until);
        idle_ = false;
        if (got == filled::interrupted) co_return false;
        if (got == filled::timed_out) {
            if (parser_.idle()) co_return false;
            ++server_.counts.refused;
            refused = 408;
            why = fmt::format("the request's head took longer than {}", describe(options.head_time_max));
            break;
        }
    }
    co_await refuse(refused, why);
    if (!gone_) co_await linger();
    co_return false;
}

void server_connection::set_up_request() {
    ++server_.counts.requests;
    std::swap(request_.head_, parser_.head());
    const std::string_view target = request_.head_.target;
    std::size_t at = 0;
    if (!target.starts_with('/') && target != "*") {  // absolute form: "http://host/path"
        const auto authority = target.find("://");
        const auto path = authority == target.npos ? target.npos : target.find_first_of("/?", authority + 3);
        at = path == target.npos ? target.size() : path;
    }
    const auto question = target.find('?', at);
    request_.path_at_ = at;
    request_.path_size_ = (question == target.npos ? target.size() : question) - at;
    request_.params_.clear();
    request_.body_.clear();
    body_open_ = true;
    continue_due_ = request_.head_.expect_continue;
    close_ = !request_.head_.keep_alive;
}

// Answers the request whose head was read. True: the connection can take another one.
task<bool> server_connection::answer() {
    const server_options& options = server_.options;
    std::optional<response> made;
    int status = 0;
    std::string text;
    try {
        const auto [found, here] = server_.routes.find(request_.method(), request_.path(), request_.params_);
        if (found == nullptr) {
            const bool ask = request_.method() == method::options;
            if (here != nullptr || (ask && request_.target() == "*")) {
                made.emplace(ask ? response(204) : response::text("method not allowed\n", 405));
                if (here != nullptr) made->header("allow", router::allowed(*here));
            } else {
                made.emplace(response::text("not found\n", 404));
            }
        } else {
            const route_options& rules = found->options;
            const std::uint64_t limit = rules.body_bytes_max.value_or(
                rules.stream_body ? parser_limits::unlimited : options.body_bytes_max);
            parser_.set_body_limit(limit);
            if (request_.head_.content_length.value_or(0) > limit)
                throw wire_error(
                    wire_errc::body_too_long, 0,
                    fmt::format("{} bytes of body, more than {}", *request_.head_.content_length, limit));
            if (!rules.stream_body) co_await read_body(limit);
            auto answer = co_await guarded<response>(
                *this, simul::detail::child_frame<response>(found->call(request_).release()));
            if (!answer) co_return false;  // the client has gone
            made.emplace(std::move(*answer));
        }
    } catch (const refusal& e) {
        status = e.status();
        text = e.what();
    } catch (const wire_error& e) {
        ++server_.counts.refused;
        if (e.reason() == wire_errc::truncated) gone_ = true;
        status = status_for(e.reason());
        text = e.code().message();  // not what(), which quotes the request
        close_ = true;
    } catch (const std::exception& e) {
        if (gone_ || failure() != 0) co_return false;
        ++server_.counts.handler_errors;
        log(log_level::error, "http: {} {}: the handler failed: {}", request_.method().name(),
            one_line(request_.target(), 200), e.what());
        status = 500;
        text = "internal server error";
    } catch (...) {  // an edge: it is logged, and answered with 500
        ++server_.counts.handler_errors;
        log(log_level::error, "http: {} {}: the handler failed", request_.method().name(),
            one_line(request_.target(), 200));
        status = 500;
        text = "internal server error";
    }
    if (gone_) co_return false;
    if (!made) made.emplace(response::text(text + '\n', status));
    if (made->status() < 200 || made->status() > 999) {
        log(log_level::error, "http: {} {}: the handler gave the status {}, which is none",
            request_.method().name(), one_line(request_.target(), 200), made->status());
        made.emplace(response::text("internal server error\n", 500));
    }
    // Decided before the response goes out, since that tells the client.
    if (!close_ && body_open_ && !co_await finish_body()) close_ = true;
    if (within_.draining || made->headers().has_token("connection", "close")) close_ = true;
    co_return co_await send_response(*made, close_) && !close_;
}

// --- the request's body

task<> server_connection::send_continue() {
    continue_due_ = false;
    if (input().empty()) co_await send_all("HTTP/1.1 100 Continue\r\n\r\n");
}

task<std::optional<std::string_view>> server_connection::read_body_piece() {
    if (!body_open_) co_return std::nullopt;
    if (continue_due_) co_await send_continue();
    for (;;) {
        wire_event event = parse();
        if (event == wire_event::need_input && ended()) {
            gone_ = true;
            event = parser_.finish();
        }
        if (event == wire_event::body) co_return parser_.body();
        if (event == wire_event::end || event == wire_event::upgrade) {
            body_open_ = false;
            if (!parser_.keep_alive()) close_ = true;
            co_return std::nullopt;
        }
        if (event == wire_event::need_input &&
            co_await fill(server_.options.body_idle_max) == filled::timed_out) {
            ++server_.counts.refused;
            close_ = true;
            throw refusal(408, fmt::format("the body did not go on within {}",
                                           describe(server_.options.body_idle_max)));
        }
    }
}

task<> server_connection::read_body(std::uint64_t) {
    // Most requests have none, and their end is there already.
    while (body_open_) {
        if (!continue_due_ && !request_.head_.content_length && !request_.head_.chunked) {
            if (parse() == wire_event::end) {
                body_open_ = false;
                if (!parser_.keep_alive()) close_ = true;
            }
            continue;
        }
        const auto piece = co_await read_body_piece();
        if (piece) request_.body_.append(*piece);
    }
}

// Skips what the handler has not read. False: it is too much, so the connection has to be closed.
task<bool> server_connection::finish_body() {
    if (continue_due_) co_return false;  // the client waits with it, and may never send it
    if (request_.head_.content_length.value_or(0) > skip_bytes_max) co_return false;
    std::uint64_t skipped = 0;
    try {
        while (const auto piece = co_await read_body_piece()) {
            skipped += piece->size();
            if (skipped > skip_bytes_max) co_return false;
        }
    } catch (const std::exception&) {  // a broken body ends the connection after the response
        co_return false;
    }
    co_return !close_;
}

// --- the response

task<bool> server_connection::send_all(std::string_view data) {
    if (gone_) co_return false;
    const sent how = co_await send(data, server_.options.write_stall_max);
    if (how == sent::all) co_return true;
    gone_ = true;
    co_return false;
}

void server_connection::write_head(std::string& out, const response& r, std::optional<std::uint64_t> length,
                                   bool chunked, bool close) {
    const int status = r.status();
    fmt::format_int number(status);
    out += "HTTP/1.1 ";
    out.append(number.data(), number.size());
    out += ' ';
    out += reason_phrase(status);
    out += "\r\n";
    bool dated = false;
    for (const auto& each : r.headers()) {
        switch (each.name.size()) {  // framing is ours
            case 14:
                if (equal_ignoring_case(each.name, "content-length")) continue;
                break;
            case 17:
                if (equal_ignoring_case(each.name, "transfer-encoding")) continue;
                break;
            case 10:
                if (equal_ignoring_case(each.name, "connection")) continue;
                break;
            case 4:
                dated = dated || equal_ignoring_case(each.name, "date");
                break;
            default:
                break;
        }
        out += each.name;
        out += ": ";
        out += each.value;
        out += "\r\n";
    }
    if (!dated) {
        out += "date: ";
        out += server_.date();
        out += "\r\n";
    }
    if (!server_.options.name.empty()) {
        out += "server: ";
        out += server_.options.name;
        out += "\r\n";
    }
    if (close)
        out += "connection: close\r\n";
    else if (request_.head_.version_minor == 0)
        out += "connection: keep-alive\r\n";
    if (chunked) {
        out += "transfer-encoding: chunked\r\n";
    } else if (length) {
        out += "content-length: ";
        fmt::format_int digits(*length);
        out.append(digits.data(), digits.size());
        out += "\r\n";
    }
    out += "\r\n";
}

task<bool> server_connection::send_response(response& r, bool last) {
    const bool only_head = request_.method() == method::head || has_no_body(r.status());
    out_.clear();
    if (r.pieces()) {
        const bool chunked = request_.head_.version_minor > 0;
        if (!chunked) last = close_ = true;
        write_head(out_, r, std::nullopt, chunked && !has_no_body(r.status()), last);
        if (only_head) co_return co_await send_all(out_);
        bool well = false;
        try {
            well = co_await guarded<void>(
                *this, simul::detail::child_frame<void>(send_pieces(r, chunked).release()));
        } catch (const std::exception& e) {
            ++server_.counts.handler_errors;
            log(log_level::error, "http: {} {}: the streamed response failed: {}", request_.method().name(),
                one_line(request_.target(), 200), e.what());
            gone_ = true;  // no polite end: the client must see that the body is not complete
        }
        co_return well && !gone_;
    }
    std::optional<std::uint64_t> length = r.body().size();
    if (has_no_body(r.status())) length.reset();
    write_head(out_, r, length, false, last);
    if (only_head) co_return co_await send_all(out_);
    if (r.body().size() <= body_with_head_max) {
        out_ += r.body();
        co_return co_await send_all(out_);
    }
    co_return co_await send_all(out_) && co_await send_all(r.body());
}

task<> server_connection::send_pieces(response& r, bool chunked) {
    // The head leaves with the first piece, or at once if that takes a while: the client may wait for it.
    if (!co_await send_all(out_)) co_return;
    for (;;) {
        auto piece = co_await r.pieces()->next();
        out_.clear();
        if (piece && chunked)
            write_chunk(out_, *piece);
        else if (piece)
            out_ = std::move(*piece);
        else if (chunked)
            write_last_chunk(out_);
        if (!out_.empty() && !co_await send_all(out_)) co_return;
        if (!piece) co_return;
    }
}

// Answers what cannot be routed, and says that the connection ends.
task<> server_connection::refuse(int status, std::string_view text) {
    close_ = true;
    request_.head_.method = method::get;
    request_.head_.version_minor = 1;
    response r = response::text(one_line(text, 300) + '\n', status);
    co_await send_response(r, true);
}

task<> server_connection::linger() {
    try {
        co_await under().shutdown_write();
        const time_point until = later(now(), linger_time_max);
        std::size_t thrown_away = 0;
        while (thrown_away < linger_bytes_max) {
            thrown_away += input().size();
            consume(input().size());
            if (co_await fill(duration::max(), until) != filled::data) break;
        }
    } catch (const std::system_error&) {  // it is closed either way
    }
}

}  // namespace simul::http::detail
