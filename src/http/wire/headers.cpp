#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <simul/http/wire/chars.hpp>
#include <simul/http/wire/error.hpp>
#include <simul/http/wire/headers.hpp>
#include <stdexcept>

namespace simul::http {
namespace detail {

std::string printable(std::string_view text) {
    constexpr std::size_t shown_max = 60;
    std::string out;
    for (char c : text.substr(0, shown_max)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\') {
            out += fmt::format("\\x{:02x}", static_cast<unsigned>(byte));
        } else {
            out += c;
        }
    }
    if (text.size() > shown_max) out += "...";
    return out;
}

std::string byte_at(std::string_view text, std::size_t at) {
    return fmt::format("byte 0x{:02x} at {}", static_cast<unsigned>(static_cast<unsigned char>(text[at])),
                       at);
}

bool allowed_in_trailer(std::string_view name) noexcept {
    for (std::string_view forbidden :
         {"content-length", "transfer-encoding", "host", "connection", "trailer", "te", "upgrade",
          "authorization", "content-encoding", "content-type", "content-range", "cookie", "set-cookie"}) {
        if (equal_ignoring_case(name, forbidden)) return false;
    }
    return true;
}

}  // namespace detail

namespace {

// Values may be secrets, so a message shows the name and the offending byte and never the value.
void check_field(std::string_view name, std::string_view value) {
    if (name.empty()) {
        throw wire_error(wire_errc::invalid_header_name, 0, "a header needs a name");
    }
    if (const std::size_t at = detail::find_not(name, detail::token_char); at != name.npos) {
        throw wire_error(wire_errc::invalid_header_name, at,
                         fmt::format("header name \"{}\" has byte 0x{:02x} at {}", detail::printable(name),
                                     static_cast<unsigned>(static_cast<unsigned char>(name[at])), at));
    }
    if (const std::size_t at = detail::find_not(value, detail::field_char); at != value.npos) {
        throw wire_error(
            wire_errc::invalid_header_value, at,
            fmt::format("the value of header {} has byte 0x{:02x} at {}; control bytes are not allowed",
                        detail::printable(name), static_cast<unsigned>(static_cast<unsigned char>(value[at])),
                        at));
    }
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (detail::lower(a[i]) != detail::lower(b[i])) return false;
    }
    return true;
}

std::optional<std::uint64_t> parse_content_length(std::string_view text) noexcept {
    // 18 digits cannot overflow 63 bits, and no real body needs a nineteenth.
    if (text.empty() || text.size() > 18) return std::nullopt;
    std::uint64_t number = 0;
    for (char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        number = number * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return number;
}

headers::headers(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
    index_.reserve(fields.size());
    for (const auto& [name, value] : fields) add(name, value);
}

// `name` and `value` may be views into text_ (h.add("b", *h.get("a"))), so the old text lives until both are
// in.
headers::entry headers::append(std::string_view name, std::string_view value) {
    const std::size_t at = text_.size();
    if (name.size() + value.size() > std::numeric_limits<std::uint32_t>::max() - at) {
        throw std::length_error("headers hold at most 4 GiB");
    }
    const std::size_t needed = at + name.size() + value.size();
    if (needed > text_.capacity()) {
        std::string grown;
        grown.reserve(std::max({needed, text_.capacity() * 2, std::size_t{256}}));
        grown.append(text_).append(name).append(value);
        text_ = std::move(grown);
    } else {
        text_.append(name).append(value);
    }
    return {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(name.size()),
            static_cast<std::uint32_t>(at + name.size()), static_cast<std::uint32_t>(value.size())};
}

headers& headers::add(std::string_view name, std::string_view value) {
    value = detail::trim(value);
    check_field(name, value);
    index_.push_back(append(name, value));
    return *this;
}

headers& headers::set(std::string_view name, std::string_view value) {
    value = detail::trim(value);
    check_field(name, value);
    for (std::size_t i = 0; i < index_.size(); ++i) {
        if (!equal_ignoring_case(name_of(index_[i]), name)) continue;
        const entry fresh = append(name, value);
        unused_ += index_[i].name_size + index_[i].value_size;
        index_[i] = fresh;
        for (std::size_t j = index_.size() - 1; j > i; --j) {
            if (!equal_ignoring_case(name_of(index_[j]), name_of(fresh))) continue;
            unused_ += index_[j].name_size + index_[j].value_size;
            index_.erase(index_.begin() + static_cast<std::ptrdiff_t>(j));
        }
        drop_unused();
        return *this;
    }
    return add(name, value);
}

std::size_t headers::remove(std::string_view name) {
    std::size_t removed = 0;
    for (std::size_t i = index_.size(); i-- > 0;) {
        if (!equal_ignoring_case(name_of(index_[i]), name)) continue;
        unused_ += index_[i].name_size + index_[i].value_size;
        index_.erase(index_.begin() + static_cast<std::ptrdiff_t>(i));
        ++removed;
    }
    drop_unused();
    return removed;
}

// Without this, a header set again and again (Date, on a kept response) would grow the text for ever.
void headers::drop_unused() {
    if (unused_ < 1024 || unused_ * 2 < text_.size()) return;
    std::string text;
    text.reserve(text_.size() - unused_);
    for (entry& e : index_) {
        const std::size_t at = text.size();
        text.append(name_of(e)).append(value_of(e));
        e.name_at = static_cast<std::uint32_t>(at);
        e.value_at = static_cast<std::uint32_t>(at + e.name_size);
    }
    text_ = std::move(text);
    unused_ = 0;
}

std::optional<std::string_view> headers::get(std::string_view name) const noexcept {
    for (const entry& e : index_) {
        if (e.name_size == name.size() && equal_ignoring_case(name_of(e), name)) return value_of(e);
    }
    return std::nullopt;
}

std::vector<std::string_view> headers::get_all(std::string_view name) const {
    std::vector<std::string_view> values;
    for (const entry& e : index_) {
        if (equal_ignoring_case(name_of(e), name)) values.push_back(value_of(e));
    }
    return values;
}

bool headers::contains(std::string_view name) const noexcept { return get(name).has_value(); }

bool headers::has_token(std::string_view name, std::string_view token) const noexcept {
    for (const entry& e : index_) {
        if (!equal_ignoring_case(name_of(e), name)) continue;
        std::string_view list = value_of(e);
        while (!list.empty()) {
            const std::size_t comma = list.find(',');
            if (equal_ignoring_case(detail::trim(list.substr(0, comma)), token)) return true;
            if (comma == list.npos) break;
            list.remove_prefix(comma + 1);
        }
    }
    return false;
}

headers::field headers::at(std::size_t index) const {
    const entry& e = index_.at(index);
    return {name_of(e), value_of(e)};
}

void headers::clear() noexcept {
    text_.clear();
    index_.clear();
    unused_ = 0;
}

bool operator==(const headers& a, const headers& b) noexcept {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const headers::entry& left = a.index_[i];
        const headers::entry& right = b.index_[i];
        if (!equal_ignoring_case(a.name_of(left), b.name_of(right))) return false;
        if (a.value_of(left) != b.value_of(right)) return false;
    }
    return true;
}

}  // namespace simul::http
