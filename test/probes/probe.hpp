// The smallest coroutine type that is shaped like simul's task (lazy, immovable, awaited as a temporary,
// symmetric transfer), and nothing of simul: the probes ask what the compiler does with coroutines.
#pragma once
#include <coroutine>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <utility>

// Ends the probe with a line that names the expectation. Not `assert`: probes are also run with NDEBUG.
#define EXPECT(condition) \
    ((condition) ? void() \
                 : (std::printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition), std::exit(1)))

template <class T>
class task {
  public:
    struct promise_type {
        std::coroutine_handle<> waiting = std::noop_coroutine();
        std::exception_ptr error;
        std::optional<T> value;

        struct back {
            bool await_ready() noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> self) noexcept {
                return self.promise().waiting;
            }
            void await_resume() noexcept {}
        };
        task get_return_object() noexcept {
            return task(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        back final_suspend() noexcept { return {}; }
        void unhandled_exception() noexcept { error = std::current_exception(); }
        template <class U>
        void return_value(U&& from) {
            value.emplace(std::forward<U>(from));
        }
    };

    explicit task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
    task(task&&) = delete;
    ~task() { frame_.destroy(); }

    struct awaiter {
        std::coroutine_handle<promise_type> frame;
        bool await_ready() noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) noexcept {
            frame.promise().waiting = parent;
            return frame;
        }
        T await_resume() {
            if (frame.promise().error) std::rethrow_exception(frame.promise().error);
            return std::move(*frame.promise().value);
        }
    };
    awaiter operator co_await() && noexcept { return {frame_}; }

    void start() { frame_.resume(); }
    bool done() const noexcept { return frame_.done(); }
    T result() { return awaiter{frame_}.await_resume(); }

  private:
    std::coroutine_handle<promise_type> frame_;
};

/// Suspends its awaiter until `open()`.
struct gate {
    std::coroutine_handle<> waiting;
    bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> parent) noexcept { waiting = parent; }
    int await_resume() noexcept { return 1; }
    void open() { std::exchange(waiting, nullptr).resume(); }
};

/// Counts what is alive; every construction, copy and move must have its destruction.
struct counted {
    static inline int alive = 0;
    static inline unsigned order = 0;  // the numbers of the last destroyed, one decimal digit each
    int number;
    explicit counted(int n) : number(n) { ++alive; }
    counted(const counted& from) : number(from.number) { ++alive; }
    ~counted() {
        --alive;
        order = (order * 10 + unsigned(number)) % 1'000'000;
    }
};
