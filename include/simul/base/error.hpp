#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

#include <simul/base/compiler.hpp>

namespace simul {

/// What the caller can do next: the few groups that every error code of the library, and every errno, is
/// sorted into.
///
/// Compare codes with conditions, not with each other: `if (e.code() == simul::condition::disconnected)`.
/// A code belongs to one condition or to none; none means "it failed, and trying again changes nothing that
/// we know of" (a missing file, a refused permission).
enum class condition {
    retry_later =
        1,         ///< Nothing happened, and the same call may succeed after a pause (busy, full, refused).
    disconnected,  ///< The other side is gone: open a new connection. What was under way may have happened or
                   ///< not.
    timed_out,     ///< Time was up. What was under way may have happened or not.
    unsupported,   ///< Not possible here (kernel, library, peer): take another way.
    invalid,       ///< The call or its data is wrong: it fails again until they are changed.
};

/// Errors of the library itself that no system call reports.
enum class errc {
    timed_out = 1,  ///< A time limit passed; the work was canceled. Equals std::errc::timed_out too.
    canceled,       ///< Others canceled it. Equals std::errc::operation_canceled too.
    deadlock,  ///< Everything waits and nothing can wake it. Equals std::errc::resource_deadlock_would_occur
               ///< too.
    limit_exceeded,   ///< A named limit of the options was reached; the message names it.
    closed,           ///< The object (channel, pool, client) was closed on this side.
    end_of_stream,    ///< The peer ended the stream before what was asked for had arrived.
    broken_promise,   ///< The side that owed a result was destroyed without giving one.
    no_loop,          ///< Called on a thread that runs no event loop.
    wrong_loop,       ///< The object belongs to another event loop.
    wrong_state,      ///< The object cannot do that now: a result taken twice, a generator that runs already.
    budget_exceeded,  ///< A clean-up took longer than it was given and was abandoned.
    bad_data,         ///< What arrived or was passed in is malformed.
    not_supported,    ///< This backend or build cannot do it.
};

const std::error_category& condition_category() noexcept;  ///< name(): "simul.condition"
const std::error_category& simul_category() noexcept;      ///< name(): "simul"

std::error_condition make_error_condition(condition c) noexcept;
std::error_code make_error_code(errc e) noexcept;

/// The condition that errno value `err` belongs to, or an empty std::error_condition.
std::error_condition condition_of_errno(int err) noexcept;

/// Throws std::system_error for errno value `err`.
///
/// `what` names the call and its subject, for example "connect 10.0.0.1:443"; the exception's text becomes
/// "connect 10.0.0.1:443: Connection refused". The code is in std::generic_category().
[[noreturn]] void throw_errno(int err, std::string_view what);

/// Thrown for malformed input: a URL, JSON, a message of a peer. Modules derive from it (url_error,
/// codec_error).
///
/// what() is the message alone, without the text of the code. code() is errc::bad_data, so
/// condition::invalid.
class data_error : public std::system_error {
  public:
    explicit data_error(const std::string& message);
    const char* what() const noexcept override { return message_.what(); }

  private:
    std::runtime_error message_;  // a string whose copies cannot throw, as an exception's must not
};

/// Thrown where somebody waits for work that *others* canceled: run(), a future, the handle of a job.
/// (Code that is itself canceled does not see an exception at all.)
class canceled_error : public std::runtime_error {
  public:
    /// `reason` is the text that was given to cancel(); it may be empty. what() is "canceled: REASON".
    explicit canceled_error(std::string_view reason = {});

    /// Lifetime: as long as this exception.
    std::string_view reason() const noexcept;
    std::error_code code() const noexcept { return make_error_code(errc::canceled); }
};

/// Thrown by run() when every task waits and nothing is left that could wake one. what() lists what waits.
class deadlock_error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
    std::error_code code() const noexcept { return make_error_code(errc::deadlock); }
};

/// An error that was thrown in another process or on another machine and has no code that means the same
/// here. (std::system_error crosses as std::system_error, with its code and category.)
class remote_error : public std::runtime_error {
  public:
    /// `type_name` is the name of the exception's type there ("std::out_of_range", "ValueError").
    /// what() is "TYPE_NAME: MESSAGE".
    remote_error(std::string_view type_name, std::string_view message);

    /// Lifetime: as long as this exception.
    std::string_view type_name() const noexcept;
    /// Lifetime: as long as this exception.
    std::string_view message() const noexcept;

  private:
    std::size_t type_name_size_;
};

}  // namespace simul

template <>
struct std::is_error_condition_enum<simul::condition> : std::true_type {};
template <>
struct std::is_error_code_enum<simul::errc> : std::true_type {};
