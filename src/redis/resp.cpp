#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <simul/base/error.hpp>
#include <simul/redis/resp.hpp>

namespace simul::redis {
namespace {

class category final : public std::error_category {
  public:
    const char* name() const noexcept override { return "simul.redis.resp"; }
    std::string message(int value) const override {
        switch (static_cast<resp_errc>(value)) {
            case resp_errc::malformed:
                return "not the protocol of Redis";
            case resp_errc::line_too_long:
                return "line of a reply too long";
            case resp_errc::bulk_too_long:
                return "string of a reply too long";
            case resp_errc::reply_too_long:
                return "reply too long";
            case resp_errc::too_deep:
                return "reply nested too deeply";
            case resp_errc::wrong_type:
                return "reply of another type";
        }
        return "unknown error";
    }
    std::error_condition default_error_condition(int) const noexcept override { return condition::invalid; }
};

std::string printable(std::string_view text) {
    constexpr std::size_t shown_max = 40;
    std::string out = "\"";
    for (char c : text.substr(0, shown_max)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\') {
            out += fmt::format("\\x{:02x}", static_cast<unsigned>(byte));
        } else {
            out += c;
        }
    }
    return out + (text.size() > shown_max ? "...\"" : "\"");
}

template <class T>
std::optional<T> parse_number(std::string_view text) {
    if (text.starts_with('+')) {
        text.remove_prefix(1);
        if (text.starts_with('-')) return std::nullopt;
    }
    T number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::optional<double> parse_double(std::string_view text) {
    if (text == "inf" || text == "+inf") return std::numeric_limits<double>::infinity();
    if (text == "-inf") return -std::numeric_limits<double>::infinity();
    if (text == "nan" || text == "-nan") return std::numeric_limits<double>::quiet_NaN();
    // from_chars knows more spellings of these ("infinity"), which Redis never sends.
    if (text.find_first_not_of("0123456789+-.eE") != text.npos) return std::nullopt;
    return parse_number<double>(text);
}

// A length or a number of elements: digits and nothing else.
std::optional<std::size_t> parse_size(std::string_view text) {
    if (text.empty() || text.size() > 15 || text.find_first_not_of("0123456789") != text.npos)
        return std::nullopt;
    return parse_number<std::size_t>(text);
}

}  // namespace

const std::error_category& resp_category() noexcept {
    static const category instance;
    return instance;
}

std::error_code make_error_code(resp_errc code) noexcept { return {static_cast<int>(code), resp_category()}; }

reply_error::reply_error(const std::string& text) : std::runtime_error(text) {}

std::string_view reply_error::code() const noexcept {
    const std::string_view text = what();
    return text.substr(0, text.find(' '));
}

std::string_view to_string(reply_type type) noexcept {
    switch (type) {
        case reply_type::nil:
            return "nil";
        case reply_type::status:
            return "status";
        case reply_type::string:
            return "string";
        case reply_type::error:
            return "error";
        case reply_type::integer:
            return "integer";
        case reply_type::real:
            return "double";
        case reply_type::boolean:
            return "boolean";
        case reply_type::big_number:
            return "big number";
        case reply_type::verbatim:
            return "verbatim string";
        case reply_type::array:
            return "array";
        case reply_type::set:
            return "set";
        case reply_type::map:
            return "map";
        case reply_type::push:
            return "push";
    }
    return "unknown";
}

// ---------------------------------------------------------------------- reply

reply reply::of_text(reply_type type, std::string text) {
    reply r;
    r.type_ = type;
    r.value_ = std::move(text);
    return r;
}

reply reply::of_verbatim(std::array<char, 3> format, std::string text) {
    reply r = of_text(reply_type::verbatim, std::move(text));
    r.format_ = format;
    return r;
}

reply reply::of_integer(std::int64_t number) {
    reply r;
    r.type_ = reply_type::integer;
    r.value_ = number;
    return r;
}

reply reply::of_double(double number) {
    reply r;
    r.type_ = reply_type::real;
    r.value_ = number;
    return r;
}

reply reply::of_boolean(bool value) {
    reply r;
    r.type_ = reply_type::boolean;
    r.value_ = value;
    return r;
}

reply reply::of_items(reply_type type, std::vector<reply> items) {
    reply r;
    r.type_ = type;
    r.value_ = std::move(items);
    return r;
}

reply::reply(const reply& other)
    : type_(other.type_),
      format_(other.format_),
      value_(other.value_),
      attributes_(other.attributes_ ? std::make_unique<std::vector<reply>>(*other.attributes_) : nullptr) {}

reply& reply::operator=(const reply& other) {
    if (this != &other) *this = reply(other);
    return *this;
}

bool operator==(const reply& a, const reply& b) {
    return a.type_ == b.type_ && a.format_ == b.format_ && a.value_ == b.value_;
}

bool reply::is_string() const noexcept {
    return type_ == reply_type::status || type_ == reply_type::string || type_ == reply_type::verbatim ||
           type_ == reply_type::big_number;
}

bool reply::is_array() const noexcept {
    return type_ == reply_type::array || type_ == reply_type::set || type_ == reply_type::push;
}

bool reply::is_ok() const noexcept {
    return type_ == reply_type::status && *std::get_if<std::string>(&value_) == "OK";
}

void reply::fail(std::string_view wanted) const {
    throw_if_error();
    throw std::system_error(resp_errc::wrong_type,
                            fmt::format("expected {}, the reply is {}", wanted, describe()));
}

const std::string& reply::as_string() const& {
    if (!is_string()) fail("a string");
    return std::get<std::string>(value_);
}

std::string reply::as_string() && {
    if (!is_string()) fail("a string");
    return std::move(std::get<std::string>(value_));
}

std::optional<std::string> reply::as_optional_string() const {
    if (is_nil()) return std::nullopt;
    if (!is_string()) fail("a string or nil");
    return std::get<std::string>(value_);
}

std::int64_t reply::as_int() const {
    if (type_ == reply_type::integer) return std::get<std::int64_t>(value_);
    if (is_string()) {
        if (const auto number = parse_number<std::int64_t>(std::get<std::string>(value_))) return *number;
    }
    fail("an integer");
}

double reply::as_double() const {
    if (type_ == reply_type::real) return std::get<double>(value_);
    if (type_ == reply_type::integer) return static_cast<double>(std::get<std::int64_t>(value_));
    if (is_string()) {
        if (const auto number = parse_double(std::get<std::string>(value_))) return *number;
    }
    fail("a double");
}

bool reply::as_bool() const {
    if (type_ == reply_type::boolean) return std::get<bool>(value_);
    if (type_ == reply_type::integer) {
        const std::int64_t number = std::get<std::int64_t>(value_);
        if (number == 0 || number == 1) return number == 1;
    }
    fail("a boolean");
}

std::span<const reply> reply::as_array() const& {
    if (!is_array()) fail("an array");
    return std::get<std::vector<reply>>(value_);
}

std::vector<reply> reply::as_array() && {
    if (!is_array()) fail("an array");
    return std::move(std::get<std::vector<reply>>(value_));
}

reply::map_view reply::as_map() const& {
    if (type_ != reply_type::map && type_ != reply_type::array) fail("a map");
    const auto& flat = std::get<std::vector<reply>>(value_);
    if (flat.size() % 2 != 0) fail("a map");
    return map_view(flat);
}

const std::string& reply::error_text() const {
    if (!is_error()) fail("an error");
    return std::get<std::string>(value_);
}

const reply& reply::throw_if_error() const& {
    if (is_error()) throw reply_error(std::get<std::string>(value_));
    return *this;
}

reply reply::throw_if_error() && {
    if (is_error()) throw reply_error(std::get<std::string>(value_));
    return std::move(*this);
}

std::string_view reply::verbatim_format() const noexcept {
    return type_ == reply_type::verbatim ? std::string_view(format_.data(), format_.size())
                                         : std::string_view();
}

std::span<const reply> reply::attributes() const noexcept {
    return attributes_ ? std::span<const reply>(*attributes_) : std::span<const reply>();
}

std::string reply::describe() const {
    const std::string_view name = to_string(type_);
    switch (type_) {
        case reply_type::nil:
            return std::string(name);
        case reply_type::integer:
            return fmt::format("{} {}", name, std::get<std::int64_t>(value_));
        case reply_type::real:
            return fmt::format("{} {}", name, std::get<double>(value_));
        case reply_type::boolean:
            return fmt::format("{} {}", name, std::get<bool>(value_));
        case reply_type::array:
        case reply_type::set:
        case reply_type::push:
            return fmt::format("{} of {} elements", name, std::get<std::vector<reply>>(value_).size());
        case reply_type::map:
            return fmt::format("{} of {} keys", name, std::get<std::vector<reply>>(value_).size() / 2);
        default:
            return fmt::format("{} {}", name, printable(std::get<std::string>(value_)));
    }
}

const reply* reply::map_view::find(std::string_view key) const noexcept {
    for (const auto& [name, value] : *this) {
        if (name.is_string() && name.as_string() == key) return &value;
    }
    return nullptr;
}

const reply& reply::map_view::at(std::string_view key) const {
    if (const reply* value = find(key)) return *value;
    throw std::out_of_range(fmt::format("the reply has no key {}", printable(key)));
}

// ----------------------------------------------------------------- resp_parser

std::optional<reply> resp_parser::next(std::string_view& input) {
    if (failure_) throw std::system_error(*failure_);
    try {
        return advance(input);
    } catch (const std::system_error& e) {
        failure_.emplace(e);
        throw;
    }
}

void resp_parser::fail(resp_errc code, std::string_view why) const {
    throw std::system_error(code, fmt::format("{} at byte {} of a reply", why, position_));
}

void resp_parser::drop(std::string_view& input, std::size_t size) noexcept {
    input.remove_prefix(size);
    position_ += size;
}

// Counts what the reply costs in memory, so that one limit holds whatever it is made of: a million empty
// strings are more than the six million bytes that announce them.
void resp_parser::charge(std::size_t bytes) {
    if (bytes > limits_.reply_bytes_max - charged_) {
        fail(resp_errc::reply_too_long, fmt::format("more than {} bytes of memory", limits_.reply_bytes_max));
    }
    charged_ += bytes;
}

std::optional<reply> resp_parser::advance(std::string_view& input) {
    while (!input.empty()) {
        std::optional<reply> done;
        if (in_bulk_) {
            done = take_bulk(input);
        } else {
            std::string_view line;
            if (!take_line(input, line)) return std::nullopt;
            done = read_line(line);
            line_.clear();
        }
        if (done) {
            charged_ = 0;
            position_ = 0;
            return done;
        }
    }
    return std::nullopt;
}

// Gives a line without its CR LF: a view of the input, or of line_ if it came in pieces.
bool resp_parser::take_line(std::string_view& input, std::string_view& line) {
    constexpr std::string_view kinds = "+-:$*_#,(!=%~>|";
    if (line_.empty() && kinds.find(input[0]) == kinds.npos) {
        fail(resp_errc::malformed, fmt::format("{} is no type of a reply", printable(input.substr(0, 1))));
    }
    const std::size_t line_feed = input.find('\n');
    const bool complete = line_feed != input.npos;
    const std::size_t size = complete ? line_feed + 1 : input.size();
    if (line_.size() + size > limits_.line_bytes_max + (complete ? 2 : 1)) {
        fail(resp_errc::line_too_long, fmt::format("a line of more than {} bytes", limits_.line_bytes_max));
    }
    line = input.substr(0, size);
    if (!complete || !line_.empty()) line = line_.append(line);
    drop(input, size);
    if (!complete) return false;
    if (line.size() < 3 || line.find('\r') != line.size() - 2) {
        fail(resp_errc::malformed, "a line that does not end with CR LF");
    }
    line.remove_suffix(2);
    return true;
}

std::optional<reply> resp_parser::read_line(std::string_view line) {
    const char kind = line[0];
    const std::string_view rest = line.substr(1);
    const auto broken = [&](std::string_view what) {
        fail(resp_errc::malformed, fmt::format("{} is not {}", printable(rest), what));
    };
    switch (kind) {
        case '+':
            return deliver(reply::of_text(reply_type::status, std::string(rest)));
        case '-':
            return deliver(reply::of_text(reply_type::error, std::string(rest)));
        case ':': {
            const auto number = parse_number<std::int64_t>(rest);
            if (!number) broken("an integer of 64 bits");
            return deliver(reply::of_integer(*number));
        }
        case ',': {
            const auto number = parse_double(rest);
            if (!number) broken("a double");
            return deliver(reply::of_double(*number));
        }
        case '#':
            if (rest != "t" && rest != "f") broken("a boolean");
            return deliver(reply::of_boolean(rest == "t"));
        case '_':
            if (!rest.empty()) broken("a null");
            return deliver(reply());
        case '(': {
            const std::string_view digits =
                rest.substr(rest.starts_with('-') || rest.starts_with('+') ? 1 : 0);
            if (digits.empty() || digits.find_first_not_of("0123456789") != digits.npos)
                broken("a big number");
            return deliver(reply::of_text(reply_type::big_number, std::string(rest)));
        }
        case '$':
            if (rest == "-1") return deliver(reply());
            [[fallthrough]];
        case '!':
        case '=':
            begin_bulk(kind, rest);
            return std::nullopt;
        case '*':
            if (rest == "-1") return deliver(reply());
            return open(reply_type::array, rest, false);
        case '~':
            return open(reply_type::set, rest, false);
        case '>':
            return open(reply_type::push, rest, false);
        case '%':
            return open(reply_type::map, rest, false);
        default:
            return open(reply_type::map, rest, true);  // '|'; take_line lets no other through
    }
}

void resp_parser::begin_bulk(char kind, std::string_view size) {
    const auto announced = parse_size(size);
    if (!announced)
        fail(resp_errc::malformed, fmt::format("{} is not the length of a string", printable(size)));
    if (*announced > limits_.bulk_bytes_max) {
        fail(resp_errc::bulk_too_long,
             fmt::format("a string of {} bytes, at most {} are allowed", *announced, limits_.bulk_bytes_max));
    }
    if (kind == '=' && *announced < 4) fail(resp_errc::malformed, "a verbatim string without a format");
    if (*announced > limits_.reply_bytes_max - charged_)
        charge(*announced);  // fails now, not after so many bytes
    bulk_kind_ = kind;
    bulk_size_ = *announced;
    bulk_end_ = 0;
    in_bulk_ = true;
}

std::optional<reply> resp_parser::take_bulk(std::string_view& input) {
    if (bulk_.size() < bulk_size_) {
        const std::string_view piece = input.substr(0, bulk_size_ - bulk_.size());
        // The size was only announced: up to here it is believed and costs one allocation, beyond it the
        // string grows.
        constexpr std::size_t trusted = 1024 * 1024;
        if (bulk_.empty()) bulk_.reserve(std::min(bulk_size_, std::max(piece.size(), trusted)));
        bulk_.append(piece);
        drop(input, piece.size());
        if (bulk_.size() < bulk_size_) return std::nullopt;
    }
    for (; bulk_end_ < 2; ++bulk_end_) {
        if (input.empty()) return std::nullopt;
        if (input.front() != "\r\n"[bulk_end_]) fail(resp_errc::malformed, "a string longer than announced");
        drop(input, 1);
    }
    in_bulk_ = false;
    std::string text = std::exchange(bulk_, {});
    if (bulk_kind_ != '=') {
        return deliver(
            reply::of_text(bulk_kind_ == '$' ? reply_type::string : reply_type::error, std::move(text)));
    }
    if (text[3] != ':') fail(resp_errc::malformed, "a verbatim string without a format");
    return deliver(reply::of_verbatim({text[0], text[1], text[2]}, text.substr(4)));
}

std::optional<reply> resp_parser::open(reply_type type, std::string_view count, bool is_attribute) {
    const auto announced = parse_size(count);
    if (!announced) {
        fail(resp_errc::malformed,
             fmt::format("{} is not a number of elements for {}", printable(count), to_string(type)));
    }
    if (is_attribute && attributes_) fail(resp_errc::malformed, "two attributes for one value");
    if (type == reply_type::push && !stack_.empty()) fail(resp_errc::malformed, "a push inside a reply");
    if (stack_.size() >= limits_.depth_max) {
        fail(resp_errc::too_deep, fmt::format("more than {} levels", limits_.depth_max));
    }
    const std::size_t elements = *announced * (type == reply_type::map ? 2 : 1);
    if (elements == 0) {
        if (is_attribute) return std::nullopt;
        return deliver(reply::of_items(type, {}));
    }
    // The announced number is believed up to here; beyond it the vector grows with what comes.
    constexpr std::size_t trusted = 64;
    frame level{type, is_attribute, elements, {}, is_attribute ? nullptr : std::move(attributes_)};
    level.items.reserve(std::min(elements, trusted));
    stack_.push_back(std::move(level));
    return std::nullopt;
}

// Puts a complete value where it belongs; gives the reply if that was its last piece.
std::optional<reply> resp_parser::deliver(reply value) {
    if (attributes_) value.attributes_ = std::move(attributes_);
    const auto* text = std::get_if<std::string>(&value.value_);
    charge(sizeof(reply) + (text != nullptr ? text->size() : 0));
    while (!stack_.empty()) {
        frame& level = stack_.back();
        level.items.push_back(std::move(value));
        if (--level.remaining > 0) return std::nullopt;
        frame done = std::move(level);
        stack_.pop_back();
        if (done.is_attribute) {
            attributes_ = std::make_unique<std::vector<reply>>(std::move(done.items));
            return std::nullopt;
        }
        value = reply::of_items(done.type, std::move(done.items));
        value.attributes_ = std::move(done.attributes);
        charge(sizeof(reply));
    }
    return value;
}

// -------------------------------------------------------------------- commands

namespace {

void append_length(std::string& out, char kind, std::size_t size) {
    std::array<char, 24> text;
    text[0] = kind;
    const auto end = std::to_chars(text.data() + 1, text.data() + text.size(), size).ptr;
    out.append(text.data(), static_cast<std::size_t>(end - text.data())).append("\r\n");
}

}  // namespace

void detail::append_bulk(std::string& out, std::string_view text) {
    append_length(out, '$', text.size());
    out.append(text).append("\r\n");
}

void detail::append_double(std::string& out, double number) {
    // The shortest text that reads back the same; Redis knows "inf" and "-inf", and refuses "nan" by itself.
    append_bulk(out, fmt::format("{}", number));
}

pipeline& pipeline::begin(std::string_view name, std::size_t arguments) {
    if (missing_ > 0)
        throw std::logic_error("a Redis command was begun before the last one had all its arguments");
    append_length(out_, '*', 1 + arguments);
    detail::append_bulk(out_, name);
    ++commands_;
    missing_ = arguments;
    return *this;
}

void pipeline::expect_argument() {
    if (missing_ == 0) throw std::logic_error("more arguments for a Redis command than begin() announced");
    --missing_;
}

std::string_view pipeline::data() const {
    if (missing_ > 0) throw std::logic_error("the last Redis command lacks arguments that begin() announced");
    return out_;
}

void pipeline::clear() noexcept {
    out_.clear();
    commands_ = 0;
    missing_ = 0;
}

}  // namespace simul::redis
