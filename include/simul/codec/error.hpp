#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <simul/base/error.hpp>

namespace simul {

/// Thrown when data cannot be read as what was asked for, or a value has no form in a format.
/// what() names the place, what was expected and what was found: "args[1].name: expected a string, found int
/// 5".
class codec_error : public data_error {
  public:
    using data_error::data_error;
};

/// A place inside a value, for error messages: "args[1].name". Each step lives on the stack of the function
/// that takes it and refers to the step before, so walking costs nothing until an error is told. Lifetime:
/// the parent and the name must outlive the path.
class value_path {
  public:
    /// The root; `name` says what the value is to the reader ("args", "result"), or is empty.
    explicit value_path(std::string_view name = {}) noexcept : name_(name), step_(step::root) {}

    static value_path field(const value_path& parent, std::string_view name) noexcept {
        return value_path(&parent, step::field, name, 0);
    }
    static value_path key(const value_path& parent, std::string_view key) noexcept {
        return value_path(&parent, step::key, key, 0);
    }
    static value_path item(const value_path& parent, std::size_t index) noexcept {
        return value_path(&parent, step::item, {}, index);
    }

    /// "args[1].name", or an empty text at a root without a name.
    std::string str() const;

    /// Throws: codec_error "PATH: EXPLANATION".
    [[noreturn]] void fail(std::string_view explanation) const;

  private:
    enum class step { root, field, key, item };
    value_path(const value_path* parent, step s, std::string_view name, std::size_t index) noexcept
        : parent_(parent), name_(name), index_(index), step_(s) {}
    void append_to(std::string& out) const;

    const value_path* parent_ = nullptr;
    std::string_view name_;
    std::size_t index_ = 0;
    step step_;
};

}  // namespace simul
