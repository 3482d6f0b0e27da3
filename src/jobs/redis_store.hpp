#pragma once

#include <simul/jobs/store.hpp>
#include <simul/redis/client.hpp>

#include "jobs/redis_scripts.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace simul::detail {

/// What the URL of a Redis says.
struct redis_address {
    redis::client_options server;
    std::string shown;  ///< The URL without a password.
};

/// Jobs in Redis, in RQ's layout (docs/formats/redis.md). Every change of a job is one script.
///
/// Waiting for work: one connection per queue sleeps in `BLMOVE queue queue LEFT LEFT`. That moves the next
/// id from the head to the head: it changes nothing, takes nothing, and returns when there is one; then the
/// take script fetches and registers it in one step. So there is no moment in which a job is neither on its
/// queue nor owned (docs/decisions has the comparison with RQ's intermediate list).
class redis_store final : public job_store {
  public:
    redis_store(redis_address address, store_options options, payload_format format);
    ~redis_store() override;

    std::string name() const override { return address_.shown; }
    bool shared_with_rq() const noexcept override { return true; }
    payload_format format() const noexcept override { return format_; }
    bool private_to_owner() const override { return false; }
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
    using arguments = std::vector<std::string>;

    task<redis::reply> run(redis_script script, arguments args, std::string_view doing = {});
    task<queue_piece> piece_of(redis_script script, std::string queue, std::string from, std::size_t limit);
    task<void> check_server();
    task<void> mark_connections(const std::string& worker);
    std::string shift() const;
    wall_time local_now() const;

    redis_address address_;
    store_options options_;
    payload_format format_;
    redis::client client_;
    std::array<std::string, redis_script_count> sha_;
    bool checked_ = false;
    std::string run_id_;
    std::int64_t marked_connection_ = 0;
    std::unique_ptr<redis::subscription> commands_;  // of commands_of_
    std::string commands_of_;
    arguments unsure_take_;  // executions of a take whose answer was lost
};

/// A job's hash as a record, read leniently: what cannot be understood is left at its default, because one
/// bad field must not end a worker. Empty without the field `data`.
std::optional<job_record> job_from_fields(const std::string& id,
                                          const std::map<std::string, std::string>& fields);
/// The fields that an enqueue writes.
std::vector<std::pair<std::string, std::string>> fields_of_job(const job_record& job);

}  // namespace simul::detail
