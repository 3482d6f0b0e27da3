#include <simul/http/client.hpp>

#include <fmt/format.h>

#include <array>

#include <simul/base/error.hpp>
#include <simul/base/version.hpp>

#include "http/exchange.hpp"

namespace simul::http {
namespace {

constexpr std::string_view user_agent_default = "simul/" SIMUL_VERSION;

/// What only the client itself may say.
void refuse_framing(std::string_view name) {
    for (const std::string_view each : {"content-length", "transfer-encoding", "expect", "te", "upgrade"}) {
        if (!equal_ignoring_case(name, each)) continue;
        throw error(errc::invalid_request,
                    fmt::format("the header {} follows from the body and is set by the client", each), {});
    }
}

}  // namespace

std::string basic_credentials(std::string_view user, std::string_view password) {
    if (user.find(':') != user.npos)
        throw error(errc::invalid_request, "a user name for basic authentication must not contain ':'", {});
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string plain(user);
    plain += ':';
    plain += password;
    std::string out = "Basic ";
    for (std::size_t i = 0; i < plain.size(); i += 3) {
        const auto byte = [&](std::size_t k) -> unsigned {
            return i + k < plain.size() ? static_cast<unsigned char>(plain[i + k]) : 0u;
        };
        const unsigned bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        out += digits[bits >> 18 & 63];
        out += digits[bits >> 12 & 63];
        out += i + 1 < plain.size() ? digits[bits >> 6 & 63] : '=';
        out += i + 2 < plain.size() ? digits[bits & 63] : '=';
    }
    return out;
}

// --- the builder

request_builder::request_builder(std::unique_ptr<detail::outgoing> what) noexcept : what_(std::move(what)) {}
request_builder::request_builder(request_builder&&) noexcept = default;
request_builder& request_builder::operator=(request_builder&&) noexcept = default;
request_builder::~request_builder() = default;

detail::outgoing& request_builder::asked() const {
    if (!what_)
        throw error(errc::invalid_request,
                    "this request was sent or moved from already; build another one for each", {});
    return *what_;
}

request_builder&& request_builder::query_text(std::string_view name, std::string_view value) {
    append_form_field(asked().query, name, value);
    return std::move(*this);
}

request_builder&& request_builder::header(std::string_view name, std::string_view value) {
    refuse_framing(name);
    asked().fields.set(name, value);
    if (equal_ignoring_case(name, "host")) asked().own_host = true;
    return std::move(*this);
}

request_builder&& request_builder::add_header(std::string_view name, std::string_view value) {
    refuse_framing(name);
    if (equal_ignoring_case(name, "host")) return header(name, value);
    asked().fields.add(name, value);
    return std::move(*this);
}

request_builder&& request_builder::sensitive_header(std::string_view name, std::string_view value) {
    header(name, value);
    asked().sensitive.emplace_back(name);
    return std::move(*this);
}

request_builder&& request_builder::basic_auth(std::string_view user, std::string_view password) {
    return header("authorization", basic_credentials(user, password));
}

request_builder&& request_builder::bearer(std::string_view token) {
    return header("authorization", "Bearer " + std::string(token));
}

request_builder&& request_builder::body(std::string data, std::string_view content_type) {
    asked().body = std::move(data);
    asked().pieces.reset();
    asked().has_body = true;
    if (!asked().fields.contains("content-type")) asked().fields.add("content-type", content_type);
    return std::move(*this);
}

request_builder&& request_builder::body(async_generator<std::string> pieces,
                                        std::optional<std::uint64_t> size, std::string_view content_type) {
    asked().body.clear();
    asked().pieces.emplace(std::move(pieces));
    asked().pieces_size = size;
    asked().has_body = true;
    if (!asked().fields.contains("content-type")) asked().fields.add("content-type", content_type);
    return std::move(*this);
}

request_builder&& request_builder::json(const value& content) {
    std::string text;
    simul::json::append(text, content);
    return body(std::move(text), "application/json");
}

request_builder&& request_builder::form(const form_fields& fields) {
    return body(encode_form(fields), "application/x-www-form-urlencoded");
}

request_builder&& request_builder::expect_continue() {
    asked().expect_continue = true;
    asked().fields.set("expect", "100-continue");
    return std::move(*this);
}

request_builder&& request_builder::timeout(any_duration total) {
    asked().limits.total = total;
    return std::move(*this);
}

request_builder&& request_builder::timeouts(const http::timeouts& limits) {
    asked().limits = limits;
    return std::move(*this);
}

request_builder&& request_builder::redirects(redirect_options options) {
    asked().redirects = options;
    return std::move(*this);
}

request_builder&& request_builder::response_bytes_max(std::uint64_t bytes) {
    asked().response_bytes_max = bytes;
    return std::move(*this);
}

namespace {

task<response> send(std::unique_ptr<detail::outgoing> what) {
    detail::incoming in(std::move(what));
    co_await in.open();
    response whole(in.head.status);
    std::string body = co_await in.read_whole(in.request->response_bytes_max);
    whole.headers() = std::move(in.head.headers);
    whole.set_body(std::move(body));
    whole.set_info(in.make_info());
    co_return whole;
}

task<std::unique_ptr<detail::incoming>> send_for_stream(std::unique_ptr<detail::outgoing> what) {
    auto in = std::make_unique<detail::incoming>(std::move(what));
    co_await in->open();
    in->request->latest = time_point::max();  // the body takes as long as it takes: see timeouts::total
    in->make_info();
    co_return in;
}

}  // namespace

task<response> request_builder::operator co_await() && {
    static_cast<void>(asked());
    return send(std::move(what_));
}

task<response_stream> request_builder::stream() && {
    static_cast<void>(asked());
    // (Not a coroutine with `this`: the builder is a temporary of the awaiting expression.)
    return [](std::unique_ptr<detail::outgoing> what) -> task<response_stream> {
        auto in = co_await send_for_stream(std::move(what));
        co_return response_stream(std::move(in));
    }(std::move(what_));
}

// --- the stream

response_stream::response_stream(std::unique_ptr<detail::incoming> from) noexcept : from_(std::move(from)) {}
response_stream::response_stream(response_stream&&) noexcept = default;
response_stream& response_stream::operator=(response_stream&&) noexcept = default;
response_stream::~response_stream() = default;

int response_stream::status() const noexcept { return from_->head.status; }
const http::headers& response_stream::headers() const noexcept { return from_->head.headers; }
const exchange_info& response_stream::info() const noexcept { return *from_->info; }
std::optional<std::uint64_t> response_stream::content_length() const noexcept {
    return from_->head.content_length;
}

const response_stream& response_stream::throw_for_status() const& {
    if (status() < 400) return *this;
    throw status_error({info().method, status(), headers(), {}},
                       {url().safe_string(), phase::none, info().elapsed, {}});
}

task<std::optional<std::string_view>> response_stream::read_some() {
    const std::string_view piece = co_await from_->next_piece();
    if (piece.empty()) co_return std::nullopt;
    co_return piece;
}

task<std::string> response_stream::read_all(std::uint64_t bytes_max) {
    co_return co_await from_->read_whole(bytes_max);
}

void response_stream::close() noexcept { from_->close(); }

// --- the client

namespace detail {

client_state::client_state(client_options options)
    : connections(std::make_shared<pool>(std::move(options))),
      transport(connections->options().transport ? connections->options().transport
                                                 : make_transport(connections->options().connect)) {
    const client_options& chosen = connections->options();
    defaults.add("host", "-");  // keeps the first place; every request sets its own
    defaults.add("user-agent", chosen.user_agent.empty() ? user_agent_default : chosen.user_agent);
    defaults.add("accept", "*/*");
    if (chosen.decompress) defaults.add("accept-encoding", "gzip, deflate");
    for (const auto& each : chosen.headers) {
        refuse_framing(each.name);
        if (equal_ignoring_case(each.name, "host")) continue;
        if (defaults.contains(each.name) && !chosen.headers.get_all(each.name).empty() &&
            (equal_ignoring_case(each.name, "user-agent") || equal_ignoring_case(each.name, "accept") ||
             equal_ignoring_case(each.name, "accept-encoding")))
            defaults.set(each.name, each.value);
        else
            defaults.add(each.name, each.value);
    }
}

}  // namespace detail

namespace {
const client_options& checked(const client_options& options) {
    if (options.connections_max == 0 || options.connections_per_origin_max == 0)
        throw data_error(
            fmt::format("http::client: {} is 0; a client needs one connection at least",
                        options.connections_max == 0 ? "connections_max" : "connections_per_origin_max"));
    return options;
}
}  // namespace

client::client(client_options options)
    : state_(std::make_shared<detail::client_state>((checked(options), std::move(options)))) {}
client::client(client&&) noexcept = default;
client& client::operator=(client&&) noexcept = default;
client::~client() {
    if (state_) state_->connections->close();
}

request_builder client::request(method how, url to) {
    if (!state_) throw error(errc::closed, "the client was moved from; use the one that it was moved to", {});
    const client_options& options = state_->options();
    return request_builder(std::make_unique<detail::outgoing>(state_, std::move(how), std::move(to),
                                                              state_->defaults, options.timeouts,
                                                              options.redirects, options.response_bytes_max));
}

void client::close_idle() noexcept {
    if (state_) state_->connections->close_idle();
}
const client_options& client::settings() const noexcept {
    static const client_options none;  // of one that was moved from
    return state_ ? state_->options() : none;
}
client_statistics client::statistics() const noexcept {
    return state_ ? state_->connections->statistics() : client_statistics();
}

}  // namespace simul::http
