#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <simul/base/error.hpp>
#include <simul/core/leaf.hpp>
#include <simul/core/outcome.hpp>
#include <simul/loop/loop.hpp>

namespace simul {

template <class T>
class future;

namespace detail {

template <class T>
class future_operation;

/// Shared by a promise and its future.
///
/// state: empty -> ready                    set before anyone waited: the future takes it at once
///        empty -> awaited -> ready         set while (or after) somebody waited: a message to that loop
/// The waiter itself is only touched on its loop.
template <class T>
struct future_state final : inbox_node {
    enum : int { empty, awaited, ready };
    std::atomic<int> state{empty};
    std::atomic<int> references{2};  // promise and future; and one for the message
    std::atomic<bool> completed{false};
    outcome<T> result;
    std::shared_ptr<inbox> box;
    future_operation<T>* waiting = nullptr;
    bool message_came = false;
    bool taken = false;

    void release() noexcept {
        if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }
    bool claim() noexcept { return !completed.exchange(true); }
    void publish() noexcept {
        if (state.exchange(ready, std::memory_order_acq_rel) != awaited) return;
        references.fetch_add(1, std::memory_order_relaxed);
        std::shared_ptr<inbox> to = box;
        if (!to->push(*this)) {
            to->drop_hope();
            release();
        }
    }
    void arrived(loop* on) noexcept override;
};

template <class T>
class [[nodiscard("await it: co_await future.get()")]] future_operation final
    : public leaf_operation<future_operation<T>> {
  public:
    explicit future_operation(future_state<T>& state) noexcept : state_(state) {}
    future_operation(future_operation&& other) noexcept
        : leaf_operation<future_operation>(), state_(other.state_) {}
    ~future_operation() {
        if (state_.waiting == this) state_.waiting = nullptr;
    }

    bool ready() const noexcept {
        return state_.state.load(std::memory_order_acquire) == future_state<T>::ready;
    }
    bool start() {
        if (state_.waiting != nullptr)
            throw std::system_error(make_error_code(errc::wrong_state),
                                    "future::get: another task waits for it already");
        if (!state_.box) {
            state_.box = loop_access::box(loop_access::of(this->on()));
            state_.box->add_hope();
            int expected = future_state<T>::empty;
            if (!state_.state.compare_exchange_strong(expected, future_state<T>::awaited,
                                                      std::memory_order_acq_rel)) {
                state_.box->drop_hope();
                state_.box.reset();
                return false;  // set in this moment
            }
        } else if (state_.box != loop_access::box(loop_access::of(this->on()))) {
            throw std::system_error(
                make_error_code(errc::wrong_loop),
                "future::get: it was awaited on another loop before, and belongs to that");
        } else if (state_.message_came) {
            return false;
        }
        state_.waiting = this;
        return true;
    }
    T result() {
        if (std::exchange(state_.taken, true))
            throw std::system_error(make_error_code(errc::wrong_state),
                                    "future::get: its result was taken before");
        return std::move(state_.result).value();
    }
    const char* describe() const noexcept override { return "future"; }
    void came() noexcept { this->resume(); }

  private:
    void on_cancel() noexcept override {
        state_.waiting = nullptr;
        this->stop();
    }
    future_state<T>& state_;
};

template <class T>
void future_state<T>::arrived(loop*) noexcept {
    message_came = true;
    box->drop_hope();
    if (waiting != nullptr) std::exchange(waiting, nullptr)->came();
    release();
}

}  // namespace detail

/// The receiving end of a promise: a result that some other code, on any thread, will provide.
///
/// `T x = co_await future.get();` Once. Lifetime: movable while nobody waits. A canceled get() may be
/// repeated.
template <class T>
class [[nodiscard]] future {
  public:
    future() = default;
    future(future&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    future& operator=(future&& other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~future() {
        if (state_ != nullptr) state_->release();
    }

    bool valid() const noexcept { return state_ != nullptr; }
    /// Is the result there? False if it belongs to no promise.
    bool ready() const noexcept {
        return state_ != nullptr &&
               state_->state.load(std::memory_order_acquire) == detail::future_state<T>::ready;
    }
    /// Waits for the result. Throws what set_error was given; errc::broken_promise if the promise was
    /// destroyed. While it waits, the loop does not report a deadlock: the other thread is its hope.
    auto get() {
        if (state_ == nullptr)
            throw std::system_error(make_error_code(errc::wrong_state),
                                    "future::get: it belongs to no promise");
        return detail::future_operation<T>(*state_);
    }

  private:
    template <class U>
    friend class promise;
    explicit future(detail::future_state<T>* state) noexcept : state_(state) {}
    detail::future_state<T>* state_ = nullptr;
};

/// A place for one result, to be set from any thread; wakes the loop of the task that awaits its future.
///
/// Elsewhere: std::promise, loop.call_soon_threadsafe(future.set_result). Threads: any, one at a time.
template <class T>
class promise {
  public:
    promise() : state_(new detail::future_state<T>) {}
    promise(promise&& other) noexcept
        : state_(std::exchange(other.state_, nullptr)), future_taken_(other.future_taken_) {}
    promise& operator=(promise&& other) noexcept {
        std::swap(state_, other.state_);
        std::swap(future_taken_, other.future_taken_);
        return *this;
    }
    ~promise() {
        if (state_ == nullptr) return;
        if (state_->claim()) {
            state_->result.set_error(std::make_exception_ptr(std::system_error(
                make_error_code(errc::broken_promise), "the promise was destroyed before it was kept")));
            state_->publish();
        }
        if (!future_taken_) state_->release();
        state_->release();
    }

    /// The one future. A second call throws errc::wrong_state.
    future<T> get_future() {
        needs_state("get_future");
        if (future_taken_)
            throw std::system_error(make_error_code(errc::wrong_state),
                                    "promise::get_future: it was called before");
        future_taken_ = true;
        return future<T>(state_);
    }
    /// Sets the result. A second set_... throws errc::wrong_state; try_set_... gives false instead. All throw
    /// errc::wrong_state if this promise was moved from.
    template <class... V>
    void set_value(V&&... value) {
        if (!try_set_value(std::forward<V>(value)...)) set_before();
    }
    void set_error(std::exception_ptr error) {
        if (!try_set_error(std::move(error))) set_before();
    }
    template <class... V>
    bool try_set_value(V&&... value) {
        needs_state("set_value");
        if (!state_->claim()) return false;
        try {
            state_->result.set_value(std::forward<V>(value)...);
        } catch (...) {
            state_->result.set_error(std::current_exception());
        }
        state_->publish();
        return true;
    }
    bool try_set_error(std::exception_ptr error) {
        needs_state("set_error");
        if (!state_->claim()) return false;
        state_->result.set_error(std::move(error));
        state_->publish();
        return true;
    }

  private:
    void needs_state(const char* call) const {
        if (state_ == nullptr)
            throw std::system_error(
                make_error_code(errc::wrong_state),
                std::string("promise::") + call + ": it was moved from; use the one that it was moved to");
    }
    [[noreturn]] static void set_before() {
        throw std::system_error(make_error_code(errc::wrong_state), "promise: its result was set before");
    }
    detail::future_state<T>* state_;
    bool future_taken_ = false;
};

}  // namespace simul
