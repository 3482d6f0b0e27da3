#pragma once

#include <simul/jobs/record.hpp>
#include <simul/jobs/store.hpp>
#include <simul/sqlite/database.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace simul::detail {

inline constexpr std::int32_t jobs_application_id = 0x73696d75;  // "simu"
inline constexpr int jobs_schema_version = 2;

/// The steps of job_store on one SQLite connection, each a single transaction; blocking. sqlite_store runs
/// them on the database's own thread. docs/formats/sqlite.md describes the tables.
class sqlite_engine {
  public:
    /// Which doorbell a step has to ring once it is committed.
    struct rings {
        bool work = false;
        bool results = false;
        bool commands = false;
    };

    sqlite_engine(const std::string& path, const store_options& options);

    std::vector<enqueue_receipt> enqueue(const std::vector<job_record>& jobs);
    std::optional<job_record> fetch(const std::string& id);
    std::vector<result_record> results(const std::string& id, std::size_t limit);
    std::optional<result_record> result_after(const std::string& id, const std::string& after);
    void cancel(const std::string& id, bool enqueue_dependents);
    void stop(const std::string& id);
    void send_command(const std::string& worker, const worker_command& command);
    void requeue(const std::string& id);
    void remove(const std::string& id);
    std::vector<std::string> dependents(const std::string& id, std::size_t limit);
    queue_piece empty(const std::string& queue, const std::string& from, std::size_t limit);
    queue_piece requeue_failed(const std::string& queue, const std::string& from, std::size_t limit);
    void set_suspended(bool on, std::optional<std::chrono::seconds> limit);
    store_overview overview();
    std::vector<std::string> list(const std::string& queue, job_status status, std::size_t limit);

    void register_worker(const worker_record& worker, std::chrono::seconds lease);
    void unregister_worker(const std::string& name);
    heartbeat_answer heartbeat(const heartbeat_request& request);
    take_answer take(const take_request& request);
    std::optional<worker_command> take_command(const std::string& worker);
    bool has_work(const std::vector<std::string>& queues);
    std::vector<finish_answer> finish(const std::string& worker,
                                      const std::vector<execution_outcome>& outcomes);
    void hand_back(const std::string& worker, const std::vector<execution_outcome>& executions);
    recover_answer recover(const recover_request& request);
    maintain_answer maintain(const std::vector<std::string>& queues);

    /// What the last step wants rung; reset by the call.
    rings take_rings() { return std::exchange(rings_, {}); }

  private:
    wall_time now() const;
    void make_tables();
    std::optional<job_record> read_record(const std::string& id);
    void start_anew(const std::string& id);
    void put_again(const std::string& id, const std::string& queue, wall_time at);
    /// The row of `suspended`, if it holds: empty for one without an end.
    std::optional<std::optional<wall_time>> suspension();
    bool suspended() { return suspension().has_value(); }
    void add_command(const std::string& worker, const worker_command& command);
    void remove_worker(const std::string& name);
    void insert(const job_record& job, wall_time at);
    std::int64_t next_position(const std::string& queue, bool front);
    void put_on_queue(const std::string& id, const std::string& queue, bool front, wall_time at);
    void add_result(const std::string& id, result_type type, const std::string& worker,
                    const std::string& execution, const std::string& value, const std::string& error,
                    std::optional<wall_time> started, std::optional<wall_time> ended, wall_time at);
    void cancel_one(const job_record& job, wall_time at);
    void erase(const std::string& id, wall_time at);
    std::vector<std::string> waits_for(const std::string& id);
    std::vector<std::string> waiting_for(const std::string& id, std::size_t limit);
    bool all_met(const std::string& id);
    void check_dependencies_of(const std::vector<job_record>& jobs, const std::vector<bool>& repeated,
                               wall_time at);
    void release(const std::string& id, wall_time at);
    void release_dependents(const std::string& id, wall_time at);
    finish_answer finish_one(const std::string& worker, const execution_outcome& outcome, wall_time at);
    finish_answer fail(const job_record& job, const execution_outcome& outcome, const std::string& worker,
                       wall_time at);
    std::optional<wall_time> next_due(const std::vector<std::string>& queues);
    std::vector<worker_record> workers(const std::string& except);

    sqlite::database db_;
    std::function<std::chrono::microseconds()> shift_;
    rings rings_;
};

/// The text that a job set aside after too many deaths gets; the same on every store.
std::string poison_text(const std::string& worker, death_evidence evidence, int deaths);
/// The text of a job that a worker of RQ abandoned; RQ's own words.
std::string abandoned_text(wall_time at);
std::string_view to_string(death_evidence e) noexcept;

}  // namespace simul::detail
