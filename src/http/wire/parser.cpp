// How HTTP/1 is read here, and why so strictly.
//
// Request smuggling needs two programs that find different messages in the same bytes. So a message is
// accepted only if it can be read in one way:
//
//  1. Lines before meaning. The head is collected line by line up to the empty line, and each line is checked
//  by
//     itself: it ends with CR LF and has no other CR or LF, a header line is `token ":" value` with no space
//     before the colon and no continuation. Limits are measured on these lines, so the way the bytes were cut
//     into packets changes neither what is accepted nor which error is given.
//  2. Two readers. llhttp then reads the complete head, in one piece. It is the judge of the grammar and must
//  find the
//     same target, status, names and values, or the message is refused as ambiguous. Because it gets only
//     whole heads that have passed 1, versions 8.1 (which tolerates folded headers, empty names and more)
//     and 9.2 give the same results, and there is no state in it that a packet boundary could disturb.
//  3. Framing in one place. read_framing() decides from checked fields what follows the head; Content-Length
//  with
//     Transfer-Encoding, repeated lengths and any coding but exactly `chunked` are refused in both
//     directions. A body is then nothing but a number of bytes, and chunks are numbers on lines like those
//     of 1. Chunk extensions are checked for size and control bytes and otherwise ignored.
//
// llhttp is not used for bodies: its callbacks do not tell where a chunk's line began, so the limits of 1
// could not be measured, and its versions differ in the chunk extensions they take
// (docs/decisions/0021-http-heads-are-read-twice.md).

#include <simul/http/wire/parser.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include <simul/http/wire/chars.hpp>

namespace simul::http::detail {
namespace {

// *( ";" token [ "=" ( token / quoted-string ) ] ), without the spaces that RFC 9112 tolerates.
bool is_chunk_extension(std::string_view text) {
    const auto skip_token = [&text] {
        const std::size_t size = std::min(find_not(text, token_char), text.size());
        text.remove_prefix(size);
        return size > 0;
    };
    while (!text.empty()) {
        if (text[0] != ';') return false;
        text.remove_prefix(1);
        if (!skip_token()) return false;
        if (text.empty() || text[0] != '=') continue;
        text.remove_prefix(1);
        if (text.empty() || text[0] != '"') {
            if (!skip_token()) return false;
            continue;
        }
        std::size_t end = 1;
        for (; end < text.size() && text[end] != '"'; ++end) {
            if (text[end] == '\\') ++end;
            if (end >= text.size() || !is(text[end], field_char)) return false;
        }
        if (end >= text.size()) return false;
        text.remove_prefix(end + 1);
    }
    return true;
}

}  // namespace

wire_event message_parser::next(std::string_view& input) {
    if (failure_) throw *failure_;
    body_ = {};
    try {
        return advance(input);
    } catch (const wire_error& e) {
        failure_.emplace(e);
        throw;
    }
}

void message_parser::drop(std::string_view& input, std::size_t size) noexcept {
    input.remove_prefix(size);
    position_ += size;
}

bool message_parser::take_block(head_reader::block kind, std::string_view& input) {
    const std::size_t before = input.size();
    const bool complete = reader_.take(kind, input, limits_);
    position_ += before - input.size();
    return complete;
}

void message_parser::fail(wire_errc code, std::uint64_t position, std::string_view what) const {
    throw wire_error(code, static_cast<std::size_t>(position), std::string(what));
}

void message_parser::begin_message() {
    reader_.clear();
    reader_.forget_fields();
    position_ = 0;
    body_bytes_ = 0;
    extension_bytes_ = 0;
    length_ = 0;
    interim_ = false;
    keep_alive_ = true;
}

wire_event message_parser::advance(std::string_view& input) {
    for (;;) {
        switch (state_) {
            case state::head: {
                if (!reader_.started()) {
                    if (input.empty()) return wire_event::need_input;
                    begin_message();
                }
                if (!take_block(kind_, input)) return wire_event::need_input;
                if (!trailers_.empty()) trailers_.clear();
                const framing what = read_head();
                reader_.clear();
                remaining_ = length_;
                state_ = what == framing::none          ? state::ending
                         : what == framing::sized       ? state::sized
                         : what == framing::chunked     ? state::chunk_line
                         : what == framing::until_close ? state::until_close
                                                        : state::upgraded;
                return wire_event::head;
            }
            case state::sized:
                if (length_ > limits_.body_bytes_max) {
                    fail(wire_errc::body_too_long, position_,
                         fmt::format("a body of {} bytes, at most {} are allowed (body_bytes_max)", length_,
                                     limits_.body_bytes_max));
                }
                if (remaining_ == 0) {
                    state_ = state::ending;
                    continue;
                }
                if (input.empty()) return wire_event::need_input;
                take_body(input);
                return wire_event::body;
            case state::chunk_line:
                if (!take_chunk_line(input)) return wire_event::need_input;
                continue;
            case state::chunk_data:
                if (remaining_ == 0) {
                    state_ = state::chunk_end;
                    remaining_ = 2;
                    continue;
                }
                if (input.empty()) return wire_event::need_input;
                take_body(input);
                return wire_event::body;
            case state::chunk_end:
                while (remaining_ > 0) {
                    if (input.empty()) return wire_event::need_input;
                    if (input.front() != (remaining_ == 2 ? '\r' : '\n')) {
                        fail(wire_errc::invalid_chunk, position_, "a chunk is not followed by CR LF");
                    }
                    drop(input, 1);
                    --remaining_;
                }
                state_ = state::chunk_line;
                continue;
            case state::trailers:
                if (!take_block(head_reader::block::trailers, input)) return wire_event::need_input;
                for (std::size_t i = 0; i < reader_.fields(); ++i) {
                    const std::string_view name = reader_.field(i).name;
                    if (!allowed_in_trailer(name)) {
                        fail(wire_errc::invalid_trailer, position_,
                             fmt::format("{} in a trailer", printable(name)));
                    }
                }
                if (reader_.fields() > 0) {
                    reader_.confirm(head_reader::block::trailers, nullptr, {}, 0);
                    reader_.move_fields_to(trailers_);
                }
                state_ = state::ending;
                continue;
            case state::until_close:
                if (input.empty()) return wire_event::need_input;
                remaining_ = input.size();
                take_body(input);
                if (body_bytes_ > limits_.body_bytes_max) {
                    fail(
                        wire_errc::body_too_long, position_,
                        fmt::format("a body of more than {} bytes (body_bytes_max)", limits_.body_bytes_max));
                }
                return wire_event::body;
            case state::ending:
                reader_.clear();
                state_ = keep_alive_ || interim_ ? state::head : state::closed;
                return wire_event::end;
            case state::closed:
                if (input.empty()) return wire_event::need_input;
                fail(wire_errc::data_after_close, 0,
                     "the message before announced the end of the connection");
            case state::upgraded:
                return wire_event::upgrade;
        }
    }
}

void message_parser::take_body(std::string_view& input) {
    body_ = input.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size())));
    drop(input, body_.size());
    remaining_ -= body_.size();
    body_bytes_ += body_.size();
}

bool message_parser::take_chunk_line(std::string_view& input) {
    const std::size_t line_feed = input.find('\n');
    const std::size_t wanted = line_feed == input.npos ? input.size() : line_feed + 1;
    const std::size_t line_max = limits_.chunk_line_bytes_max;
    const std::size_t size = chunk_line_.size() + wanted;
    if (size > line_max + (line_feed == input.npos ? 1 : 2)) {
        fail(wire_errc::chunk_line_too_long, position_,
             fmt::format("a chunk size line of more than {} bytes (chunk_line_bytes_max)", line_max));
    }
    const std::string_view piece = input.substr(0, wanted);
    drop(input, wanted);
    if (line_feed == piece.npos) {
        chunk_line_.append(piece);
        return false;
    }
    if (chunk_line_.empty()) {
        read_chunk_line(piece);
    } else {
        chunk_line_.append(piece);
        read_chunk_line(chunk_line_);
        chunk_line_.clear();
    }
    return true;
}

// `line` ends with LF.
void message_parser::read_chunk_line(std::string_view line) {
    constexpr std::size_t digits_max = 15;  // cannot overflow 63 bits
    if (line.size() < 2 || line[line.size() - 2] != '\r') {
        fail(wire_errc::invalid_line_end, position_, "a chunk size line ends with LF without CR");
    }
    line.remove_suffix(2);
    std::uint64_t size = 0;
    std::size_t digits = 0;
    for (; digits < line.size() && hex_value(line[digits]) >= 0; ++digits) {
        if (digits == digits_max)
            fail(wire_errc::invalid_chunk, position_, "a chunk size of more than 15 digits");
        size = size * 16 + static_cast<std::uint64_t>(hex_value(line[digits]));
    }
    const std::string_view extension = line.substr(digits);
    if (digits == 0) {
        fail(wire_errc::invalid_chunk, position_,
             fmt::format("chunk size \"{}\" is not a hexadecimal number", printable(line)));
    }
    if (!is_chunk_extension(extension)) {
        fail(wire_errc::invalid_chunk, position_,
             fmt::format("\"{}\" after a chunk size is not a chunk extension", printable(extension)));
    }
    extension_bytes_ += extension.size();
    if (extension_bytes_ > limits_.chunk_extension_bytes_max) {
        fail(wire_errc::chunk_extensions_too_long, position_,
             fmt::format("more than {} bytes of chunk extensions (chunk_extension_bytes_max)",
                         limits_.chunk_extension_bytes_max));
    }
    if (size > limits_.body_bytes_max || body_bytes_ > limits_.body_bytes_max - size) {
        fail(wire_errc::body_too_long, position_,
             fmt::format("a body of more than {} bytes (body_bytes_max)", limits_.body_bytes_max));
    }
    remaining_ = size;
    state_ = size == 0 ? state::trailers : state::chunk_data;
}

wire_event message_parser::finish() {
    if (failure_) throw *failure_;
    const auto truncated = [this](const std::string& where) {
        failure_.emplace(wire_errc::truncated, static_cast<std::size_t>(position_), where);
        throw wire_error(*failure_);
    };
    switch (state_) {
        case state::head:
            if (reader_.started())
                truncated(fmt::format("the connection ended after {} bytes of a head", position_));
            state_ = state::closed;
            return wire_event::closed;
        case state::sized:
            if (remaining_ > 0) {
                truncated(
                    fmt::format("the connection ended after {} of {} body bytes", body_bytes_, length_));
            }
            [[fallthrough]];
        case state::until_close:
        case state::ending:
            state_ = state::closed;
            keep_alive_ = false;
            return wire_event::end;
        case state::chunk_line:
        case state::chunk_data:
        case state::chunk_end:
        case state::trailers:
            truncated(fmt::format("the connection ended after {} bytes of a chunked body", body_bytes_));
            break;
        case state::closed:
            break;
        case state::upgraded:
            return wire_event::upgrade;
    }
    return wire_event::closed;
}

message_parser::framing_fields message_parser::read_framing(int version_minor) const {
    framing_fields found;
    bool has_encoding = false;
    bool has_length = false;
    bool close = false;
    bool stay = false;
    for (std::size_t i = 0; i < reader_.fields(); ++i) {
        const auto [name, value] = reader_.field(i);
        const std::size_t at = reader_.position_of(i);
        if (name.size() == 17 && equal_ignoring_case(name, "transfer-encoding")) {
            if (has_encoding || version_minor == 0 || !equal_ignoring_case(value, "chunked")) {
                fail(wire_errc::invalid_transfer_encoding, at,
                     version_minor == 0 ? "Transfer-Encoding in an HTTP/1.0 message"
                                        : "Transfer-Encoding must be given once and be \"chunked\"");
            }
            has_encoding = true;
        } else if (name.size() == 14 && equal_ignoring_case(name, "content-length")) {
            found.content_length = parse_content_length(value);
            if (has_length || !found.content_length) {
                fail(wire_errc::invalid_content_length, at,
                     has_length ? std::string("Content-Length given twice")
                                : fmt::format("Content-Length \"{}\" is not a number of 1 to 18 digits",
                                              printable(value)));
            }
            has_length = true;
        } else if (name.size() == 10 && equal_ignoring_case(name, "connection")) {
            for (std::string_view list = value; !list.empty();) {
                const std::size_t comma = std::min(list.find(','), list.size());
                const std::string_view token = trim(list.substr(0, comma));
                if (equal_ignoring_case(token, "close")) close = true;
                if (equal_ignoring_case(token, "keep-alive")) stay = true;
                list.remove_prefix(std::min(comma + 1, list.size()));
            }
        }
    }
    if (has_encoding && has_length) {
        fail(wire_errc::conflicting_framing, 0, "the message has Content-Length and Transfer-Encoding");
    }
    found.chunked = has_encoding;
    found.keep_alive = !close && (version_minor == 1 || stay);
    return found;
}

namespace {

// The minor version of "HTTP/1.x", or throws.
int read_version(std::string_view text, std::size_t at) {
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    if (text.size() != 8 || !text.starts_with("HTTP/") || !digit(text[5]) || text[6] != '.' ||
        !digit(text[7])) {
        throw wire_error(wire_errc::invalid_version, at,
                         "\"" + printable(text) + "\" is not a version such as HTTP/1.1");
    }
    if (text[5] != '1' || text[7] > '1') {
        throw wire_error(wire_errc::unsupported_version, at,
                         printable(text) + " is neither HTTP/1.0 nor HTTP/1.1");
    }
    return text[7] - '0';
}

// "host:80" and "host" are the same authority for http, ":443" for https.
std::string_view without_default_port(std::string_view authority, std::string_view port) {
    if (authority.ends_with(port)) authority.remove_suffix(port.size());
    if (authority.ends_with(':')) authority.remove_suffix(1);
    return authority;
}

void check_target(const http::method& method, std::string_view target, std::optional<std::string_view> host,
                  std::size_t at) {
    const auto bad = [&](wire_errc code, std::string_view what) {
        throw wire_error(code, at, fmt::format("request target \"{}\" {}", printable(target), what));
    };
    if (const std::size_t wrong = find_not(target, target_char); target.empty() || wrong != target.npos) {
        bad(wire_errc::invalid_target,
            target.empty() ? std::string("is empty") : "has " + byte_at(target, wrong));
    }
    if (method == method::connect) {
        const std::size_t colon = target.rfind(':');
        const std::string_view port = colon == target.npos ? std::string_view() : target.substr(colon + 1);
        const bool is_port =
            !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == port.npos;
        if (!is_port || colon == 0 || find_not(target, host_char) != target.npos) {
            bad(wire_errc::invalid_target, "must be host:port for CONNECT");
        }
        return;
    }
    if (target[0] == '/') return;
    if (target == "*") {
        if (method != method::options) bad(wire_errc::invalid_target, "is only for OPTIONS");
        return;
    }
    const bool secure = target.size() > 8 && equal_ignoring_case(target.substr(0, 8), "https://");
    const bool plain = target.size() > 7 && equal_ignoring_case(target.substr(0, 7), "http://");
    if (!secure && !plain) bad(wire_errc::invalid_target, "is neither a path nor an http URL");
    std::string_view authority = target.substr(secure ? 8 : 7);
    authority = authority.substr(0, authority.find_first_of("/?"));
    if (authority.empty() || find_not(authority, host_char) != authority.npos) {
        bad(wire_errc::invalid_target, "has no valid host");
    }
    const std::string_view port = secure ? ":443" : ":80";
    if (host &&
        !equal_ignoring_case(without_default_port(authority, port), without_default_port(*host, port))) {
        bad(wire_errc::host_mismatch, fmt::format("and Host \"{}\" differ", printable(*host)));
    }
}

}  // namespace
}  // namespace simul::http::detail

namespace simul::http {

using detail::find_not;
using detail::printable;

request_parser::framing request_parser::read_head() {
    const std::string_view line = reader().start_line();
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == line.npos || first == last) {
        fail(
            wire_errc::invalid_start_line, 0,
            "\"" + printable(line) + "\" is not a method, a target and a version with single spaces between");
    }
    const std::string_view target = line.substr(first + 1, last - first - 1);
    head_.method = http::method(line.substr(0, first));
    head_.version_minor = detail::read_version(line.substr(last + 1), last + 1);

    std::optional<std::string_view> host;
    bool upgrade_named = false;
    bool upgrade_wanted = false;
    head_.expect_continue = false;
    for (std::size_t i = 0; i < reader().fields(); ++i) {
        const auto [name, value] = reader().field(i);
        const std::size_t at = reader().position_of(i);
        switch (name.size()) {
            case 4:
                if (!equal_ignoring_case(name, "host")) break;
                if (host) fail(wire_errc::duplicate_host, at, "a second Host header");
                if (value.empty() || find_not(value, detail::host_char) != value.npos) {
                    fail(wire_errc::invalid_host, at,
                         "Host \"" + printable(value) + "\" is not a host with an optional port");
                }
                host = value;
                break;
            case 6:
                if (equal_ignoring_case(name, "expect") && equal_ignoring_case(value, "100-continue")) {
                    head_.expect_continue = head_.version_minor == 1;
                }
                break;
            case 7:
                upgrade_named = upgrade_named || equal_ignoring_case(name, "upgrade");
                break;
            default:
                break;
        }
    }
    if (!host && head_.version_minor == 1)
        fail(wire_errc::missing_host, 0, "an HTTP/1.1 request without Host");
    detail::check_target(head_.method, target, host, first + 1);

    const framing_fields framing_found = read_framing(head_.version_minor);
    const bool tunnel = head_.method == method::connect;
    if (tunnel && (framing_found.chunked || framing_found.content_length)) {
        fail(wire_errc::conflicting_framing, 0, "CONNECT has no body");
    }
    reader().confirm(detail::head_reader::block::request, &head_.method, target, 0);

    head_.target.assign(target);
    reader().move_fields_to(head_.headers);
    head_.content_length = framing_found.content_length;
    head_.chunked = framing_found.chunked;
    head_.keep_alive = keep_alive_ = framing_found.keep_alive;
    upgrade_wanted =
        upgrade_named && head_.version_minor == 1 && head_.headers.has_token("connection", "upgrade");
    head_.upgrade = upgrade_wanted;
    if (tunnel) return framing::tunnel;
    if (head_.chunked) return framing::chunked;
    length_ = head_.content_length.value_or(0);
    return length_ > 0 ? framing::sized : framing::none;
}

response_parser::framing response_parser::read_head() {
    const std::string_view line = reader().start_line();
    head_.version_minor = detail::read_version(line.substr(0, line.find(' ')), 0);
    const std::string_view rest = line.substr(std::min<std::size_t>(9, line.size()));
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    if (line.size() < 12 || !digit(rest[0]) || !digit(rest[1]) || !digit(rest[2]) || rest[0] == '0' ||
        (rest.size() > 3 && rest[3] != ' ')) {
        fail(wire_errc::invalid_status, 9,
             "\"" + printable(rest) + "\" is not a status from 100 to 999 and a reason");
    }
    const std::string_view reason = rest.size() > 4 ? rest.substr(4) : std::string_view();
    if (const std::size_t at = find_not(reason, detail::field_char); at != reason.npos) {
        fail(wire_errc::invalid_reason, 13 + at, "a control byte in the reason phrase");
    }
    const int status = (rest[0] - '0') * 100 + (rest[1] - '0') * 10 + (rest[2] - '0');
    const framing_fields framing_found = read_framing(head_.version_minor);
    reader().confirm(detail::head_reader::block::response, nullptr, {}, status);

    head_.status = status;
    head_.reason.assign(reason);
    reader().move_fields_to(head_.headers);
    head_.content_length.reset();
    head_.chunked = false;
    head_.keep_alive = keep_alive_ = framing_found.keep_alive;

    if (status == 101 || (asked_connect_ && status / 100 == 2)) return framing::tunnel;
    if (status < 200) {
        interim_ = true;
        if (++interim_seen_ > limits().interim_responses_max) {
            fail(wire_errc::too_many_interim, 0,
                 fmt::format("more than {} interim responses (interim_responses_max)",
                             limits().interim_responses_max));
        }
        return framing::none;
    }
    // These have no body whatever their fields say (RFC 9112, 6.3); the fields tell of the body that GET
    // would get.
    if (asked_head_ || status == 204 || status == 304) return framing::none;
    if (framing_found.chunked) {
        head_.chunked = true;
        return framing::chunked;
    }
    if (framing_found.content_length) {
        head_.content_length = framing_found.content_length;
        length_ = *framing_found.content_length;
        return length_ > 0 ? framing::sized : framing::none;
    }
    head_.keep_alive = keep_alive_ = false;
    return framing::until_close;
}

}  // namespace simul::http
