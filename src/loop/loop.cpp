#include <simul/base/log.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/sleep.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "loop/blocking_pool.hpp"
#include "loop/stderr_sink.hpp"

namespace simul {
namespace detail {

// --- inbox
// ----------------------------------------------------------------------------------------------------------

struct inbox::closed_node final : inbox_node {
    void arrived(loop*) noexcept override {}
};

inbox_node* inbox::closed() noexcept {
    static closed_node node;
    return &node;
}

bool inbox::push(inbox_node& node) noexcept {
    inbox_node* head = head_.load(std::memory_order_relaxed);
    do {
        if (head == closed()) return false;
        node.next_in_inbox = head;
    } while (!head_.compare_exchange_weak(head, &node, std::memory_order_seq_cst, std::memory_order_relaxed));
    if (head == nullptr) wake();
    return true;
}

void inbox::wake() noexcept {
    waking_.fetch_add(1);
    if (backend* sleeping = wakes_.load()) sleeping->wake();
    waking_.fetch_sub(1);
}

void inbox::drop_hope() noexcept {
    if (hopes_.fetch_sub(1) == 1 && current_scheduler() != owner_) wake();
}

// --- io
// -------------------------------------------------------------------------------------------------------------

const char* to_string(io_kind kind) noexcept {
    switch (kind) {
        case io_kind::recv:
            return "receive from a socket";
        case io_kind::send:
            return "send to a socket";
        case io_kind::recvmsg:
            return "receive a message from a socket";
        case io_kind::sendmsg:
            return "send a message to a socket";
        case io_kind::accept:
            return "accept a connection";
        case io_kind::connect:
            return "connect";
        case io_kind::read:
            return "read from a descriptor";
        case io_kind::write:
            return "write to a descriptor";
        case io_kind::poll:
            return "wait for a descriptor";
    }
    return "input or output";
}

bool submit_io(scheduler& on, io_op& op) noexcept {
    op.result = 0;
    op.cancel_sent = false;
    return loop_access::io(loop_access::of(on)).submit(op);
}

void loop_member::join(scheduler& loop) noexcept {
    unlink();
    loop_access::join(loop_access::of(loop), *this);
}

void cancel_io(scheduler& on, io_op& op) noexcept { loop_access::io(loop_access::of(on)).cancel(op); }

void throw_io_error(int result, const char* what) {
    if (result == -ENOTSUP)
        throw std::system_error(make_error_code(errc::not_supported),
                                std::string(what) +
                                    ": a loop with virtual time has no real descriptors; run this on a "
                                    "real loop (simul::run), or give it an in-memory stream");
    throw_errno(-result, what);
}

namespace {

std::unique_ptr<backend> make_backend(io_backend wanted) {
    if (wanted == io_backend::automatic) {
        const char* named = std::getenv("SIMUL_IO");
        const std::string_view name = named == nullptr ? "" : named;
        if (name == "uring")
            wanted = io_backend::uring;
        else if (name == "epoll")
            wanted = io_backend::epoll;
        else if (!name.empty())
            throw std::system_error(make_error_code(errc::bad_data),
                                    fmt::format("SIMUL_IO={}: no such backend; it is uring or epoll", name));
    }
    switch (wanted) {
        case io_backend::virtual_time:
            return make_virtual_backend();
        case io_backend::uring:
            return make_uring_backend();
        case io_backend::epoll:
            return make_epoll_backend();
        case io_backend::automatic:
            break;
    }
    try {
        return make_uring_backend();
    } catch (const std::system_error& refused) {
        log(log_level::debug, "loop: io_uring cannot be used here ({}), so epoll is", refused.what());
        return make_epoll_backend();
    }
}

/// So many steps run before the kernel is asked again.
constexpr std::size_t steps_per_turn_max = 256;

std::string text_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {  // described, not handled: its owner has the exception_ptr
        return "an exception of unknown type";
    }
}

}  // namespace
}  // namespace detail

loop::loop(loop_options options)
    : options_(std::move(options)),
      backend_(detail::make_backend(options_.io)),
      inbox_(std::make_shared<detail::inbox>()),
      made_at_(backend_->now()),
      timers_(made_at_) {
    inbox_->owner_ = static_cast<detail::scheduler*>(this);
    inbox_->wakes_.store(backend_.get());
}

loop::~loop() {
    while (!roots_.empty()) {  // of running_tasks that outlive us; one of them may hold another
        detail::root_base* const last = roots_.back();
        if (!last->done()) {
            last->in().cancel({cancel_reason::kind::shutdown, {}});
            finish(*last);
        }
        unwatch(*last);
    }
    while (detail::loop_member* last = members_.pop_front()) last->loop_ended();
    blocking_.reset();
    detail::inbox_node* rest = inbox_->head_.exchange(detail::inbox::closed());
    while (rest != nullptr) {
        detail::inbox_node* next = rest->next_in_inbox;
        rest->arrived(nullptr);
        rest = next;
    }
    inbox_->wakes_.store(nullptr);
    while (inbox_->waking_.load() != 0) std::this_thread::yield();
}

loop::entered::entered(loop& l) : before(nullptr) {
    if (l.thread_ != std::this_thread::get_id())
        throw std::system_error(
            make_error_code(errc::wrong_loop),
            "run: the loop was made on another thread; make it on the thread that runs it");
    if (detail::current_scheduler() != nullptr)
        throw std::system_error(
            make_error_code(errc::wrong_state),
            "run: a loop is running on this thread already; inside a task, co_await the function");
    before = detail::exchange_current_scheduler(&l);
}
loop::entered::~entered() { detail::exchange_current_scheduler(before); }

void loop::throw_canceled(const cancel_reason& reason) { throw canceled_error(to_string(reason)); }

void loop::watch(detail::root_base& root) { roots_.push_back(&root); }
void loop::unwatch(detail::root_base& root) noexcept { std::erase(roots_, &root); }

void loop::take_inbox() noexcept {
    if (inbox_->head_.load(std::memory_order_relaxed) == nullptr) return;
    detail::inbox_node* newest = inbox_->head_.exchange(nullptr, std::memory_order_acquire);
    detail::inbox_node* oldest = nullptr;
    while (newest != nullptr) {
        detail::inbox_node* next = newest->next_in_inbox;
        newest->next_in_inbox = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != nullptr) {
        detail::inbox_node* next = oldest->next_in_inbox;
        oldest->arrived(this);
        oldest = next;
    }
}

// One round. False if nothing is ready and nothing can make anything ready.
bool loop::turn(std::optional<time_point> until, bool may_wait, const detail::root_base* awaited) {
    ++statistics_.turns;
    take_inbox();
    if (timers_.size() > 0) timers_.advance(now());
    statistics_.steps += run_ready(detail::steps_per_turn_max);
    // In this order: whoever gives up the last hope has put what it brings into the inbox before.
    const bool hope = inbox_->hopes_.load() > 0;
    if (awaited != nullptr && awaited->done()) return true;  // nothing to wait for, whoever else may wake us
    const bool ready = has_ready() || inbox_->head_.load() != nullptr;
    if (ready || !may_wait) {
        if (backend_->pending() > 0) {
            ++statistics_.kernel_waits;
            backend_->wait(time_point::min(), true);
        }
        return true;
    }
    if (!hope && timers_.size() == 0 && backend_->pending() == 0 && !until) return false;
    std::optional<time_point> next = timers_.size() > 0 ? timers_.next() : std::nullopt;
    if (until && (!next || *until < *next)) next = until;
    ++statistics_.kernel_waits;
    backend_->wait(next, hope);
    return true;
}

void loop::drive(detail::root_base& root) {
    watch(root);
    std::string deadlock;
    while (!root.done()) {
        if (turn(std::nullopt, true, &root)) continue;
        if (!deadlock.empty()) {
            unwatch(root);
            throw deadlock_error(
                "even canceling did not end what waits (a defect in an operation's on_cancel):\n" +
                describe_deadlock());
        }
        deadlock = describe_deadlock();
        for (detail::root_base* each : roots_)
            each->in().cancel_everything({cancel_reason::kind::deadlock, {}});
    }
    unwatch(root);
    if (!deadlock.empty()) throw deadlock_error(deadlock);
}

void loop::finish(detail::root_base& root) noexcept {
    scheduler* before = detail::exchange_current_scheduler(this);
    bool insisted = false;
    while (!root.done()) {
        if (turn(std::nullopt, true, &root)) continue;
        if (insisted) {  // nobody wakes an awaitable that is not ours: its frame is destroyed as it is
            report("a task did not end when it was canceled; what waits:\n" + task_tree());
            break;
        }
        insisted = true;
        root.in().cancel_everything({cancel_reason::kind::shutdown, {}});
    }
    detail::exchange_current_scheduler(before);
}

bool loop::run_once(duration wait_max) {
    const entered here(*this);
    const std::size_t steps = statistics_.steps;
    turn(std::nullopt, false);
    if (statistics_.steps == steps && !has_ready()) {
        const time_point before = now();
        turn(wait_max > time_point::max() - before ? time_point::max() : before + wait_max, true);
    }
    take_inbox();
    if (timers_.size() > 0) timers_.advance(now());
    statistics_.steps += run_ready(detail::steps_per_turn_max);
    // What these steps submitted has to reach the kernel before somebody else waits for the descriptor.
    backend_->wait(time_point::min(), true);
    return statistics_.steps != steps;
}

std::optional<duration> loop::next_wait() {
    if (has_ready() || inbox_->head_.load() != nullptr) return duration::zero();
    auto next = timers_.size() > 0 ? timers_.next() : std::nullopt;
    if (!next) return std::nullopt;
    return std::max(duration::zero(), *next - now());
}

std::string loop::task_tree() {
    constexpr std::size_t shown_max = 50;
    std::string text;
    std::size_t count = 0;
    for (detail::root_base* root : roots_)
        root->in().for_each_leaf([&](detail::leaf& waiting) {
            if (++count > shown_max) return;
            text +=
                fmt::format("  {}\n{}", waiting.describe(), detail::async_stack(waiting.awaiting(), "    "));
        });
    if (count > shown_max) text += fmt::format("  and {} more\n", count - shown_max);
    return text;
}

std::string loop::describe_deadlock() {
    std::string tree = task_tree();
    return "deadlock: everything waits, and no timer, descriptor, thread or signal can wake it:\n" + tree;
}

loop_statistics loop::statistics() const noexcept {
    loop_statistics copy = statistics_;
    copy.io_pending = backend_->pending();
    copy.timers_armed = timers_.size();
    return copy;
}

/// Nobody listens to the log of a program that has neither set a hook nor begun with run_main. These errors
/// are the ones that would be lost for good, so they go to stderr then.
static void report_to_log(const std::exception_ptr& error, const char* what) noexcept {
    if (log_enabled(log_level::error))
        log(log_level::error, "loop: {}: {}", what, detail::text_of(error));
    else
        detail::write_to_stderr(log_level::error, fmt::format("loop: {}: {}", what, detail::text_of(error)));
}

void loop::report(std::exception_ptr error, const char* what) noexcept {
    if (options_.on_error)
        options_.on_error(std::move(error), what);
    else
        report_to_log(error, what);
}

void loop::report_unasked(loop* on, std::exception_ptr error) noexcept {
    constexpr const char* what = "a started task failed, and nobody asked for its result";
    if (on != nullptr)
        on->report(std::move(error), what);
    else
        report_to_log(error, what);
}

void loop::report(std::string message) noexcept {
    report(std::make_exception_ptr(std::runtime_error(message)), "reported");
}

loop& this_loop() { return detail::loop_access::of(detail::require_scheduler("this_loop")); }

// --- sleeping
// -------------------------------------------------------------------------------------------------------

namespace detail {

bool sleep_operation::start() noexcept {
    loop& l = loop_access::of(on());
    if (deadline == time_point::max()) return true;  // only a cancel ends it
    if (relative_) {
        const duration time = std::max(deadline.time_since_epoch(), duration::zero());
        const time_point now = l.now();
        deadline = time > time_point::max() - now ? time_point::max() : now + time;
        relative_ = false;
        if (deadline == time_point::max()) return true;
    }
    loop_access::timers(l).arm(*this);
    return true;
}

void sleep_operation::on_cancel() noexcept {
    if (armed()) loop_access::timers(loop_access::of(on())).disarm(*this);
    stop();
}

// Going on at once must not keep the loop from its kernel and timers for ever, so every so often the way
// leads through the queue all the same.
bool yield_operation::ready() noexcept {
    constexpr unsigned in_a_row_max = 32;
    scheduler& s = on();
    if (s.has_ready() || ++s.idle_yields >= in_a_row_max) {
        s.idle_yields = 0;
        return false;
    }
    return true;
}

}  // namespace detail
}  // namespace simul
