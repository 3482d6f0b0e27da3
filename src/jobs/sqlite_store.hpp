#pragma once

#include <simul/jobs/store.hpp>
#include <simul/sqlite/own_thread.hpp>

#include "jobs/doorbell.hpp"
#include "jobs/sqlite_engine.hpp"

#include <memory>
#include <string>

namespace simul::detail {

/// Jobs in one SQLite file. The steps run on a thread of the store's own; news come through the doorbell.
class sqlite_store final : public job_store {
  public:
    sqlite_store(std::string path, store_options options, payload_format format);
    ~sqlite_store() override;

    std::string name() const override;
    bool shared_with_rq() const noexcept override { return false; }
    payload_format format() const noexcept override { return format_; }
    bool private_to_owner() const override;
    std::unique_ptr<job_store> sibling() const override;

    task<std::vector<enqueue_receipt>> enqueue(std::vector<job_record> jobs) override;
    task<std::optional<job_record>> fetch(std::string id) override;
    task<std::vector<result_record>> results(std::string id, std::size_t limit) override;
    task<std::optional<result_record>> wait_result(std::string id, std::string after,
                                                   std::chrono::milliseconds wait_max) override;
    task<void> cancel(std::string id, bool enqueue_dependents) override;
    task<void> stop(std::string id) override;
    task<void> send_command(std::string worker, worker_command command) override;
    task<void> requeue(std::string id) override;
    task<void> remove(std::string id) override;
    task<std::vector<std::string>> dependents(std::string id, std::size_t limit) override;
    task<queue_piece> empty(std::string queue, std::string from, std::size_t limit) override;
    task<queue_piece> requeue_failed(std::string queue, std::string from, std::size_t limit) override;
    task<void> set_suspended(bool on, std::optional<std::chrono::seconds> limit) override;
    task<store_overview> overview() override;
    task<std::vector<std::string>> list(std::string queue, job_status status, std::size_t limit) override;

    task<void> register_worker(worker_record worker, std::chrono::seconds lease) override;
    task<void> unregister_worker(std::string name) override;
    task<heartbeat_answer> heartbeat(heartbeat_request request) override;
    task<take_answer> take(take_request request) override;
    task<std::optional<worker_command>> wait_command(std::string worker,
                                                     std::chrono::milliseconds wait_max) override;
    task<void> wait_for_work(std::vector<std::string> queues, std::chrono::milliseconds wait_max) override;
    task<std::vector<finish_answer>> finish(std::string worker,
                                            std::vector<execution_outcome> outcomes) override;
    task<void> hand_back(std::string worker, std::vector<execution_outcome> executions) override;
    task<recover_answer> recover(recover_request request) override;
    task<maintain_answer> maintain(std::string worker, std::vector<std::string> queues, bool clean) override;

  private:
    /// Runs `f(engine)` on the store's thread and rings what it asks for.
    template <class F>
    auto step(F f) {
        return thread_->run([e = engine_, bell = bell_, f = std::move(f)]() mutable {
            struct ring_after {
                sqlite_engine& engine;
                doorbell& bells;
                ~ring_after() {
                    sqlite_engine::rings r = engine.take_rings();
                    if (r.work) bells.ring(bell::work);
                    if (r.results) bells.ring(bell::results);
                    if (r.commands) bells.ring(bell::commands);
                }
            } after{*e, *bell};
            return f(*e);
        });
    }
    task<void> rung(bell b, std::uint32_t seen, std::chrono::milliseconds wait_max);

    std::string path_;
    store_options options_;
    payload_format format_;
    std::shared_ptr<doorbell> bell_;
    std::shared_ptr<sqlite_engine> engine_;
    std::unique_ptr<sqlite::own_thread> thread_;
};

}  // namespace simul::detail
