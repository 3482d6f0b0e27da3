#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <simul/base/error.hpp>
#include <simul/base/time.hpp>
#include <simul/core/awaitable.hpp>
#include <simul/core/cancel_scope.hpp>
#include <simul/core/scheduler.hpp>
#include <simul/loop/home.hpp>
#include <simul/loop/io.hpp>
#include <simul/loop/timer.hpp>

namespace simul {

class loop;

/// Which part of the kernel a loop uses.
enum class io_backend {
    automatic,  ///< what the environment variable SIMUL_IO names (uring or epoll); else io_uring if it works
                ///< here
    uring,      ///< io_uring; making the loop throws if the kernel or a container forbids it
    epoll,      ///< epoll
    virtual_time  ///< no kernel at all: time jumps to the next timer when nothing is ready
};

struct loop_options {
    io_backend io = io_backend::automatic;

    /// Called for an error that nobody is left to be thrown at (a late error of a race's loser, an abandoned
    /// clean-up). Default: logged as an error (log.hpp), and written to stderr as "simul: error: loop: ..."
    /// where there is no log hook. It must not throw.
    std::function<void(std::exception_ptr error, std::string_view what)> on_error{};

    /// Threads for blocking calls (`blocking`): files, name look-ups. They are started when needed.
    std::size_t blocking_threads_max = 4;
};

namespace detail {

/// Something another thread gives to the loop. Run once, on the loop, then gone.
struct inbox_node {
    inbox_node* next_in_inbox = nullptr;
    /// `on` is null if the loop is gone: then only clean up.
    virtual void arrived(loop* on) noexcept = 0;

  protected:
    ~inbox_node() = default;
};

/// The part of a loop that other threads may touch. Shared by the loop and everybody who may want to wake it.
///
/// A stack that producers push to with one exchange loop; the consumer takes all at once and reverses it.
/// Only the push that finds it empty wakes the loop.
class inbox {
  public:
    /// False if the loop is gone; then the node is still the caller's.
    bool push(inbox_node& node) noexcept;

    /// While somebody hopes, the loop does not report a deadlock and its virtual clock does not jump.
    void add_hope() noexcept { hopes_.fetch_add(1, std::memory_order_relaxed); }
    void drop_hope() noexcept;

  private:
    friend loop;
    struct closed_node;
    static inbox_node* closed() noexcept;
    void wake() noexcept;

    const scheduler* owner_ = nullptr;
    std::atomic<inbox_node*> head_{nullptr};
    std::atomic<std::size_t> hopes_{0};
    std::atomic<backend*> wakes_{nullptr};  // null when the loop is gone
    std::atomic<unsigned> waking_{0};  // producers inside backend::wake: the loop's destructor waits for them
};

struct loop_access;
class blocking_pool;

/// What waits for a task that ordinary code started.
class root_base : public ready_node {
  public:
    bool done() const noexcept { return done_; }
    scope& in() noexcept { return scope_; }

  protected:
    explicit root_base(scheduler& on) noexcept { scope_.open_root(on); }
    ~root_base() = default;

    scope scope_;
    bool done_ = false;
};

template <class T>
class root final : public root_base, public result_waiter<T> {
  public:
    explicit root(scheduler& on) noexcept : root_base(on) {}
    ~root() {
        if (child_ != nullptr) child_->destroy();
    }

    void start(child_frame<T> frame) noexcept {
        child_ = frame.release();
        child_->waiter_ = this;
        child_->scope_ = &scope_;
        scope_.on().post(*this);
    }

  private:
    void run() noexcept override {
        scope_.on().current = &scope_;
        if (!ended_) {
            child_->handle().resume();
        } else {
            std::exchange(child_, nullptr)->destroy();
            done_ = true;
        }
    }
    std::coroutine_handle<> child_done(promise_base&) noexcept override {
        ended_ = true;
        scope_.on().post(*this);
        return std::noop_coroutine();
    }
    promise_base* child_stopped(promise_base& child) noexcept override {
        child.destroy();
        child_ = nullptr;
        this->result_.set_canceled();
        done_ = true;
        return nullptr;
    }

    promise_base* child_ = nullptr;
    bool ended_ = false;
};

}  // namespace detail

/// A way to reach a loop from other threads. Copies are cheap and may outlive the loop.
///
/// While a handle exists, its loop counts on it: it does not take waiting tasks for a deadlock. Let go of it
/// when done.
class loop_handle {
  public:
    loop_handle(const loop_handle& other) noexcept : inbox_(other.inbox_) { inbox_->add_hope(); }
    loop_handle(loop_handle&& other) noexcept = default;
    loop_handle& operator=(loop_handle other) noexcept {
        std::swap(inbox_, other.inbox_);
        return *this;
    }
    ~loop_handle() {
        if (inbox_) inbox_->drop_hope();
    }

    /// Runs `f()` on the loop soon, in the order of posting; wakes it if it sleeps. `f` must not throw.
    /// False if the loop is gone: then `f` is destroyed without having run. Threads: any.
    template <class F>
    bool post(F&& f) const {
        struct node final : detail::inbox_node {
            explicit node(F&& function) : f(std::forward<F>(function)) {}
            void arrived(loop* on) noexcept override {
                if (on != nullptr) f();
                delete this;
            }
            std::decay_t<F> f;
        };
        auto* n = new node(std::forward<F>(f));
        if (inbox_->push(*n)) return true;
        delete n;
        return false;
    }

  private:
    friend loop;
    friend detail::loop_access;
    explicit loop_handle(std::shared_ptr<detail::inbox> inbox) noexcept : inbox_(std::move(inbox)) {
        inbox_->add_hope();
    }
    std::shared_ptr<detail::inbox> inbox_;
};

/// A task that `loop::start` started; for programs that drive the loop themselves.
///
/// Lifetime: its destructor cancels the task and drives the loop until it has ended; the loop's destructor
/// does the same if it comes first. An error that nobody asked for with result() goes to the loop's error
/// hook, or to the log when the loop is gone.
template <class T>
class running_task {
  public:
    running_task(running_task&&) noexcept = default;
    ~running_task();

    bool done() const noexcept { return root_->done(); }
    /// Cancels it. The loop has to be driven on until done().
    void cancel(std::string reason = {}) noexcept {
        root_->in().cancel({cancel_reason::kind::requested, std::move(reason)});
    }
    /// The result, once done(); errc::wrong_state before. Throws its error, or canceled_error.
    T result();

  private:
    friend loop;
    running_task(detail::scheduler& on, std::unique_ptr<detail::root<T>> root) noexcept
        : root_(std::move(root)) {
        home_.set(on);
    }
    detail::home home_;
    std::unique_ptr<detail::root<T>> root_;
    bool asked_ = false;
};

/// What a loop has done so far.
struct loop_statistics {
    std::size_t turns = 0;         ///< rounds of "run what is ready, then ask the kernel"
    std::size_t steps = 0;         ///< resumptions and other small steps
    std::size_t kernel_waits = 0;  ///< calls of the backend's wait
    std::size_t io_pending = 0;    ///< kernel operations under way
    std::size_t timers_armed = 0;
};

/// An event loop: runs tasks on the thread that calls run(), one at a time, while the others wait.
///
/// Threads: a loop belongs to the thread that made it; only handle() gives something for others. One loop per
/// thread runs at a time. Lifetime: when it ends, what belongs to it (streams, listeners, clients) is told:
/// what they had under way is given up, and they may be destroyed later, or used on the next loop. Signals:
/// none are touched; it prints nothing. run_main does both.
class loop : private detail::scheduler {
  public:
    /// Throws std::system_error if the asked backend does not work here, and errc::bad_data if SIMUL_IO names
    /// none.
    explicit loop(loop_options options = {});
    loop(const loop&) = delete;
    loop& operator=(const loop&) = delete;
    ~loop();

    /// Runs `f(args...)`, which gives a task, until it has ended; gives its result.
    ///
    /// `f` and `args` are kept here, so a capturing lambda and references are safe.
    /// Throws what the task throws; canceled_error if it was canceled; deadlock_error, with a list of what
    /// waits, if nothing could ever wake it; errc::wrong_state inside a running loop: there, co_await
    /// instead.
    template <class F, class... Args>
    auto run(F&& f, Args&&... args) {
        using T = await_result_t<std::invoke_result_t<F&, Args...>>;
        const entered here(*this);
        detail::root<T> root(*this);
        root.start(detail::frame_of_call(f, std::forward<Args>(args)...));
        drive(root);
        if (root.result_.canceled()) throw_canceled(root.in().reason());
        return std::move(root.result_).value();
    }

    /// Starts `f(args...)` and returns at once; the loop has to be driven with run_once. `f` and `args` are
    /// kept.
    template <class F, class... Args>
    auto start(F f, Args... args) {
        using T = await_result_t<std::invoke_result_t<F, Args...>>;
        const entered here(*this);
        auto root = std::make_unique<detail::root<T>>(static_cast<detail::scheduler&>(*this));
        root->start(detail::frame_of_call(keep_call<T, F, Args...>, std::move(f), std::move(args)...));
        watch(*root);
        return running_task<T>(static_cast<detail::scheduler&>(*this), std::move(root));
    }

    /// One round for programs that drive the loop from another one: runs what is ready, then waits up to
    /// `wait_max` for the kernel and runs what that made ready. True if anything ran. No deadlock is
    /// reported: the other loop may wake us.
    bool run_once(duration wait_max = duration::zero());
    /// A descriptor that is readable when run_once(0) has something to do (besides timers: see next_wait).
    int descriptor() const noexcept { return backend_->descriptor(); }
    /// How long run_once may be put off: zero if something is ready; nothing if only the descriptor can bring
    /// work.
    std::optional<duration> next_wait();

    /// The loop's clock: real time, or virtual.
    time_point now() const noexcept { return backend_->now(); }
    /// Time since the loop was made.
    duration elapsed() const noexcept { return now() - made_at_; }
    bool is_virtual() const noexcept { return backend_->is_virtual(); }
    /// "uring", "epoll" or "virtual".
    std::string_view backend_name() const noexcept { return backend_->name(); }

    /// For other threads.
    loop_handle handle() const noexcept { return loop_handle(inbox_); }

    /// What waits now: one paragraph per waiting operation, with the chain of tasks that wait for it.
    std::string task_tree();
    loop_statistics statistics() const noexcept;

  private:
    friend detail::loop_access;
    template <class T>
    friend class running_task;

    struct entered {
        explicit entered(loop& l);
        ~entered();
        scheduler* before;
    };
    struct root_tag;

    template <class T, class F, class... Args>
    static task<T> keep_call(F f, Args... args) {
        co_return co_await std::invoke(std::move(f), std::move(args)...);
    }

    void drive(detail::root_base& root);
    void watch(detail::root_base& root);
    void unwatch(detail::root_base& root) noexcept;
    void finish(detail::root_base& root) noexcept;
    bool turn(std::optional<time_point> until, bool may_wait, const detail::root_base* awaited = nullptr);
    void take_inbox() noexcept;
    std::string describe_deadlock();
    [[noreturn]] static void throw_canceled(const cancel_reason& reason);

    static void report_unasked(loop* on, std::exception_ptr error) noexcept;
    void report(std::exception_ptr error, const char* what) noexcept override;
    void report(std::string message) noexcept override;

    loop_options options_;
    std::unique_ptr<detail::backend> backend_;
    std::shared_ptr<detail::inbox> inbox_;
    time_point made_at_;
    std::thread::id thread_ = std::this_thread::get_id();
    detail::timer_wheel timers_;
    std::vector<detail::root_base*> roots_;
    detail::intrusive_list<detail::loop_member, detail::loop_member_tag> members_;  ///< joined last: first
    std::shared_ptr<detail::blocking_pool> blocking_;
    loop_statistics statistics_;
};

/// A loop whose clock jumps: for tests of waiting, and simulations. Twelve hours of sleeping take
/// milliseconds.
///
/// Sockets and other descriptors are refused. While other threads may still wake it (pool calls, handles), it
/// waits for them in real time instead of jumping.
class virtual_loop : public loop {
  public:
    virtual_loop() : virtual_loop(loop_options{}) {}
    explicit virtual_loop(loop_options options) : loop(with_virtual_time(std::move(options))) {}

  private:
    static loop_options with_virtual_time(loop_options options) {
        options.io = io_backend::virtual_time;
        return options;
    }
};

/// The loop that runs the calling code. Throws errc::no_loop outside of one.
loop& this_loop();

template <class T>
running_task<T>::~running_task() {
    if (root_ == nullptr) return;
    loop* const on = static_cast<loop*>(home_.get());
    if (on != nullptr && !root_->done()) {
        cancel("its handle was destroyed");
        on->finish(*root_);
    }
    if (!asked_ && root_->result_.has_error()) loop::report_unasked(on, root_->result_.error());
    if (on != nullptr) on->unwatch(*root_);
}

template <class T>
T running_task<T>::result() {
    if (!done())
        throw std::system_error(make_error_code(errc::wrong_state),
                                "running_task::result: it has not ended yet; drive the loop");
    asked_ = true;
    if (root_->result_.canceled()) loop::throw_canceled(root_->in().reason());
    return std::move(root_->result_).value();
}

namespace detail {

/// The library's own way into the loop.
struct loop_access {
    static loop& of(scheduler& on) noexcept { return static_cast<loop&>(on); }
    static scheduler& as_scheduler(loop& l) noexcept { return l; }
    static backend& io(loop& l) noexcept { return *l.backend_; }
    static timer_wheel& timers(loop& l) noexcept { return l.timers_; }
    static const std::shared_ptr<inbox>& box(loop& l) noexcept { return l.inbox_; }
    static std::shared_ptr<blocking_pool>& blocking(loop& l) noexcept { return l.blocking_; }
    static const loop_options& options(loop& l) noexcept { return l.options_; }
    static void join(loop& l, loop_member& member) noexcept { l.members_.push_front(member); }
};

}  // namespace detail
}  // namespace simul
