#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

/// The protocol of Redis and Valkey, RESP2 and RESP3: bytes in, replies out; commands in, bytes out. No I/O.
namespace simul::redis {

/// What can be wrong with bytes that claim to be RESP, or with how a reply is used. All are
/// `condition::invalid`.
enum class resp_errc {
    malformed = 1,   ///< not RESP
    line_too_long,   ///< resp_limits::line_bytes_max
    bulk_too_long,   ///< resp_limits::bulk_bytes_max
    reply_too_long,  ///< resp_limits::reply_bytes_max
    too_deep,        ///< resp_limits::depth_max
    wrong_type,      ///< a reply was asked for what it is not
};

/// The category of `resp_errc`, named "simul.redis.resp".
const std::error_category& resp_category() noexcept;
std::error_code make_error_code(resp_errc code) noexcept;

/// An error that the server answered. what() is its whole text.
class reply_error : public std::runtime_error {
  public:
    explicit reply_error(const std::string& text);

    /// The first word, by which Redis tells its errors apart: "ERR", "WRONGTYPE", "NOSCRIPT", "MOVED".
    /// Lifetime: as long as this exception.
    std::string_view code() const noexcept;
};

enum class reply_type : std::uint8_t {
    nil,         ///< the null of RESP3, and the null string and null array of RESP2
    status,      ///< simple string such as OK
    string,      ///< bulk string: any bytes
    error,       ///< simple or bulk error
    integer,     ///< 64 bits
    real,        ///< RESP3 double
    boolean,     ///< RESP3
    big_number,  ///< RESP3: decimal digits, kept as text
    verbatim,    ///< RESP3: text with a format of three letters
    array,
    set,   ///< RESP3
    map,   ///< RESP3; RESP2 sends an array of keys and values, which `as_map` reads as well
    push,  ///< RESP3: not the answer to a command (published messages, invalidations)
};

std::string_view to_string(reply_type type) noexcept;

/// One reply: a tree of values. A value; it owns all its bytes.
///
/// The `as_` accessors throw `reply_error` on an error reply, and std::system_error (wrong_type) that names
/// what was expected and what there is on any other reply that does not fit. They take what RESP2 and RESP3
/// send for the same command: `as_int` and `as_double` read strings of digits, `as_bool` 0 and 1, `as_map`
/// arrays of pairs.
class reply {
  public:
    class map_view;

    reply() = default;                                        ///< nil
    static reply of_text(reply_type type, std::string text);  ///< status, string, error, big_number
    static reply of_verbatim(std::array<char, 3> format, std::string text);
    static reply of_integer(std::int64_t number);
    static reply of_double(double number);
    static reply of_boolean(bool value);
    static reply of_items(reply_type type, std::vector<reply> items);  ///< a map has keys and values in turn

    reply_type type() const noexcept { return type_; }
    bool is_nil() const noexcept { return type_ == reply_type::nil; }
    bool is_error() const noexcept { return type_ == reply_type::error; }
    bool is_push() const noexcept { return type_ == reply_type::push; }
    bool is_string() const noexcept;  ///< has text: status, string, verbatim or big_number
    bool is_array() const noexcept;   ///< array, set or push
    bool is_ok() const noexcept;      ///< the status OK

    /// Text of a status, string, verbatim or big_number. Lifetime: as this reply.
    const std::string& as_string() const&;
    std::string as_string() &&;
    /// As as_string, but nil is nothing.
    std::optional<std::string> as_optional_string() const;
    std::int64_t as_int() const;
    double as_double() const;
    bool as_bool() const;
    /// Elements of an array, set or push. Lifetime: as this reply.
    std::span<const reply> as_array() const&;
    std::vector<reply> as_array() &&;
    /// A map, or an array with an even number of elements. Lifetime: as this reply.
    map_view as_map() const&;
    map_view as_map() && = delete;  // the view would outlive the reply: give it a name first

    /// The text of an error reply. Throws: wrong_type on others.
    const std::string& error_text() const;
    /// Throws reply_error if this is an error; otherwise gives itself, so it can be chained.
    const reply& throw_if_error() const&;
    reply throw_if_error() &&;

    /// The format of a verbatim string ("txt", "mkd"); empty for others.
    std::string_view verbatim_format() const noexcept;
    /// What the server told about this reply (RESP3 attributes): keys and values in turn; usually empty.
    std::span<const reply> attributes() const noexcept;

    /// Short text for logs and messages: the type and the beginning of the text, never more than a line.
    std::string describe() const;

    reply(const reply& other);
    reply(reply&&) noexcept = default;
    reply& operator=(const reply& other);
    reply& operator=(reply&&) noexcept = default;
    ~reply() = default;

    /// Same types and values; attributes do not count.
    friend bool operator==(const reply& a, const reply& b);

  private:
    friend class resp_parser;

    [[noreturn]] void fail(std::string_view wanted) const;

    reply_type type_ = reply_type::nil;
    std::array<char, 3> format_{};
    std::variant<std::monostate, std::string, std::int64_t, double, bool, std::vector<reply>> value_;
    std::unique_ptr<std::vector<reply>> attributes_;
};

/// Keys and values of a reply, in the order of the server. Lifetime: that of the reply.
class reply::map_view {
  public:
    struct entry {
        const reply& key;
        const reply& value;
    };
    class iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = entry;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = entry;

        iterator() = default;
        explicit iterator(const reply* at) : at_(at) {}
        entry operator*() const { return {at_[0], at_[1]}; }
        iterator& operator++() {
            at_ += 2;
            return *this;
        }
        iterator operator++(int) {
            iterator before = *this;
            at_ += 2;
            return before;
        }
        friend bool operator==(const iterator&, const iterator&) = default;

      private:
        const reply* at_ = nullptr;
    };

    explicit map_view(std::span<const reply> flat) : flat_(flat) {}
    std::size_t size() const noexcept { return flat_.size() / 2; }
    bool empty() const noexcept { return flat_.empty(); }
    iterator begin() const noexcept { return iterator(flat_.data()); }
    iterator end() const noexcept { return iterator(flat_.data() + flat_.size()); }
    /// The value of the first key with this text, or null.
    const reply* find(std::string_view key) const noexcept;
    /// As find. Throws: std::out_of_range that names the key.
    const reply& at(std::string_view key) const;

  private:
    std::span<const reply> flat_;
};

/// How much a server may send in one reply.
struct resp_limits {
    std::size_t line_bytes_max = 64 * 1024;              ///< a status, an error, a number or a length
    std::size_t bulk_bytes_max = 512 * 1024 * 1024;      ///< one string; Redis' own limit
    std::size_t reply_bytes_max = std::size_t{1} << 30;  ///< memory of one whole reply, its elements included
    std::size_t depth_max = 64;                          ///< arrays in arrays
};

/// Reads the replies of one connection. Memory grows with what has arrived, not with what was announced.
class resp_parser {
  public:
    explicit resp_parser(const resp_limits& limits = {}) : limits_(limits) {}

    /// Takes bytes from the front of `input` until one reply is complete; nothing: all was taken, more is
    /// needed.
    ///
    /// Throws: std::system_error (resp_errc) that tells the byte of the reply. The stream cannot be
    /// understood from then on: every later call throws the same again, and the connection must be closed.
    std::optional<reply> next(std::string_view& input);

    /// Whether nothing of a reply has arrived yet.
    bool idle() const noexcept { return position_ == 0; }

  private:
    struct frame {
        reply_type type;
        bool is_attribute;
        std::size_t remaining;  // elements to come
        std::vector<reply> items;
        std::unique_ptr<std::vector<reply>> attributes;
    };

    std::optional<reply> advance(std::string_view& input);
    bool take_line(std::string_view& input, std::string_view& line);
    std::optional<reply> read_line(std::string_view line);
    void begin_bulk(char kind, std::string_view size);
    std::optional<reply> take_bulk(std::string_view& input);
    std::optional<reply> open(reply_type type, std::string_view count, bool is_attribute);
    std::optional<reply> deliver(reply value);
    void drop(std::string_view& input, std::size_t size) noexcept;
    void charge(std::size_t bytes);
    [[noreturn]] void fail(resp_errc code, std::string_view why) const;

    resp_limits limits_;
    std::vector<frame> stack_;
    std::unique_ptr<std::vector<reply>> attributes_;  // of the value that comes next
    std::string line_;                                // of a line that comes in pieces
    std::string bulk_;
    std::size_t bulk_size_ = 0;
    std::size_t bulk_end_ = 0;  // bytes of its CR LF that have come
    char bulk_kind_ = '$';
    bool in_bulk_ = false;
    std::size_t charged_ = 0;
    std::size_t position_ = 0;  // bytes taken of this reply
    std::optional<std::system_error> failure_;
};

namespace detail {

void append_bulk(std::string& out, std::string_view text);
void append_double(std::string& out, double number);

}  // namespace detail

/// What a command takes as an argument: text or bytes, integers and doubles. A bool or a single char has no
/// one meaning.
template <class T>
concept command_argument = std::convertible_to<const T&, std::string_view> || std::floating_point<T> ||
                           (std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char>);

/// Commands on their way to the server, one after the other (pipelining).
///
///     pipeline commands;
///     commands.add("SET", key, value).add("EXPIRE", key, 60);
///     commands.begin("RPUSH", 1 + ids.size()).argument(queue);
///     for (const auto& id : ids) commands.argument(id);
///
/// Arguments are sent with their length, so they may hold any bytes and cannot add a command.
class pipeline {
  public:
    /// Appends one command.
    template <command_argument... Args>
    pipeline& add(std::string_view name, const Args&... args) {
        begin(name, sizeof...(Args));
        (argument(args), ...);
        return *this;
    }

    /// Starts a command whose `arguments` follow through `argument`, exactly as many as announced.
    ///
    /// Throws: std::logic_error if the command before lacks arguments.
    pipeline& begin(std::string_view name, std::size_t arguments);

    /// Throws: std::logic_error if it is one more than announced.
    template <command_argument Arg>
    pipeline& argument(const Arg& arg) {
        expect_argument();
        if constexpr (std::floating_point<Arg>) {
            detail::append_double(out_, static_cast<double>(arg));
        } else if constexpr (std::integral<Arg>) {
            std::array<char, 24> digits;
            const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), arg).ptr;
            detail::append_bulk(out_, {digits.data(), static_cast<std::size_t>(end - digits.data())});
        } else {
            detail::append_bulk(out_, arg);
        }
        return *this;
    }

    /// The bytes to send. Lifetime: until the next change.
    ///
    /// Throws: std::logic_error if the last command lacks arguments.
    std::string_view data() const;
    /// Commands added, which is the number of replies to come.
    std::size_t size() const noexcept { return commands_; }
    bool empty() const noexcept { return commands_ == 0; }
    /// Removes all commands and keeps the memory.
    void clear() noexcept;

  private:
    void expect_argument();

    std::string out_;
    std::size_t commands_ = 0;
    std::size_t missing_ = 0;  // arguments of the last command
};

/// The bytes of one command.
template <command_argument... Args>
std::string command(std::string_view name, const Args&... args) {
    pipeline one;
    one.add(name, args...);
    return std::string(one.data());
}

}  // namespace simul::redis

template <>
struct std::is_error_code_enum<simul::redis::resp_errc> : std::true_type {};
