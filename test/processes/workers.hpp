#pragma once

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <system_error>

/// What the tests of processes share.
namespace simul_test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#else
inline constexpr bool sanitized = false;
#endif

/// Sees the end of any process, of whom it may be the child.
class watched_process {
  public:
    explicit watched_process(pid_t pid) : fd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
    ~watched_process() { ::close(fd_); }
    watched_process(const watched_process&) = delete;
    watched_process& operator=(const watched_process&) = delete;

    /// Ended, or ends within `limit`.
    bool ends_within(std::chrono::milliseconds limit) const {
        if (fd_ < 0) return true;  // it was gone before we looked
        pollfd entry{fd_, POLLIN, 0};
        return ::poll(&entry, 1, static_cast<int>(limit.count())) == 1;
    }

  private:
    int fd_;
};

inline std::error_code code_of(auto&& f) {
    try {
        f();
    } catch (const std::system_error& e) {
        return e.code();
    }
    return {};
}

inline std::string text_of(auto&& f) {
    try {
        f();
    } catch (const std::exception& e) {
        return e.what();
    }
    return {};
}

inline bool contains(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

}  // namespace simul_test
