#include "http/exchange.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include <simul/base/error.hpp>
#include <simul/http/wire/writer.hpp>
#include <simul/loop/timeout.hpp>
#include <simul/net/error.hpp>

#include "http/printable.hpp"

// The way of one request: open -> send_once -> connect, exchange -> write_head, send_body, read_head; then
// the body piece by piece; open goes round again for a redirect.

namespace simul::http::detail {
namespace {

/// Bodies up to this size leave in one write with the head.
constexpr std::size_t body_with_head_max = 16 * 1024;

bool expects_body(const method& how) noexcept {
    return how == method::post || how == method::put || how == method::patch;
}

/// The number of seconds in "timeout=5, max=100", if there is one.
duration keep_alive_time(const headers& fields) noexcept {
    const auto text = fields.get("keep-alive");
    if (!text) return duration::max();
    constexpr std::string_view name = "timeout=";
    const auto at = text->find(name);
    if (at == text->npos) return duration::max();
    unsigned seconds = 0;
    const char* begin = text->data() + at + name.size();
    if (std::from_chars(begin, text->data() + text->size(), seconds).ec != std::errc())
        return duration::max();
    // A little earlier than the server, so that our request does not cross its goodbye.
    return std::chrono::seconds(std::min(seconds, 86400u)) - std::chrono::milliseconds(500);
}

/// Whether a response other than 1xx has begun to come.
bool final_response_begun(std::string_view input) noexcept {
    constexpr std::size_t first_digit = 9;  // "HTTP/1.1 "
    return input.size() > first_digit ? input[first_digit] != '1' : !input.empty() && input[0] != 'H';
}

}  // namespace

// --- errors

duration incoming::elapsed() const noexcept {
    scheduler* const on = simul::detail::current_scheduler();
    return on == nullptr ? duration::zero() : loop_access::of(*on).now() - request->began;
}

void incoming::fail(errc code, phase when, std::string_view message, std::error_code cause) const {
    throw error(code, fmt::format("{} {}: {}", request->how.name(), request->to.safe_string(), message),
                {request->to.safe_string(), when, elapsed(), cause});
}

void incoming::fail_timed_out(phase when, duration limit, std::string_view doing) const {
    const time_point now = request->began + elapsed();
    if (now >= request->latest) {
        when = phase::total;
        limit = request->limits.total;
    }
    fail(errc::timed_out, when,
         fmt::format("{} took longer than {} (timeouts::{})", doing, describe(limit), to_string(when)),
         make_error_code(simul::errc::timed_out));
}

void incoming::fail_wire(const wire_error& e, phase when) const {
    const std::string text = without_code(e);
    switch (e.reason()) {
        case wire_errc::truncated:
            fail(errc::connection_lost, when,
                 fmt::format("the connection ended inside the response ({})", text), e.code());
        case wire_errc::start_line_too_long:
        case wire_errc::header_too_long:
        case wire_errc::headers_too_long:
        case wire_errc::too_many_headers:
        case wire_errc::chunk_line_too_long:
        case wire_errc::chunk_extensions_too_long:
        case wire_errc::body_too_long:
        case wire_errc::too_many_interim:
            fail(errc::response_too_large, when, fmt::format("the response is too large: {}", text),
                 e.code());
        case wire_errc::content_too_long:
        case wire_errc::suspicious_ratio:
            fail(errc::decompression_bomb, when, fmt::format("the body becomes too large: {}", text),
                 e.code());
        case wire_errc::unsupported_coding:
        case wire_errc::too_many_codings:
        case wire_errc::corrupt_content:
        case wire_errc::truncated_content:
            fail(errc::corrupt_content, when, fmt::format("the body cannot be decoded: {}", text), e.code());
        default:
            fail(errc::malformed_response, when, fmt::format("the response is malformed: {}", text),
                 e.code());
    }
}

// --- sending

task<> incoming::open() {
    scheduler& on = simul::detail::require_scheduler("http::client");
    pool& connections = *request->client->connections;
    connections.bind(on);
    request->began = loop_access::of(on).now();
    request->latest = later(request->began, request->limits.total);
    if (!request->query.empty()) {
        std::string all(request->to.query());
        if (!all.empty()) all += '&';
        request->to = request->to.with_query(all + request->query);
        request->query.clear();
    }
    if (request->how == method::connect)
        fail(errc::invalid_request, phase::none, "CONNECT opens a tunnel and is no request of a client");
    for (;;) {
        if (request->to.scheme() != "http" && request->to.scheme() != "https")
            fail(errc::invalid_request, phase::none,
                 fmt::format("the scheme is {}; http and https are known here", request->to.scheme()));
        ++connections.counts.requests;
        co_await send_once();
        if (!follow_redirect()) co_return;
    }
}

// One request and the head of its response; again on a new connection if a reused one was dead.
task<> incoming::send_once() {
    pool& connections = *request->client->connections;
    lease_ = co_await connections.acquire(request->to.origin(), request->limits.pool, request->latest);
    if (!lease_)
        fail_timed_out(phase::pool, request->limits.pool,
                       fmt::format("waiting for a free connection ({} are in use)",
                                   connections.statistics().connections));
    reused_ = lease_.connection() != nullptr;
    if (reused_) {
        const pooled_connection& old = *lease_.connection();
        if (old.ended() || old.failure() != 0 || !old.input().empty()) {
            lease_.drop_connection();
            reused_ = false;
        } else {
            ++connections.counts.connections_reused;
        }
    }
    if (!reused_) co_await connect();
    if (co_await exchange(reused_) == tried::answered) co_return;
    ++connections.counts.retries;
    reused_ = false;
    lease_.drop_connection();
    co_await connect();
    co_await exchange(false);
}

task<> incoming::connect() {
    http::transport& how = *request->client->transport;
    const connect_request what(request->to, request->limits, request->how.name(), request->began);
    std::unique_ptr<stream> made;
    bool in_time = true;
    try {
        if (request->latest == time_point::max()) {
            made = co_await how.connect(what);
        } else {
            const duration left = request->latest - request->began - elapsed();
            auto got = co_await move_on_after(left, how.connect(what));
            in_time = got.has_value();
            if (in_time) made = std::move(*got);
        }
    } catch (const error&) {
        throw;
    } catch (const std::system_error& e) {
        fail(errc::connect_failed, phase::connect, e.what(), e.code());
    } catch (const std::exception& e) {
        fail(errc::connect_failed, phase::connect, e.what());
    } catch (...) {  // told in other words: callers of a client expect its errors
        fail(errc::connect_failed, phase::connect, "the transport threw what is no std::exception");
    }
    if (!in_time) fail_timed_out(phase::total, request->limits.total, "the request");
    if (!made) fail(errc::connect_failed, phase::connect, "the transport gave no connection");
    lease_.open(std::move(made));
}

void incoming::write_head(std::string& out) {
    http::headers& fields = request->fields;
    if (!request->own_host) fields.set("host", request->to.host_header());
    if (request->pieces && !request->pieces_size)
        fields.set("transfer-encoding", "chunked");
    else if (request->pieces)
        fields.set("content-length", fmt::format("{}", *request->pieces_size));
    else if (request->has_body || expects_body(request->how))
        fields.set("content-length", fmt::format_int(request->body.size()).c_str());
    if (request->to.has_userinfo() && !fields.contains("authorization"))
        fields.add("authorization",
                   basic_credentials(request->to.user(), request->to.password().value_or("")));
    try {
        write_request_head(out, request->how, request->to.target(), fields);
    } catch (const wire_error& e) {
        fail(errc::invalid_request, phase::none, e.what(), e.code());
    }
}

task<incoming::tried> incoming::exchange(bool reused) {
    pooled_connection& on = *lease_.connection();
    broken_ = wrote_ = head_came_early_ = false;
    received_ = 0;
    body_open_ = false;
    decoder_.reset();
    undecoded_ = {};
    on.parser.expect(request->how);
    on.scratch.clear();
    write_head(on.scratch);
    const bool asks = request->expect_continue && (request->pieces || !request->body.empty());
    const bool at_once = !asks && !request->pieces && request->body.size() <= body_with_head_max;
    if (at_once) on.scratch += request->body;

    const auto sent = co_await on.send(on.scratch, request->limits.write, request->latest);
    bool whole = sent == connection::sent::all;
    wrote_ = whole;
    if (sent == connection::sent::timed_out)
        fail_timed_out(phase::write, request->limits.write, "sending the request");
    if (whole && !at_once) whole = co_await send_body(on);
    if (!whole) broken_ = true;

    if (co_await read_head(on, whole ? phase::first_byte : phase::write)) co_return tried::answered;

    // The connection ended before a byte of the response.
    const bool repeatable = (request->how.is_idempotent() || !wrote_) && !request->pieces_begun;
    if (reused && repeatable && request->client->options().retry_dead_connection) co_return tried::dead;
    fail(errc::connection_lost, whole ? phase::first_byte : phase::write,
         whole ? "the server closed the connection instead of answering"
               : "the server closed the connection while the request was being sent",
         std::make_error_code(std::errc::connection_reset));
}

// True: all of it was sent. False: the server has answered before, or takes no more.
task<bool> incoming::send_body(pooled_connection& on) {
    if (request->expect_continue && !co_await wait_for_continue(on)) co_return false;
    const auto limit = request->limits.write;
    on.watch();
    const auto check = [&](connection::sent how) {
        if (how == connection::sent::timed_out) fail_timed_out(phase::write, limit, "sending the body");
        return how == connection::sent::all;
    };
    if (!request->pieces) co_return check(co_await on.send(request->body, limit, request->latest, true));

    if (request->pieces_begun)
        fail(errc::body_not_repeatable, phase::write,
             "the body is a stream that was sent already; give the body as a string to make it repeatable");
    request->pieces_begun = true;
    std::uint64_t left = request->pieces_size.value_or(0);
    for (;;) {
        auto piece = co_await request->pieces->next();
        const bool complete = request->pieces_size && left == 0;  // then the answer may be there by right
        if (!complete && final_response_begun(on.input())) co_return false;
        std::string& out = on.scratch;
        out.clear();
        if (request->pieces_size) {
            const std::size_t size = piece ? piece->size() : 0;
            if (size > left || (!piece && left > 0)) {
                broken_ = true;
                fail(errc::invalid_request, phase::write,
                     fmt::format("the streamed body has {} than the {} bytes that were announced",
                                 piece ? "more" : "less", *request->pieces_size));
            }
            left -= size;
            if (piece) out = std::move(*piece);
        } else if (piece) {
            write_chunk(out, *piece);
        } else {
            write_last_chunk(out);
        }
        if (!out.empty() && !check(co_await on.send(out, limit, request->latest, true))) co_return false;
        if (!piece) co_return true;
    }
}

// False: the server has given its final answer, or is gone, so the body is not sent.
task<bool> incoming::wait_for_continue(pooled_connection& on) {
    const time_point until = later(on.now(), request->client->options().continue_time_max);
    for (;;) {
        wire_event event = wire_event::need_input;
        try {
            event = parse(on);
        } catch (const wire_error& e) {
            fail_wire(e, phase::first_byte);
        }
        if (event == wire_event::head) {
            if (!on.parser.head().is_interim()) {
                head_came_early_ = true;
                co_return false;
            }
        } else if (event == wire_event::end) {
            co_return true;  // of an interim response: go on
        } else if (event == wire_event::need_input) {
            auto got = connection::filled::ended;
            try {
                got = co_await on.fill(duration::max(), std::min(until, request->latest));
            } catch (const std::system_error&) {  // read_head sees it again
            }
            if (got == connection::filled::timed_out) co_return true;
            if (got != connection::filled::data) co_return false;
        }
    }
}

// --- receiving

wire_event incoming::parse(pooled_connection& on) {
    std::string_view input = on.input();
    const std::size_t before = input.size();
    const wire_event event = on.parser.next(input);
    on.consume(before - input.size());
    return event;
}

// False: the connection ended before a byte of the response.
task<bool> incoming::read_head(pooled_connection& on, phase when) {
    bool begun = head_came_early_;
    while (!head_came_early_) {
        wire_event event = wire_event::need_input;
        try {
            event = parse(on);
            if (event == wire_event::need_input && on.ended()) {
                if (!begun && on.parser.idle()) co_return false;
                on.parser.finish();
            }
        } catch (const wire_error& e) {
            fail_wire(e, when);
        }
        if (event == wire_event::head && !on.parser.head().is_interim()) break;
        if (event == wire_event::upgrade)
            fail(errc::malformed_response, when, "the server changes the protocol, which nobody asked for");
        if (event != wire_event::need_input) {
            begun = true;
            continue;
        }
        begun = begun || !on.parser.idle();
        const bool first = on.parser.idle();
        const duration limit = first ? request->limits.first_byte : request->limits.read_idle;
        try {
            const auto got = co_await on.fill(limit, request->latest);
            if (got == connection::filled::timed_out)
                fail_timed_out(first ? phase::first_byte : phase::read_idle, limit,
                               first ? "waiting for the response" : "waiting for the rest of the response");
        } catch (const error&) {
            throw;
        } catch (const std::system_error& e) {
            if (!begun) co_return false;
            fail(errc::connection_lost, when,
                 fmt::format("the connection was lost inside the response: {}", e.what()), e.code());
        }
    }
    head = std::move(on.parser.head());
    body_open_ = true;
    begin_body();
    co_return true;
}

void incoming::begin_body() {
    const client_options& options = request->client->options();
    lease_.connection()->idle_time_max = keep_alive_time(head.headers);
    if (!options.decompress || request->how == method::head || !head.headers.contains("content-encoding"))
        return;
    std::string codings;
    for (const std::string_view each : head.headers.get_all("content-encoding")) {
        if (!codings.empty()) codings += ',';
        codings += each;
    }
    try {
        decoder_.emplace(codings, options.decompression);
    } catch (const wire_error& e) {
        broken_ = true;
        fail_wire(e, phase::read_idle);
    }
    if (decoder_->identity()) decoder_.reset();
}

// The message is complete: the connection is for the next request, if it is clean.
bool incoming::finish_body() noexcept {
    body_open_ = false;
    if (broken_ || !lease_.connection()->parser.keep_alive())
        lease_.close();
    else
        lease_.keep();
    return true;
}

task<std::string_view> incoming::next_piece() {
    for (;;) {
        if (decoder_ && !undecoded_.empty()) {
            try {
                const std::string_view out = decoder_->next(undecoded_);
                if (!out.empty()) co_return out;
            } catch (const wire_error& e) {
                broken_ = true;
                fail_wire(e, phase::read_idle);
            }
            undecoded_ = {};
        }
        if (!body_open_) co_return std::string_view();
        pooled_connection& on = *lease_.connection();
        wire_event event = wire_event::need_input;
        try {
            event = parse(on);
            if (event == wire_event::need_input && on.ended()) event = on.parser.finish();
        } catch (const wire_error& e) {
            broken_ = true;
            fail_wire(e, phase::read_idle);
        }
        if (event == wire_event::body) {
            const std::string_view piece = on.parser.body();
            received_ += piece.size();
            if (!decoder_) co_return piece;
            undecoded_ = piece;
        } else if (event == wire_event::end) {
            if (decoder_) {
                try {
                    decoder_->finish();
                } catch (const wire_error& e) {
                    broken_ = true;
                    fail_wire(e, phase::read_idle);
                }
            }
            finish_body();
            co_return std::string_view();
        } else if (event == wire_event::need_input) {
            const duration limit = request->limits.read_idle;
            try {
                const auto got = co_await on.fill(limit, request->latest);
                if (got == connection::filled::timed_out) {
                    broken_ = true;
                    fail_timed_out(phase::read_idle, limit,
                                   fmt::format("waiting for more of the body, after {} bytes,", received_));
                }
            } catch (const error&) {
                throw;
            } catch (const std::system_error& e) {
                broken_ = true;
                fail(errc::connection_lost, phase::read_idle,
                     fmt::format("the connection was lost after {} bytes of the body: {}", received_,
                                 e.what()),
                     e.code());
            }
        } else {
            broken_ = true;
            fail(errc::malformed_response, phase::read_idle, "unexpected bytes inside the response");
        }
    }
}

task<std::string> incoming::read_whole(std::uint64_t bytes_max) {
    std::string body;
    const auto too_large = [&] {
        const bool grown = decoder_.has_value() && received_ <= bytes_max;
        broken_ = true;
        fail(grown ? errc::decompression_bomb : errc::response_too_large, phase::read_idle,
             fmt::format("the body is larger than {} bytes{} (option response_bytes_max); "
                         "read it in pieces with stream(), or raise the limit",
                         bytes_max, grown ? " when it is decompressed" : ""));
    };
    if (head.content_length && body_open_) {
        if (*head.content_length > bytes_max && request->how != method::head) too_large();
        if (!decoder_) body.reserve(std::min<std::size_t>(*head.content_length, 1024 * 1024));
    }
    for (;;) {
        const std::string_view piece = co_await next_piece();
        if (piece.empty()) co_return body;
        if (piece.size() > bytes_max - body.size()) too_large();
        body.append(piece);
    }
}

void incoming::drop() noexcept {
    if (!lease_) return;
    if (body_open_ && !broken_ && lease_.connection() != nullptr && lease_.connection()->parser.keep_alive())
        lease_.drain();
    else
        lease_.close();
    body_open_ = false;
}

void incoming::close() noexcept {
    lease_.close();
    body_open_ = false;
    undecoded_ = {};
}

std::shared_ptr<const exchange_info> incoming::make_info() {
    if (!info)
        info = std::make_shared<exchange_info>(
            exchange_info{std::string(request->how.name()), request->to, {}, std::move(redirects_), reused_});
    info->elapsed = elapsed();
    return info;
}

// --- redirects

// True: the request now says where to go next.
bool incoming::follow_redirect() {
    const int status = head.status;
    const redirect_options& rules = request->redirects;
    if (!rules.follow || (status != 301 && status != 302 && status != 303 && status != 307 && status != 308))
        return false;
    const auto location = head.headers.get("location");
    if (!location) return false;
    if (redirects_.size() >= rules.redirects_max)
        fail(errc::too_many_redirects, phase::none,
             fmt::format("more than {} redirects (redirect_options::redirects_max)", rules.redirects_max));
    std::optional<url> next;
    try {
        next = request->to.redirected_to(*location);
    } catch (const url_error& e) {
        fail(errc::refused_redirect, phase::none,
             fmt::format("the redirect has a bad Location: {}", e.what()), e.code());
    }
    if (next->scheme() != "http" && next->scheme() != "https")
        fail(errc::refused_redirect, phase::none,
             fmt::format("a redirect to another scheme: {}", next->scheme()));
    if (request->to.scheme() == "https" && next->scheme() == "http" && !rules.allow_insecure)
        fail(errc::refused_redirect, phase::none,
             fmt::format("a redirect from https to {} would send in the clear what was encrypted "
                         "(redirect_options::allow_insecure permits it)",
                         next->safe_string()));

    const bool to_get = (status == 303 && request->how != method::get && request->how != method::head) ||
                        ((status == 301 || status == 302) && request->how == method::post);
    if (to_get) {
        request->how = method::get;
        request->body.clear();
        request->pieces.reset();
        request->pieces_begun = false;
        request->has_body = false;
        request->expect_continue = false;
        for (const char* name : {"content-type", "content-length", "content-encoding", "content-language",
                                 "content-location", "transfer-encoding", "expect", "trailer"})
            request->fields.remove(name);
    } else if (request->pieces && request->pieces_begun) {
        fail(errc::body_not_repeatable, phase::none,
             fmt::format("the redirect ({}) asks for the body again, but it was a stream; "
                         "give the body as a string to make it repeatable",
                         status));
    }
    if (!request->to.same_origin(*next)) {
        for (const char* name : {"authorization", "proxy-authorization", "cookie", "cookie2"})
            request->fields.remove(name);
        for (const std::string& name : request->sensitive) request->fields.remove(name);
        if (request->own_host) request->fields.set("host", next->host_header());
        request->own_host = false;
    } else if (request->to.has_userinfo()) {
        request->fields.remove("authorization");  // made from the URL: and it will be again
    }
    redirects_.push_back(request->to.without_userinfo());
    drop();
    request->to = std::move(*next);
    return true;
}

}  // namespace simul::http::detail
