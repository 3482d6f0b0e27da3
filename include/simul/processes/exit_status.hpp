#pragma once

#include <optional>
#include <string>

namespace simul {

/// How a process ended: with a code, or by a signal. A value.
class exit_status {
  public:
    /// Ended by itself with `code` (0..255).
    static exit_status exited(int code) noexcept { return {code, 0, false}; }
    /// Ended by signal `number`.
    static exit_status killed(int number, bool core_dumped = false) noexcept {
        return {0, number, core_dumped};
    }

    /// Ended by itself with code 0.
    bool success() const noexcept { return signal_ == 0 && code_ == 0; }
    /// The code; nothing if a signal ended it.
    std::optional<int> code() const noexcept {
        return signal_ == 0 ? std::optional<int>(code_) : std::nullopt;
    }
    /// The signal; nothing if it ended by itself.
    std::optional<int> signal() const noexcept {
        return signal_ != 0 ? std::optional<int>(signal_) : std::nullopt;
    }
    bool core_dumped() const noexcept { return core_dumped_; }

    friend bool operator==(const exit_status&, const exit_status&) = default;

  private:
    exit_status(int code, int signal, bool core_dumped) noexcept
        : code_(code), signal_(signal), core_dumped_(core_dumped) {}

    int code_;
    int signal_;
    bool core_dumped_;
};

/// "exited with status 3", "killed by SIGSEGV (Segmentation fault, core dumped)".
std::string to_string(const exit_status& status);

/// "SIGSEGV"; "signal 35" for one without a name.
std::string signal_name(int number);

}  // namespace simul
