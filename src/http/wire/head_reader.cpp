// How the head of an HTTP/1 message is read: lines first, then llhttp. The theory is in parser.cpp.

#include <simul/http/wire/head_reader.hpp>

#include <fmt/format.h>
#include <llhttp.h>

#include <algorithm>
#include <string>
#include <string_view>

#include <simul/http/wire/chars.hpp>
#include <simul/http/wire/error.hpp>
#include <simul/http/wire/parser.hpp>

#if LLHTTP_VERSION_MAJOR < 9 && (!defined(LLHTTP_STRICT_MODE) || !LLHTTP_STRICT_MODE)
#error \
    "compile llhttp 8 and everything that includes it with -DLLHTTP_STRICT_MODE=1: its default lets smuggling through"
#endif

namespace simul::http::detail {
namespace {

// What llhttp's callbacks compare with; lives for one call of confirm().
struct witness {
    const head_reader* reader;
    std::string_view target;
    std::size_t field = 0;
    bool disagrees = false;
    bool complete = false;
};

witness& witness_of(llhttp_t* parser) { return *static_cast<witness*>(parser->data); }

// llhttp reads our own copy, so to see the same is to see it in the same place.
bool same_place(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && (a.data() == b.data() || a.empty());
}

int on_url(llhttp_t* parser, const char* at, std::size_t size) {
    witness& w = witness_of(parser);
    if (std::string_view(at, size) != w.target) w.disagrees = true;
    return 0;
}

int on_header_field(llhttp_t* parser, const char* at, std::size_t size) {
    witness& w = witness_of(parser);
    if (w.field >= w.reader->fields() || !same_place(w.reader->field(w.field).name, {at, size}))
        w.disagrees = true;
    return 0;
}

int on_header_value(llhttp_t* parser, const char* at, std::size_t size) {
    witness& w = witness_of(parser);
    if (w.field >= w.reader->fields() || !same_place(w.reader->field(w.field).value, trim({at, size})))
        w.disagrees = true;
    return 0;
}

int on_header_value_complete(llhttp_t* parser) {
    ++witness_of(parser).field;
    return 0;
}

// 1: no body. Framing is decided by message_parser, so for llhttp every message ends with its head.
int on_headers_complete(llhttp_t*) { return 1; }

int on_message_complete(llhttp_t* parser) {
    witness_of(parser).complete = true;
    return HPE_PAUSED;
}

const llhttp_settings_t& callbacks() {
    static const llhttp_settings_t settings = [] {
        llhttp_settings_t s;
        llhttp_settings_init(&s);
        s.on_url = on_url;
        s.on_header_field = on_header_field;
        s.on_header_value = on_header_value;
        s.on_header_value_complete = on_header_value_complete;
        s.on_headers_complete = on_headers_complete;
        s.on_message_complete = on_message_complete;
        return s;
    }();
    return settings;
}

}  // namespace

void head_reader::clear() noexcept {
    text_.clear();
    fields_before_ += index_.size();
    index_.clear();
    line_at_ = lines_ = start_line_size_ = 0;
    skipped_ = false;
}

headers::field head_reader::field(std::size_t index) const noexcept {
    const header_entry& e = index_[index];
    return {{text_.data() + e.name_at, e.name_size}, {text_.data() + e.value_at, e.value_size}};
}

void head_reader::move_fields_to(headers& to) const {
    to.text_.assign(text_);
    to.index_.assign(index_.begin(), index_.end());
    to.unused_ = 0;
}

std::size_t head_reader::line_max(block kind, const parser_limits& limits) const noexcept {
    return is_first(kind) ? limits.start_line_bytes_max : limits.header_bytes_max;
}

// Whole lines are read where they lie and copied together; only a line that is cut goes through text_ alone.
bool head_reader::take(block kind, std::string_view& input, const parser_limits& limits) {
    while (!input.empty()) {
        if (line_at_ == text_.size() && take_whole_lines(kind, input, limits)) return true;
        if (!input.empty() && take_part_of_line(kind, input, limits)) return true;
    }
    return false;
}

// True: that was the block. Leaves a line that is not complete, or too long.
bool head_reader::take_whole_lines(block kind, std::string_view& input, const parser_limits& limits) {
    std::size_t taken = 0;
    step next = step::line;
    while (next != step::end) {
        const std::string_view rest = input.substr(taken);
        const std::size_t line_feed = rest.find('\n');
        if (line_feed == rest.npos || line_feed > line_max(kind, limits) + 1) break;
        const std::string_view line = rest.substr(0, line_feed + 1);
        if (is_first(kind)) check_first_bytes(kind, line);
        next = read_line(kind, line, limits);
        if (next == step::skip)
            input.remove_prefix(line.size());
        else
            taken += line.size();
    }
    text_.append(input.substr(0, taken));
    input.remove_prefix(taken);
    return next == step::end;
}

// True: that completed the block.
bool head_reader::take_part_of_line(block kind, std::string_view& input, const parser_limits& limits) {
    const std::size_t line_feed = input.find('\n');
    const bool complete = line_feed != input.npos;
    const bool first = is_first(kind);
    const std::size_t bytes_max = line_max(kind, limits);
    // Never keeps more than the limit and the two bytes of the line's end.
    const std::size_t room = bytes_max + 2 - std::min(bytes_max + 2, text_.size() - line_at_);
    const std::size_t wanted = complete ? line_feed + 1 : input.size();
    const std::size_t taken = std::min(wanted, room);
    text_.append(input.substr(0, taken));
    input.remove_prefix(taken);
    const std::string_view line = std::string_view(text_).substr(line_at_);
    if (first) check_first_bytes(kind, line);
    if (taken < wanted || (!complete && line.size() > bytes_max + 1)) {
        throw wire_error(first ? wire_errc::start_line_too_long : wire_errc::header_too_long, line_at_,
                         fmt::format("a line of more than {} bytes at byte {} ({})", bytes_max, line_at_,
                                     first ? "start_line_bytes_max" : "header_bytes_max"));
    }
    if (!complete) return false;
    const step next = read_line(kind, line, limits);
    if (next == step::skip) text_.clear();
    return next == step::end;
}

// Garbage (TLS sent to a plain port, another protocol) is noticed at its first bytes, not after a line of it.
void head_reader::check_first_bytes(block kind, std::string_view seen) const {
    constexpr char tls_alert = 0x15;
    constexpr char tls_handshake = 0x16;
    const bool tls = seen[0] == tls_alert || seen[0] == tls_handshake;
    const char* hint = !tls                      ? ""
                       : kind == block::response ? " (that is TLS: does the URL want https?)"
                                                 : " (that is TLS, on a port without it)";
    if (kind == block::response) {
        constexpr std::string_view expected = "HTTP/";
        const std::size_t size = std::min(seen.size(), expected.size());
        if (seen.substr(0, size) != expected.substr(0, size)) {
            throw wire_error(wire_errc::invalid_start_line, 0,
                             "a response must start with \"HTTP/\", this starts with \"" +
                                 printable(seen.substr(0, 16)) + "\"" + hint);
        }
    } else if (seen[0] != '\r' && seen[0] != '\n' && !is(seen[0], token_char)) {
        throw wire_error(wire_errc::invalid_method, 0,
                         "a request must start with a method, this has " + byte_at(seen, 0) + hint);
    }
}

// Checks the line at line_at_, which ends with LF, and records its field.
head_reader::step head_reader::read_line(block kind, std::string_view line, const parser_limits& limits) {
    const std::size_t end = line_at_ + line.size();
    if (line.size() < 2 || line[line.size() - 2] != '\r') {
        throw wire_error(wire_errc::invalid_line_end, end - 1,
                         fmt::format("LF without CR at byte {}", end - 1));
    }
    line.remove_suffix(2);
    if (is_first(kind)) {
        check_no_cr(line);
        if (line.empty()) {
            if (kind == block::response || skipped_) {
                throw wire_error(wire_errc::invalid_start_line, 0,
                                 "an empty line where a start line should be");
            }
            skipped_ = true;  // one empty line before the request line (RFC 9112, 2.2)
            return step::skip;
        }
        start_line_size_ = line.size();
    } else {
        const std::size_t block_bytes = end - (kind == block::trailers ? 0 : start_line_size_ + 2);
        if (block_bytes > limits.headers_bytes_max) {
            throw wire_error(wire_errc::headers_too_long, line_at_,
                             fmt::format("more than {} bytes of headers at byte {} (headers_bytes_max)",
                                         limits.headers_bytes_max, line_at_));
        }
        if (!line.empty()) read_field(line, limits);
    }
    ++lines_;
    line_at_ = end;
    return line.empty() ? step::end : step::line;
}

void head_reader::read_field(std::string_view line, const parser_limits& limits) {
    if (fields_before_ + index_.size() >= limits.headers_max) {
        throw wire_error(
            wire_errc::too_many_headers, line_at_,
            fmt::format("more than {} headers at byte {} (headers_max)", limits.headers_max, line_at_));
    }
    const std::size_t colon = find_not(line, token_char);
    if (colon == 0 || colon == line.npos || line[colon] != ':') refuse_name(line);
    const std::string_view raw = line.substr(colon + 1);
    if (!is_field_text(raw)) {
        check_no_cr(line);
        const std::size_t at = find_not(raw, field_char);
        throw wire_error(
            wire_errc::invalid_header_value, line_at_ + colon + 1 + at,
            fmt::format("the value of header {} has {}", printable(line.substr(0, colon)), byte_at(raw, at)));
    }
    const std::string_view value = trim(raw);
    index_.push_back(
        {static_cast<std::uint32_t>(line_at_), static_cast<std::uint32_t>(colon),
         static_cast<std::uint32_t>(line_at_ + static_cast<std::size_t>(value.data() - line.data())),
         static_cast<std::uint32_t>(value.size())});
}

void head_reader::refuse_name(std::string_view line) const {
    check_no_cr(line);
    if (line[0] == ' ' || line[0] == '\t') {
        throw wire_error(wire_errc::folded_header, line_at_,
                         fmt::format("a header continued on the next line at byte {}", line_at_));
    }
    const std::size_t bad = find_not(line.substr(0, line.find(':')), token_char);
    throw wire_error(wire_errc::invalid_header_name, line_at_ + (bad == line.npos ? 0 : bad),
                     fmt::format("header line \"{}\" at byte {} does not start with a name and a colon",
                                 printable(line.substr(0, line.find(':'))), line_at_));
}

void head_reader::check_no_cr(std::string_view line) const {
    const std::size_t at = line.find('\r');
    if (at == line.npos) return;
    throw wire_error(wire_errc::invalid_line_end, line_at_ + at,
                     fmt::format("CR without LF at byte {}", line_at_ + at));
}

void head_reader::confirm(block kind, const http::method* method, std::string_view target, int status) const {
    witness w{this, target};
    llhttp_t parser;
    llhttp_init(&parser, kind == block::response ? HTTP_RESPONSE : HTTP_REQUEST, &callbacks());
    parser.data = &w;

    std::string_view rest = text_;
    llhttp_errno_t error = HPE_OK;
    if (kind == block::trailers) {
        // Trailers are read as the headers of a request that has nothing else.
        constexpr std::string_view start = "GET / HTTP/1.0\r\n";
        w.target = "/";
        error = llhttp_execute(&parser, start.data(), start.size());
    } else if (method != nullptr && method->id() == method::extension) {
        // llhttp knows a closed list of methods, and not the same in every version. A method is a token and
        // was checked as one, so the judge is shown GET in its place.
        error = llhttp_execute(&parser, "GET", 3);
        rest.remove_prefix(method->name().size());
    }
    if (error == HPE_OK) error = llhttp_execute(&parser, rest.data(), rest.size());

    const bool agrees = error == HPE_PAUSED && w.complete && !w.disagrees && w.field == index_.size() &&
                        llhttp_get_error_pos(&parser) == rest.data() + rest.size() &&
                        (kind != block::response || llhttp_get_status_code(&parser) == status);
    if (!agrees) {
        const char* why = error != HPE_PAUSED && error != HPE_OK ? llhttp_get_error_reason(&parser) : nullptr;
        throw wire_error(
            wire_errc::ambiguous, 0,
            fmt::format("refused by llhttp ({})", why != nullptr ? why : "sees another message"));
    }
}

}  // namespace simul::http::detail
