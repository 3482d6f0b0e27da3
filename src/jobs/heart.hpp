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
        /// How it ends where it was told to: stopped, or failed. Empty: it has run out of its time.
        std::string end_text{};
        bool stopped = false;
        /// Once it is overdue and recorded, its slot counts as lost from then on.
        time_point lost_at{};
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
    /// The run was told to end: if nobody has claimed it by `overdue_at` it is written off with these words,
    /// and its slot counts as lost if it still runs at `lost_at`.
    void tell_end(const std::string& execution, std::string text, bool stopped, time_point overdue_at,
                  time_point lost_at);
    /// Claims and gives the entries past their time.
    std::vector<entry> claim_overdue(time_point now);
    /// The outcome of one of these is recorded: it costs a slot from its `lost_at` until its late end.
    void set_recorded(const std::string& execution);
    /// Counts the slots that are lost by now; true if one is new.
    bool count_lost(time_point now);
    /// Claims and gives whatever has no recorded outcome.
    std::vector<execution_outcome> take_all(const std::string& worker);
    std::vector<std::string> functions() const;
    std::size_t size() const;
    std::size_t lost() const { return lost_.load(std::memory_order_relaxed); }

  private:
    void drop(const std::string& execution);

    mutable std::mutex mutex_;
    std::map<std::string, entry> entries_;
    struct hung {
        time_point lost_at{};
        bool recorded = false;
        bool lost = false;
    };
    std::map<std::string, hung> hanging_;  // claimed as overdue, their function still runs
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
    /// Whenever it has recorded the outcomes of so many runs.
    void on_written_off(std::function<void(std::size_t)> f) { written_off_told_ = std::move(f); }
    void start();
    /// Beats now: something is to be written off. Threads: any.
    void hurry();
    /// From now on the signs of life say that the worker is stopping. Threads: any.
    void note_stopping();
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
    std::function<void(std::size_t)> written_off_told_;

    std::mutex mutex_;  // guards what follows up to the thread
    std::optional<loop_handle> own_loop_;
    async_event* wake_ = nullptr;
    bool stopping_ = false;
    std::optional<wall_time> due_;
    bool hurry_ = false;
    bool worker_stops_ = false;
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
