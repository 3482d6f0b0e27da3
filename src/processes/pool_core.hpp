#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <simul/core/intrusive_list.hpp>
#include <simul/core/leaf.hpp>
#include <simul/loop/loop.hpp>
#include <simul/processes/process_pool.hpp>
#include "processes/worker_link.hpp"

namespace simul::detail {

class acquire_operation;
struct acquire_tag;

/// The workers of a process_pool, and who waits for one. Threads: any.
///
/// Invariants:
///   1. A worker is in `idle_`, or owned by one call, or on its way to one (in an acquire_operation).
///   2. total_ counts them all. It is size() except after close(), or when the system refused a new one; then
///   the next
///      acquire tries again.
///   3. Nobody waits while a worker is idle.
class pool_core {
  public:
    explicit pool_core(process_pool_options options);
    ~pool_core() { close(); }

    /// A worker that is alive, or nothing if all are busy. Starts one if there are fewer than there should
    /// be. Throws: errc::closed, errc::wrong_state, what keeps a worker from starting.
    std::optional<worker_link> try_acquire();
    /// Takes back a worker whose call was answered.
    void release(worker_link worker) noexcept;
    /// The worker of a call is gone: starts another one in its place.
    void replace(bool by_us) noexcept;

    void close() noexcept;

    std::size_t size() const noexcept { return options_.workers; }
    const process_pool_options& options() const noexcept { return options_; }
    process_pool_statistics statistics();
    void answered() noexcept;

  private:
    friend acquire_operation;

    /// Queues the operation, unless a worker became idle meanwhile: false, and it has it.
    bool wait_or_take(acquire_operation& waiter);
    bool withdraw(acquire_operation& waiter) noexcept;

    void check_usable() const;
    worker_link start_worker();
    std::optional<worker_link> take_idle();
    void hand_out(worker_link worker) noexcept;
    void fail_waiters(const std::exception_ptr& error) noexcept;

    process_pool_options options_;
    pid_t owner_;
    std::mutex mutex_;
    std::vector<worker_link> idle_;
    intrusive_list<acquire_operation, acquire_tag> waiters_;
    std::size_t total_ = 0;
    std::size_t waiting_ = 0;
    std::size_t completed_ = 0;
    std::size_t died_ = 0;
    std::size_t killed_ = 0;
    bool closed_ = false;
};

/// The await of a free worker.
class acquire_operation final : public leaf_operation<acquire_operation>,
                                public inbox_node,
                                public list_node<acquire_tag> {
  public:
    explicit acquire_operation(pool_core& pool) noexcept : pool_(pool) {}
    ~acquire_operation() = default;

    bool ready() {
        worker_ = pool_.try_acquire();
        return worker_.has_value();
    }
    bool start() {
        box_ = loop_access::box(loop_access::of(on()));
        return pool_.wait_or_take(*this);
    }
    worker_link result() {
        if (error_) std::rethrow_exception(error_);
        return *std::move(worker_);
    }
    const char* describe() const noexcept override { return "wait for a worker of a process pool"; }

  private:
    friend pool_core;

    /// Under the pool's lock, on any thread; afterwards it belongs to its loop again.
    void give(worker_link worker) noexcept {
        worker_ = std::move(worker);
        send_home();
    }
    void fail(std::exception_ptr error) noexcept {
        error_ = std::move(error);
        send_home();
    }
    void send_home() noexcept {
        const std::shared_ptr<inbox> box = box_;
        box->push(*this);
    }

    void arrived(loop*) noexcept override {
        box_->drop_hope();
        if (!canceled()) return resume();
        give_back();
        stop();
    }
    void on_cancel() noexcept override {
        if (!pool_.withdraw(*this)) return;  // it is on its way, and arrived() will see the cancel
        box_->drop_hope();
        stop();
    }
    void on_cancel_late() noexcept override {
        give_back();
        revoke();
    }
    void give_back() noexcept {
        if (worker_) pool_.release(*std::exchange(worker_, std::nullopt));
    }

    pool_core& pool_;
    std::shared_ptr<inbox> box_;
    std::optional<worker_link> worker_;
    std::exception_ptr error_;
};

}  // namespace simul::detail
