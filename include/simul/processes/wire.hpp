#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// The protocol between a program, its zygote and its worker processes. No I/O: bytes in, frames out.
///
/// docs/formats/worker.md is the reference. All three are images of one program on one machine, so there is
/// no negotiation of versions; the first bytes of each frame are checked all the same, because user code runs
/// in the worker and can write to any descriptor.
namespace simul::detail::wire {

inline constexpr std::size_t header_bytes = 24;
/// Above this a length is taken for damage.
inline constexpr std::uint64_t payload_bytes_max = std::uint64_t{1} << 32;
/// Texts in an error frame (type name, message) are cut to this.
inline constexpr std::size_t error_text_bytes_max = 16 * 1024;

enum class frame_type : std::uint8_t {
    start = 1,         ///< program -> zygote: fork a worker; carries its channel and its status socket
    started = 2,       ///< zygote -> program, status socket: pid
    start_failed = 3,  ///< zygote -> program, status socket: errno and what failed
    exited = 4,        ///< zygote -> program, status socket: how the worker ended; the last frame
    call = 5,          ///< program -> worker
    result = 6,        ///< worker -> program
    error = 7,         ///< worker -> program
    signal = 8,        ///< program -> zygote, status socket: send a signal to the worker
};

struct frame {
    frame_type type{};
    std::uint64_t id = 0;  ///< of the call; 0 elsewhere
    std::string payload;
};

/// A place in the program or in one of its shared objects: the same in every process that has the image.
struct code_ref {
    std::string image;  ///< the image's build-id, or its path if it has none; empty: no place
    std::uint64_t offset = 0;

    friend bool operator==(const code_ref&, const code_ref&) = default;
};

struct start_message {
    std::string name;  ///< for `ps`: the first 15 bytes are the name of the process
};

struct started_message {
    std::int32_t pid = 0;
};

struct start_failed_message {
    std::int32_t error = 0;
    std::string what;
};

struct exited_message {
    std::int32_t code = 0;
    std::int32_t signal = 0;  ///< 0: it ended by itself, with `code`
    bool core_dumped = false;
    bool unread = false;  ///< bytes were left in its channel: it had not begun the call that was written last
};

struct signal_message {
    std::int32_t number = 0;
};

struct call_message {
    /// steady_clock, in nanoseconds; nothing: no deadline. The clock is the same in all processes of a
    /// machine.
    std::optional<std::int64_t> deadline_ns;
    bool last = false;           ///< the worker ends after this call, with the exit status that the call set
    code_ref trampoline;         ///< decodes the arguments, calls, encodes the result
    code_ref function;           ///< for a trampoline that serves many functions
    std::string_view arguments;  ///< encoded by codec. Lifetime: as long as the payload
};

struct error_message {
    enum class kind : std::uint8_t {
        system = 1,  ///< a std::system_error: `code` and `category` count
        other = 2,   ///< anything else: `type_name` and `message`
    };
    kind what = kind::other;
    std::int32_t code = 0;
    std::string category_name;
    code_ref category;  ///< of the category object; empty if it lies in no image
    std::string type_name;
    std::string message;
};

/// A frame's header with room for the length, for a payload that is appended to it; finish() fills it in.
std::string begin_frame(frame_type type, std::uint64_t id);
void finish_frame(std::string& frame);

std::string encode(const start_message& message);
std::string encode(const started_message& message);
std::string encode(const start_failed_message& message);
std::string encode(const exited_message& message);
std::string encode(const signal_message& message);
std::string encode(std::uint64_t id, const error_message& message);
/// The call up to its arguments: append these, then finish_frame().
std::string begin_call(std::uint64_t id, const call_message& message);
/// Sets the deadline in a frame that begin_call made.
void set_deadline(std::string& call_frame, std::int64_t deadline_ns);

/// Each throws std::system_error with process_errc::bad_message when the payload is not that message.
start_message decode_start(std::string_view payload);
started_message decode_started(std::string_view payload);
start_failed_message decode_start_failed(std::string_view payload);
exited_message decode_exited(std::string_view payload);
signal_message decode_signal(std::string_view payload);
call_message decode_call(std::string_view payload);
error_message decode_error(std::string_view payload);

/// Makes frames from the bytes of a stream. Large payloads are read in place: they are not copied.
///
///     for (;;) {
///         while (auto f = reader.next()) handle(*f);
///         reader.commit(read(fd, reader.prepare()));
///     }
class frame_reader {
  public:
    /// A payload above `payload_limit` is an error; the option's name is for the message.
    explicit frame_reader(std::uint64_t payload_limit = payload_bytes_max,
                          std::string_view option = "payload_bytes_max")
        : limit_(payload_limit), option_(option) {}

    /// Where the next bytes belong; never empty. Call next() until it gives nothing before this.
    std::span<char> prepare();
    /// `size` bytes were written there.
    void commit(std::size_t size);
    /// The next complete frame. Throws process_errc::bad_message, or errc::limit_exceeded; the stream is
    /// useless then.
    std::optional<frame> next();

    /// Nothing of a frame has arrived: the stream may end here.
    bool at_boundary() const noexcept { return !reading_payload_ && begin_ == end_; }

  private:
    void read_header();

    std::uint64_t limit_;
    std::string_view option_;
    std::string buffer_;  ///< headers and small payloads: [begin_, end_) is what has arrived
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    bool reading_payload_ = false;
    frame current_;
    std::size_t filled_ = 0;  ///< of current_.payload
    std::size_t size_ = 0;    ///< what current_.payload is to become
};

}  // namespace simul::detail::wire
