#include <signal.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <thread>

#include <simul/loop/loop.hpp>
#include <simul/loop/signals.hpp>

#include "loop/signal_table.hpp"

/// Theory. The handler may run on any thread at any time, so it only does what is async-signal-safe: it sets
/// a bit and pushes a node that exists already into the loop's inbox (atomics and a write to an eventfd). The
/// table of receivers has a fixed size; who leaves it waits until no handler is inside.
namespace simul::detail {
namespace {

constexpr std::size_t receivers_max = 64;  ///< streams at once in one process
constexpr int signals_max = 64;

std::array<std::atomic<signal_receiver*>, receivers_max> receivers;
std::atomic<unsigned> handlers_inside{0};

std::mutex dispositions_mutex;
std::array<unsigned, signals_max + 1> users{};
std::array<struct sigaction, signals_max + 1> saved{};

void handler(int number) {
    const int before = errno;
    handlers_inside.fetch_add(1);
    const std::uint64_t bit = std::uint64_t{1} << (number - 1);
    bool taken = false;
    signal_receiver* last_resort = nullptr;
    for (auto& slot : receivers) {
        signal_receiver* receiver = slot.load();
        if (receiver == nullptr || (receiver->wanted & bit) == 0) continue;
        if (receiver->last_resort) {
            last_resort = receiver;
            continue;
        }
        receiver->deliver(number);
        taken = true;
    }
    if (!taken && last_resort != nullptr) last_resort->deliver(number);
    handlers_inside.fetch_sub(1);
    errno = before;
}

}  // namespace

void add_receiver(signal_receiver& receiver) {
    const std::lock_guard lock(dispositions_mutex);
    for (auto& slot : receivers) {
        signal_receiver* empty = nullptr;
        if (!slot.compare_exchange_strong(empty, &receiver)) continue;
        for (int number = 1; number <= signals_max; ++number) {
            if ((receiver.wanted & (std::uint64_t{1} << (number - 1))) == 0) continue;
            const auto at = static_cast<std::size_t>(number);
            if (users[at]++ > 0) continue;
            struct sigaction action{};
            action.sa_handler = &handler;
            action.sa_flags = SA_RESTART;
            sigfillset(&action.sa_mask);
            if (::sigaction(number, &action, &saved[at]) == 0) continue;
            const int error = errno;
            --users[at];
            receiver.wanted &= (std::uint64_t{1} << (number - 1)) - 1;  // those before were taken
            slot.store(nullptr);
            for (int n = 1; n < number; ++n)
                if ((receiver.wanted & (std::uint64_t{1} << (n - 1))) != 0 &&
                    --users[static_cast<std::size_t>(n)] == 0)
                    ::sigaction(n, &saved[static_cast<std::size_t>(n)], nullptr);
            throw_errno(error, "signal_stream: signal " + std::to_string(number) + " cannot be caught");
        }
        return;
    }
    throw std::system_error(make_error_code(errc::limit_exceeded),
                            "signal_stream: more than 64 streams at once (receivers_max)");
}

void remove_receiver(signal_receiver& receiver) noexcept {
    const std::lock_guard lock(dispositions_mutex);
    for (auto& slot : receivers) {
        signal_receiver* mine = &receiver;
        slot.compare_exchange_strong(mine, nullptr);
    }
    for (int number = 1; number <= signals_max; ++number) {
        const auto at = static_cast<std::size_t>(number);
        if ((receiver.wanted & (std::uint64_t{1} << (number - 1))) != 0 && --users[at] == 0)
            ::sigaction(number, &saved[at], nullptr);
    }
    while (handlers_inside.load() != 0) std::this_thread::yield();
}

class signal_state final : public signal_receiver, public inbox_node {
  public:
    explicit signal_state(std::uint64_t signals) : box_(loop_access::box(this_loop())) {
        wanted = signals;
        add_receiver(*this);
        box_->add_hope();
    }
    ~signal_state() { box_->drop_hope(); }

    void deliver(int number) noexcept override {
        came_.fetch_or(std::uint64_t{1} << (number - 1));
        if (!in_inbox_.exchange(true) && !box_->push(*this)) in_inbox_.store(false);
    }

    int take() noexcept {
        if (ready_ == 0) return 0;
        const int index = __builtin_ctzll(ready_);
        ready_ &= ready_ - 1;
        return index + 1;
    }
    bool belongs_to(loop& l) const noexcept { return box_ == loop_access::box(l); }
    void give_back(int number) noexcept { ready_ |= std::uint64_t{1} << (number - 1); }

    next_signal_operation* waiting = nullptr;
    std::shared_ptr<signal_state> keep;  // while its node may be in the inbox after the stream is gone
    bool in_inbox() const noexcept { return in_inbox_.load(); }

  private:
    void arrived(loop* on) noexcept override {
        std::shared_ptr<signal_state> last = std::move(keep);
        in_inbox_.store(false);
        ready_ |= came_.exchange(0);
        if (on == nullptr || waiting == nullptr) return;
        if (int number = take()) std::exchange(waiting, nullptr)->came(number);
    }

    std::shared_ptr<inbox> box_;
    std::atomic<std::uint64_t> came_{0};
    std::atomic<bool> in_inbox_{false};
    std::uint64_t ready_ = 0;
};

next_signal_operation::~next_signal_operation() {
    if (state_.waiting == this) state_.waiting = nullptr;
}
bool next_signal_operation::ready() noexcept {
    signal_ = state_.take();
    return signal_ != 0;
}
bool next_signal_operation::start() {
    if (!state_.belongs_to(loop_access::of(on())))
        throw std::system_error(make_error_code(errc::wrong_loop),
                                "signal_stream::next: the stream was made on another event loop; make it in "
                                "the task that uses it");
    if (state_.waiting != nullptr)
        throw std::system_error(make_error_code(errc::wrong_state),
                                "signal_stream::next: another task waits for the next signal already");
    state_.waiting = this;
    return true;
}
void next_signal_operation::on_cancel() noexcept {
    state_.waiting = nullptr;
    stop();
}
void next_signal_operation::on_cancel_late() noexcept {
    state_.give_back(signal_);
    revoke();
}

}  // namespace simul::detail

namespace simul {

signal_stream::signal_stream(std::initializer_list<int> numbers) {
    std::uint64_t wanted = 0;
    for (int number : numbers) {
        if (number < 1 || number > detail::signals_max)
            throw_errno(EINVAL, "signal_stream: there is no signal " + std::to_string(number));
        wanted |= std::uint64_t{1} << (number - 1);
    }
    state_ = std::make_shared<detail::signal_state>(wanted);
}

signal_stream::~signal_stream() {
    if (!state_) return;
    detail::remove_receiver(*state_);
    if (state_->in_inbox()) state_->keep = state_;
}

task<int> wait_signal(int number) {
    signal_stream stream{number};
    co_return co_await stream.next();
}

}  // namespace simul
