#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace simul::http {

namespace detail {
class head_reader;

/// Where a field's name and value lie in the text of its headers.
struct header_entry {
    std::uint32_t name_at, name_size, value_at, value_size;
};
}  // namespace detail

/// The header fields of a message: ordered, names compared without case, duplicates kept.
///
/// A value. All names and values lie in one string with one index, so a message costs two allocations
/// whatever the number of its fields, and `clear` keeps both for the next one.
///
/// Nothing that could end a line or a field can get in: names are tokens, values have no control bytes (a tab
/// is allowed inside); space around a value is not part of it. Every way in checks this.
///
/// Lifetime: views stay valid until the object is changed, moved from or destroyed.
class headers {
  public:
    struct field {
        std::string_view name;
        std::string_view value;
    };

    class iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = field;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = field;

        iterator() = default;
        field operator*() const { return owner_->at(index_); }
        iterator& operator++() {
            ++index_;
            return *this;
        }
        iterator operator++(int) {
            iterator before = *this;
            ++index_;
            return before;
        }
        friend bool operator==(const iterator& a, const iterator& b) noexcept { return a.index_ == b.index_; }

      private:
        friend class headers;
        iterator(const headers* owner, std::size_t index) : owner_(owner), index_(index) {}
        const headers* owner_ = nullptr;
        std::size_t index_ = 0;
    };
    using const_iterator = iterator;

    headers() = default;
    headers(std::initializer_list<std::pair<std::string_view, std::string_view>> fields);

    /// Appends a field, also if one of this name is there.
    ///
    /// Throws: wire_error (invalid_header_name, invalid_header_value) that names the field and the offending
    /// byte.
    headers& add(std::string_view name, std::string_view value);

    /// Makes `value` the only value of `name`; the field keeps the place of the first one that had the name.
    ///
    /// Throws: as `add`; then nothing was changed.
    headers& set(std::string_view name, std::string_view value);

    /// Removes every field of this name and says how many there were.
    std::size_t remove(std::string_view name);

    /// The value of the first field of this name.
    std::optional<std::string_view> get(std::string_view name) const noexcept;
    /// The values of all fields of this name, in their order.
    std::vector<std::string_view> get_all(std::string_view name) const;
    bool contains(std::string_view name) const noexcept;
    /// Whether a comma-separated field such as Connection lists `token`, compared without case.
    bool has_token(std::string_view name, std::string_view token) const noexcept;

    std::size_t size() const noexcept { return index_.size(); }
    bool empty() const noexcept { return index_.empty(); }
    field at(std::size_t index) const;
    iterator begin() const noexcept { return {this, 0}; }
    iterator end() const noexcept { return {this, index_.size()}; }

    /// Removes all fields and keeps the memory.
    void clear() noexcept;

    /// Same fields in the same order; names without case, values byte by byte.
    friend bool operator==(const headers& a, const headers& b) noexcept;

  private:
    friend class detail::head_reader;

    using entry = detail::header_entry;

    std::string_view name_of(const entry& e) const noexcept {
        return {text_.data() + e.name_at, e.name_size};
    }
    std::string_view value_of(const entry& e) const noexcept {
        return {text_.data() + e.value_at, e.value_size};
    }
    entry append(std::string_view name, std::string_view value);
    void drop_unused();

    std::string text_;
    std::vector<entry> index_;
    std::size_t unused_ = 0;  // bytes of text_ that no entry names any more
};

/// Compares ASCII text without case, as field names, tokens and charsets are compared.
bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

/// The number in a Content-Length field, or nothing if it is not 1 to 18 decimal digits.
std::optional<std::uint64_t> parse_content_length(std::string_view text) noexcept;

namespace detail {

/// Whether a field may come after the body: not if it decides about framing, routing, credentials or the
/// content.
bool allowed_in_trailer(std::string_view name) noexcept;

}  // namespace detail
}  // namespace simul::http
