#include <simul/processes/wire.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <concepts>
#include <cstring>
#include <type_traits>
#include <utility>

#include <simul/base/limits.hpp>
#include <simul/processes/error.hpp>

namespace simul::detail::wire {
namespace {

// "sw" and the version of the format.
constexpr char magic[3] = {'s', 'w', 1};
constexpr std::size_t length_at = 16;
constexpr std::size_t buffer_bytes = 8 * 1024;
// A payload is grown by at most this much ahead of what has arrived, so that a damaged length costs no
// memory.
constexpr std::size_t growth_bytes = 16 * 1024 * 1024;

[[noreturn]] void bad(std::string_view what) {
    throw std::system_error(process_errc::bad_message, std::string(what));
}

template <std::integral T>
void put(std::string& out, T value) {
    auto bits = static_cast<std::make_unsigned_t<T>>(value);
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        out.push_back(static_cast<char>(bits & 0xffU));
        if constexpr (sizeof(T) > 1) bits = static_cast<std::make_unsigned_t<T>>(bits >> 8U);
    }
}

template <std::integral T>
T get_at(const char* from) {
    std::make_unsigned_t<T> bits = 0;
    for (std::size_t i = sizeof(T); i-- > 0;) {
        if constexpr (sizeof(T) > 1) bits = static_cast<std::make_unsigned_t<T>>(bits << 8U);
        bits = static_cast<std::make_unsigned_t<T>>(bits | static_cast<unsigned char>(from[i]));
    }
    return static_cast<T>(bits);
}

void put_text(std::string& out, std::string_view text) {
    put(out, static_cast<std::uint32_t>(text.size()));
    out += text;
}

void put_ref(std::string& out, const code_ref& ref) {
    put_text(out, ref.image);
    put(out, ref.offset);
}

/// Takes a payload apart; what is missing or left over is an error.
class parser {
  public:
    parser(std::string_view message, std::string_view payload) : message_(message), rest_(payload) {}

    template <std::integral T>
    T number() {
        const std::string_view bytes = take(sizeof(T));
        return get_at<T>(bytes.data());
    }
    bool flag() {
        const auto value = number<std::uint8_t>();
        if (value > 1) bad(fmt::format("{}: a flag has the value {}", message_, value));
        return value == 1;
    }
    std::string_view text() { return take(number<std::uint32_t>()); }
    code_ref ref() {
        code_ref result;
        result.image = text();
        result.offset = number<std::uint64_t>();
        return result;
    }
    std::string_view rest() { return std::exchange(rest_, {}); }
    void done() const {
        if (!rest_.empty()) bad(fmt::format("{}: {} bytes too many", message_, rest_.size()));
    }

  private:
    std::string_view take(std::size_t size) {
        if (size > rest_.size()) bad(fmt::format("{}: {} bytes are missing", message_, size - rest_.size()));
        const std::string_view taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }

    std::string_view message_;
    std::string_view rest_;
};

std::string_view cut(std::string_view text) { return text.substr(0, error_text_bytes_max); }

}  // namespace

std::string begin_frame(frame_type type, std::uint64_t id) {
    std::string out(magic, sizeof magic);
    put(out, static_cast<std::uint8_t>(type));
    put(out, std::uint32_t{0});
    put(out, id);
    put(out, std::uint64_t{0});
    return out;
}

void finish_frame(std::string& frame) {
    std::string length;
    put(length, static_cast<std::uint64_t>(frame.size() - header_bytes));
    frame.replace(length_at, length.size(), length);
}

std::string encode(const start_message& message) {
    std::string out = begin_frame(frame_type::start, 0);
    put_text(out, message.name);
    finish_frame(out);
    return out;
}

std::string encode(const started_message& message) {
    std::string out = begin_frame(frame_type::started, 0);
    put(out, message.pid);
    finish_frame(out);
    return out;
}

std::string encode(const start_failed_message& message) {
    std::string out = begin_frame(frame_type::start_failed, 0);
    put(out, message.error);
    put_text(out, message.what);
    finish_frame(out);
    return out;
}

std::string encode(const exited_message& message) {
    std::string out = begin_frame(frame_type::exited, 0);
    put(out, message.code);
    put(out, message.signal);
    put(out, static_cast<std::uint8_t>(message.core_dumped));
    put(out, static_cast<std::uint8_t>(message.unread));
    finish_frame(out);
    return out;
}

std::string encode(const signal_message& message) {
    std::string out = begin_frame(frame_type::signal, 0);
    put(out, message.number);
    finish_frame(out);
    return out;
}

std::string encode(std::uint64_t id, const error_message& message) {
    std::string out = begin_frame(frame_type::error, id);
    put(out, static_cast<std::uint8_t>(message.what));
    put(out, message.code);
    put_text(out, cut(message.category_name));
    put_ref(out, message.category);
    put_text(out, cut(message.type_name));
    put_text(out, cut(message.message));
    finish_frame(out);
    return out;
}

std::string begin_call(std::uint64_t id, const call_message& message) {
    std::string out = begin_frame(frame_type::call, id);
    put(out, static_cast<std::uint8_t>(message.deadline_ns.has_value()));
    put(out, message.deadline_ns.value_or(0));
    put(out, static_cast<std::uint8_t>(message.last));
    put_ref(out, message.trampoline);
    put_ref(out, message.function);
    return out;
}

void set_deadline(std::string& call_frame, std::int64_t deadline_ns) {
    std::string field;
    put(field, std::uint8_t{1});
    put(field, deadline_ns);
    call_frame.replace(header_bytes, field.size(), field);
}

start_message decode_start(std::string_view payload) {
    parser in("start", payload);
    start_message message;
    message.name = in.text();
    in.done();
    return message;
}

started_message decode_started(std::string_view payload) {
    parser in("started", payload);
    started_message message;
    message.pid = in.number<std::int32_t>();
    in.done();
    return message;
}

start_failed_message decode_start_failed(std::string_view payload) {
    parser in("start_failed", payload);
    start_failed_message message;
    message.error = in.number<std::int32_t>();
    message.what = in.text();
    in.done();
    return message;
}

exited_message decode_exited(std::string_view payload) {
    parser in("exited", payload);
    exited_message message;
    message.code = in.number<std::int32_t>();
    message.signal = in.number<std::int32_t>();
    message.core_dumped = in.flag();
    message.unread = in.flag();
    in.done();
    return message;
}

signal_message decode_signal(std::string_view payload) {
    parser in("signal", payload);
    signal_message message;
    message.number = in.number<std::int32_t>();
    in.done();
    return message;
}

call_message decode_call(std::string_view payload) {
    parser in("call", payload);
    call_message message;
    const bool has_deadline = in.flag();
    const auto deadline = in.number<std::int64_t>();
    if (has_deadline) message.deadline_ns = deadline;
    message.last = in.flag();
    message.trampoline = in.ref();
    message.function = in.ref();
    message.arguments = in.rest();
    return message;
}

error_message decode_error(std::string_view payload) {
    parser in("error", payload);
    error_message message;
    const auto kind = in.number<std::uint8_t>();
    if (kind != 1 && kind != 2) bad(fmt::format("error: kind {}", kind));
    message.what = static_cast<error_message::kind>(kind);
    message.code = in.number<std::int32_t>();
    message.category_name = in.text();
    message.category = in.ref();
    message.type_name = in.text();
    message.message = in.text();
    in.done();
    return message;
}

std::span<char> frame_reader::prepare() {
    if (reading_payload_) {
        // Into the frame itself. The string grows as bytes arrive.
        if (filled_ == current_.payload.size())
            current_.payload.resize(std::min(size_, filled_ + growth_bytes));
        return {current_.payload.data() + filled_, current_.payload.size() - filled_};
    }
    if (begin_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    if (buffer_.empty()) buffer_.resize(buffer_bytes);
    return {buffer_.data() + end_, buffer_.size() - end_};
}

void frame_reader::commit(std::size_t size) { (reading_payload_ ? filled_ : end_) += size; }

std::optional<frame> frame_reader::next() {
    if (!reading_payload_) {
        if (end_ - begin_ < header_bytes) return std::nullopt;
        read_header();
    }
    if (filled_ < size_) return std::nullopt;
    reading_payload_ = false;
    return std::exchange(current_, {});
}

void frame_reader::read_header() {
    const char* header = buffer_.data() + begin_;
    if (std::memcmp(header, magic, sizeof magic) != 0)
        bad("the channel of a worker carries something else (does user code write to a descriptor it did not "
            "open?)");
    const auto type = static_cast<std::uint8_t>(header[sizeof magic]);
    if (type < static_cast<std::uint8_t>(frame_type::start) ||
        type > static_cast<std::uint8_t>(frame_type::signal))
        bad(fmt::format("unknown frame type {}", type));
    const auto length = get_at<std::uint64_t>(header + length_at);
    if (length > payload_bytes_max) bad(fmt::format("a frame of {} bytes", length));
    if (length > limit_) throw_limit_exceeded("message of a worker process", option_, limit_);

    current_.type = static_cast<frame_type>(type);
    current_.id = get_at<std::uint64_t>(header + 8);
    begin_ += header_bytes;
    size_ = static_cast<std::size_t>(length);
    // What has arrived of the payload together with the header.
    filled_ = std::min(size_, end_ - begin_);
    current_.payload.assign(buffer_.data() + begin_, filled_);
    begin_ += filled_;
    reading_payload_ = true;
}

}  // namespace simul::detail::wire
