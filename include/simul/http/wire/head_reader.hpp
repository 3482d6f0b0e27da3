#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <simul/http/wire/headers.hpp>
#include <simul/http/wire/method.hpp>

namespace simul::http {

struct parser_limits;

namespace detail {

/// Collects a block of lines (start line and headers, or trailers) and checks every line by itself.
class head_reader {
  public:
    enum class block { request, response, trailers };

    /// Takes lines from `input` until the empty line; false: more input is needed.
    bool take(block kind, std::string_view& input, const parser_limits& limits);
    /// The start line that `take` collected.
    std::string_view start_line() const noexcept { return {text_.data(), start_line_size_}; }
    /// Lets llhttp read the same bytes and throws unless it sees the same message.
    void confirm(block kind, const http::method* method, std::string_view target, int status) const;
    void move_fields_to(headers& to) const;
    std::size_t fields() const noexcept { return index_.size(); }
    headers::field field(std::size_t index) const noexcept;
    /// Offset in the block of a field's value, for messages.
    std::size_t position_of(std::size_t index) const noexcept { return index_[index].value_at; }
    std::size_t block_size() const noexcept { return text_.size(); }
    /// Whether part of a block has arrived.
    bool started() const noexcept { return !text_.empty() || skipped_; }
    void clear() noexcept;
    void forget_fields() noexcept { fields_before_ = 0; }

  private:
    enum class step { line, skip, end };

    bool is_first(block kind) const noexcept { return lines_ == 0 && kind != block::trailers; }
    std::size_t line_max(block kind, const parser_limits& limits) const noexcept;
    bool take_whole_lines(block kind, std::string_view& input, const parser_limits& limits);
    bool take_part_of_line(block kind, std::string_view& input, const parser_limits& limits);
    step read_line(block kind, std::string_view line, const parser_limits& limits);
    void read_field(std::string_view line, const parser_limits& limits);
    void check_first_bytes(block kind, std::string_view seen) const;
    void check_no_cr(std::string_view line) const;
    [[noreturn]] void refuse_name(std::string_view line) const;

    std::string text_;  // the lines with their CR LF
    std::vector<header_entry> index_;
    std::size_t line_at_ = 0;  // start of the line that is being collected
    std::size_t lines_ = 0;
    std::size_t start_line_size_ = 0;
    std::size_t fields_before_ = 0;  // headers of this message, while its trailers are collected
    bool skipped_ = false;           // an empty line before the request line
};

}  // namespace detail
}  // namespace simul::http
