#pragma once

#include <cstdint>

namespace simul::detail {

/// Somebody who wants signals.
struct signal_receiver {
    std::uint64_t wanted = 0;  ///< bit n-1: signal n
    bool last_resort = false;  ///< only gets what nobody else wants (run_main)

    /// In the signal handler: async-signal-safe only.
    virtual void deliver(int number) noexcept = 0;

  protected:
    ~signal_receiver() = default;
};

void add_receiver(signal_receiver& receiver);
void remove_receiver(signal_receiver& receiver) noexcept;

}  // namespace simul::detail
