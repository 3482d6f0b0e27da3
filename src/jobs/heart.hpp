#pragma once

#include <simul/base/time.hpp>
#include <simul/core/async_event.hpp>
#include <simul/core/task.hpp>
#include <simul/jobs/store.hpp>
#include <simul/jobs/worker.hpp>
#include <simul/loop/loop.hpp>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace simul {

/// The text of a job that ran out of its time; RQ's own words.
std::string timeout_text(const job_record& job, const std::string& function, const std::string& worker);

namespace detail {

/// What a worker runs, shared by its loop and its heart. An entry is owned by whoever claims it: then nobody
/// else records an outcome for it.
class running_jobs {
  public:
    struct entry {
        job_record job;
        std::string function;
        wall_time started{};
        time_point overdue_at{};
        bool claimed = false;
    };

    void add(const job_record& job, const std::string& function, time_point overdue_at);
    /// False if somebody else owns the outcome already; then the entry is dropped.
    bool claim(const std::string& execution);
    /// While it lives, a claimed entry counts as finishing; afterwards it is gone.
    struct finishing {
        running_jobs& jobs;
        std::string execution;
        ~finishing() { jobs.drop(execution); }
    };
    /// Claims and gives the entries past their time.
    std::vector<entry> claim_overdue(time_point now);
    /// The failure of one of these is recorded: it costs a slot from now on until its late end.
    void set_lost(const std::string& execution);
    /// Claims and gives whatever has no recorded outcome.
    std::vector<execution_outcome> take_all(const std::string& worker);
    std::vector<std::string> functions() const;
    std::size_t size() const;
    std::size_t lost() const { return lost_.load(std::memory_order_relaxed); }

  private:
    void drop(const std::string& execution);

    mutable std::mutex mutex_;
    std::map<std::string, entry> entries_;
    std::map<std::string, bool> hanging_;  // claimed as overdue, their function still runs; true: lost
    std::atomic<std::size_t> lost_{0};
};

/// The worker's thread for everything that must go on whatever its jobs do.
class heart {
  public:
    heart(job_store& store, worker_record worker, const worker_options& options, running_jobs& jobs,
          loop_handle worker_loop, std::function<void(std::string_view)> log);
    ~heart();

    /// Both are called on the worker's loop.
    void on_lost_slot(std::function<void()> f) { lost_slot_ = std::move(f); }
    /// Once, when the first sign of life was given and dead workers were looked for, or when that failed.
    void on_first_beat(std::function<void()> f) { first_beat_ = std::move(f); }
    void start();
    /// Joins the thread.
    void stop();
    /// Failures that are not recorded yet. After stop().
    std::vector<execution_outcome> take_written_off() { return std::exchange(written_off_, {}); }
    /// A job is due at that time of the store's clock. Threads: any.
    void note_due(wall_time t);

  private:
    task<void> beat();
    void tell_first_beat();
    task<void> one_beat(job_store& store);
    task<void> look_after(job_store& store, const worker_record& peer, wall_time now);
    task<void> write_off_overdue(job_store& store);
    void check_worker_loop();
    task<void> maintain(job_store& store, bool clean);

    job_store& prototype_;
    worker_record worker_;
    const worker_options& options_;
    running_jobs& jobs_;
    loop_handle worker_loop_;
    std::function<void(std::string_view)> log_;
    std::function<void()> lost_slot_;
    std::function<void()> first_beat_;

    std::mutex mutex_;  // guards what follows up to the thread
    std::optional<loop_handle> own_loop_;
    async_event* wake_ = nullptr;
    bool stopping_ = false;
    std::optional<wall_time> due_;
    std::thread thread_;

    // Only on the heart's thread.
    time_point last_rq_records_{};
    time_point last_clean_{};
    bool lost_store_ = false;
    std::vector<execution_outcome> written_off_;  // not yet recorded
    std::shared_ptr<std::atomic<std::int64_t>> pong_ = std::make_shared<std::atomic<std::int64_t>>(0);
    bool told_blocked_ = false;
    std::int64_t ping_ = 0;
    time_point pinged_at_{};
    wall_time store_now_{};
    time_point store_now_at_{};
};

}  // namespace detail
}  // namespace simul
