#pragma once

#include <exception>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

#include <simul/base/error.hpp>

namespace simul {

/// How a piece of work ended.
enum class completion : unsigned char {
    none,     ///< not ended yet; seen only inside the library
    value,    ///< with a value (for void: well)
    error,    ///< with an exception
    canceled  ///< stopped, because its scope was canceled
};

/// The three ways work can end, as a value: for code that wants to see them instead of being unwound by them.
///
/// T may be void or a reference.
template <class T>
class [[nodiscard]] outcome {
    static constexpr bool is_reference = std::is_reference_v<T>;
    using stored =
        std::conditional_t<std::is_void_v<T>, std::monostate,
                           std::conditional_t<is_reference, std::add_pointer_t<std::remove_reference_t<T>>,
                                              std::remove_cv_t<T>>>;

  public:
    using value_type = T;

    outcome() noexcept {}
    outcome(outcome&& other) noexcept(std::is_nothrow_move_constructible_v<stored>) { take(other); }
    outcome& operator=(outcome&& other) noexcept(std::is_nothrow_move_constructible_v<stored>) {
        if (this != &other) {
            reset();
            take(other);
        }
        return *this;
    }
    ~outcome() { reset(); }

    completion how() const noexcept { return how_; }
    bool has_value() const noexcept { return how_ == completion::value; }
    bool has_error() const noexcept { return how_ == completion::error; }
    bool canceled() const noexcept { return how_ == completion::canceled; }
    explicit operator bool() const noexcept { return has_value(); }

    /// The exception; null unless has_error().
    std::exception_ptr error() const noexcept { return has_error() ? error_ : nullptr; }

    /// The value. Throws the error if there is one, canceled_error if the work was canceled.
    ///
    /// The value, or the error, is taken out: this keeps no share of the exception, which may then end on the
    /// caller's thread alone although another thread destroys this.
    T value() && {
        if (how_ != completion::value) [[unlikely]]
            raise_taken();
        if constexpr (std::is_void_v<T>)
            return;
        else if constexpr (is_reference)
            return static_cast<T>(*value_);
        else
            return std::move(value_);
    }
    decltype(auto) value() & {
        if (how_ != completion::value) [[unlikely]]
            raise();
        if constexpr (std::is_void_v<T>)
            return;
        else if constexpr (is_reference)
            return static_cast<T>(*value_);
        else
            return (value_);
    }
    decltype(auto) value() const& {
        if (how_ != completion::value) [[unlikely]]
            raise();
        if constexpr (std::is_void_v<T>)
            return;
        else if constexpr (is_reference)
            return static_cast<T>(*value_);
        else
            return (value_);
    }

    /// Sets the value; what was held before is dropped.
    template <class... Args>
    void set_value(Args&&... args) {
        reset();
        if constexpr (is_reference)
            std::construct_at(&value_, std::addressof(args)...);
        else
            std::construct_at(&value_, std::forward<Args>(args)...);
        how_ = completion::value;
    }
    void set_error(std::exception_ptr error) noexcept {
        reset();
        std::construct_at(&error_, std::move(error));
        how_ = completion::error;
    }
    void set_canceled() noexcept {
        reset();
        how_ = completion::canceled;
    }

  private:
    [[noreturn]] void raise() const {
        if (how_ == completion::error) std::rethrow_exception(error_);
        throw canceled_error("the work was canceled before it had a result");
    }
    [[noreturn]] void raise_taken() {
        if (how_ != completion::error) raise();
        const std::exception_ptr taken = std::move(error_);
        reset();
        std::rethrow_exception(taken);
    }
    void reset() noexcept {
        if (how_ == completion::value)
            std::destroy_at(&value_);
        else if (how_ == completion::error)
            std::destroy_at(&error_);
        how_ = completion::none;
    }
    void take(outcome& other) {
        if (other.how_ == completion::value)
            std::construct_at(&value_, std::move(other.value_));
        else if (other.how_ == completion::error)
            std::construct_at(&error_, other.error_);
        how_ = other.how_;
    }

    union {
        stored value_;
        std::exception_ptr error_;
    };
    completion how_ = completion::none;
};

}  // namespace simul
