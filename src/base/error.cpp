#include <simul/base/error.hpp>

#include <cerrno>

namespace simul {
namespace {

// 0 = no condition. Grouped by what helps next, not by the subsystem that reports it.
int condition_value_of_errno(int err) noexcept {
    switch (err) {
        case EAGAIN:
#if EWOULDBLOCK != EAGAIN
        case EWOULDBLOCK:
#endif
        case EINTR:
        case EBUSY:
        case ETXTBSY:
        case EINPROGRESS:
        case EALREADY:
        case EMFILE:  // descriptors are given back as other work ends
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
        case ENOSPC:
        case EDQUOT:
        case ENOLCK:
        case EADDRINUSE:     // an old socket lingers, or ...
        case EADDRNOTAVAIL:  // ... the ephemeral ports are used up
        case ECONNREFUSED:   // only connect() says so: nothing was sent, the server may just be starting
            return static_cast<int>(condition::retry_later);

        case ECONNRESET:
        case ECONNABORTED:
        case EPIPE:
        case ENOTCONN:
        case ESHUTDOWN:
        case ENETRESET:
        // A route that is gone is sorted here and not under retry_later, because on an established connection
        // the same call never succeeds again; a new connection has to be made either way.
        case ENETDOWN:
        case ENETUNREACH:
        case EHOSTDOWN:
        case EHOSTUNREACH:
            return static_cast<int>(condition::disconnected);

        case ETIMEDOUT:
        case ETIME:
            return static_cast<int>(condition::timed_out);

        case ENOSYS:
        case EOPNOTSUPP:
#if ENOTSUP != EOPNOTSUPP
        case ENOTSUP:
#endif
        case EAFNOSUPPORT:
        case EPFNOSUPPORT:
        case EPROTONOSUPPORT:
        case ESOCKTNOSUPPORT:
        case ENOPROTOOPT:
            return static_cast<int>(condition::unsupported);

        case EINVAL:
        case EBADF:
        case ENOTSOCK:
        case ENOTTY:
        case EISCONN:
        case EDESTADDRREQ:
        case EPROTOTYPE:
        case EMSGSIZE:
        case E2BIG:
        case ENAMETOOLONG:
        case EFAULT:
        case EDOM:
        case ERANGE:
        case EOVERFLOW:
        case EILSEQ:
        case EBADMSG:
        case EPROTO:
            return static_cast<int>(condition::invalid);

        default:
            return 0;
    }
}

class condition_category_type final : public std::error_category {
  public:
    const char* name() const noexcept override { return "simul.condition"; }

    std::string message(int value) const override {
        switch (static_cast<condition>(value)) {
            case condition::retry_later:
                return "try again later";
            case condition::disconnected:
                return "disconnected";
            case condition::timed_out:
                return "timed out";
            case condition::unsupported:
                return "not supported here";
            case condition::invalid:
                return "invalid call or data";
        }
        return "unknown condition " + std::to_string(value);
    }

    // A module's category answers through default_error_condition(): either with one of ours or with an
    // errno.
    bool equivalent(const std::error_code& code, int value) const noexcept override {
        const std::error_condition own = code.default_error_condition();
        if (own.category() == *this) return own.value() == value;
        if (own.category() == std::generic_category() && own.value() != 0)
            return condition_value_of_errno(own.value()) == value;
        return false;
    }
};

class simul_category_type final : public std::error_category {
  public:
    const char* name() const noexcept override { return "simul"; }

    std::string message(int value) const override {
        switch (static_cast<errc>(value)) {
            case errc::timed_out:
                return "timed out";
            case errc::canceled:
                return "canceled";
            case errc::deadlock:
                return "deadlock: everything waits and nothing can wake it";
            case errc::limit_exceeded:
                return "limit exceeded";
            case errc::closed:
                return "closed";
            case errc::end_of_stream:
                return "unexpected end of stream";
            case errc::broken_promise:
                return "the result will never come: its promise was destroyed";
            case errc::no_loop:
                return "no event loop runs on this thread";
            case errc::wrong_loop:
                return "belongs to another event loop";
            case errc::wrong_state:
                return "not possible in this state";
            case errc::budget_exceeded:
                return "clean-up exceeded its time budget";
            case errc::bad_data:
                return "malformed data";
            case errc::not_supported:
                return "not supported here";
        }
        return "unknown error " + std::to_string(value);
    }

    std::error_condition default_error_condition(int value) const noexcept override {
        switch (static_cast<errc>(value)) {
            case errc::timed_out:
                return condition::timed_out;
            case errc::end_of_stream:
                return condition::disconnected;
            case errc::closed:
            case errc::limit_exceeded:
            case errc::no_loop:
            case errc::wrong_loop:
            case errc::wrong_state:
            case errc::bad_data:
                return condition::invalid;
            case errc::not_supported:
                return condition::unsupported;
            case errc::canceled:
            case errc::deadlock:
            case errc::broken_promise:
            case errc::budget_exceeded:
                break;
        }
        return {value, *this};
    }

    // The std::errc values that mean the same, so that code which knows only the standard's still works.
    bool equivalent(int value, const std::error_condition& other) const noexcept override {
        switch (static_cast<errc>(value)) {
            case errc::timed_out:
                if (other == std::errc::timed_out) return true;
                break;
            case errc::canceled:
                if (other == std::errc::operation_canceled) return true;
                break;
            case errc::deadlock:
                if (other == std::errc::resource_deadlock_would_occur) return true;
                break;
            default:
                break;
        }
        return default_error_condition(value) == other;
    }
};

std::string join(std::string_view left, std::string_view right) {
    std::string text;
    text.reserve(left.size() + 2 + right.size());
    text.append(left).append(": ").append(right);
    return text;
}

constexpr std::string_view canceled_text = "canceled";

}  // namespace

const std::error_category& condition_category() noexcept {
    static const condition_category_type category;
    return category;
}

const std::error_category& simul_category() noexcept {
    static const simul_category_type category;
    return category;
}

std::error_condition make_error_condition(condition c) noexcept {
    return {static_cast<int>(c), condition_category()};
}

std::error_code make_error_code(errc e) noexcept { return {static_cast<int>(e), simul_category()}; }

std::error_condition condition_of_errno(int err) noexcept {
    const int value = condition_value_of_errno(err);
    return value == 0 ? std::error_condition() : std::error_condition(value, condition_category());
}

void throw_errno(int err, std::string_view what) {
    throw std::system_error(err, std::generic_category(), std::string(what));
}

data_error::data_error(const std::string& message) : std::system_error(errc::bad_data), message_(message) {}

canceled_error::canceled_error(std::string_view reason)
    : std::runtime_error(reason.empty() ? std::string(canceled_text) : join(canceled_text, reason)) {}

std::string_view canceled_error::reason() const noexcept {
    const std::string_view text = what();
    return text.size() <= canceled_text.size() ? std::string_view() : text.substr(canceled_text.size() + 2);
}

remote_error::remote_error(std::string_view type_name, std::string_view message)
    : std::runtime_error(join(type_name, message)), type_name_size_(type_name.size()) {}

std::string_view remote_error::type_name() const noexcept {
    return std::string_view(what()).substr(0, type_name_size_);
}

std::string_view remote_error::message() const noexcept {
    const std::string_view text = what();
    return text.size() < type_name_size_ + 2 ? std::string_view() : text.substr(type_name_size_ + 2);
}

}  // namespace simul
