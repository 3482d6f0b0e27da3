#pragma once

#include <simul/codec/codec.hpp>
#include <simul/codec/value.hpp>
#include <simul/core/task.hpp>
#include <simul/jobs/job.hpp>
#include <simul/jobs/store.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace simul {

/// Pauses before the retries of a job: `pauses(1s, 10s, 60s)`.
template <class... Durations>
std::vector<std::chrono::seconds> pauses(Durations... d) {
    return {std::chrono::duration_cast<std::chrono::seconds>(d)...};
}

/// What one enqueue may say beside the arguments. The names and meanings are RQ's.
/// No duration is longer than job_duration_max (100 years); `forever` is none.
struct call_options {
    int retries = 0;  ///< Further tries after a failure, at most job_retries_max. Default: none.
    std::vector<std::chrono::seconds>
        retry_intervals{};                          ///< Pauses before them, see pauses(). Default: at once.
    std::optional<std::chrono::seconds> timeout{};  ///< Running time; `forever` is no limit. Default: 180 s.
    std::optional<std::chrono::seconds> ttl{};  ///< Waiting time, after which it goes unrun. Default: none.
    std::optional<std::chrono::seconds>
        result_ttl{};  ///< How long its result is kept. Default: 500 s; 0: not at all.
    std::optional<std::chrono::seconds> failure_ttl{};  ///< How long its failure is kept. Default: a year.
    std::optional<std::chrono::seconds> delay{};        ///< Goes to its queue that much later.
    /// Goes to its queue at that time, or at once if it is past; at most job_duration_max from now. Not with
    /// `delay`. Stores keep the second (Redis) or the microsecond. Default: at once.
    std::optional<wall_time> at{};
    std::string id{};           ///< Letters, digits, '_', '-'; at most job_id_bytes_max. Default: a new UUID.
    std::string description{};  ///< Default: the call as Python writes it.
    value meta{};               ///< A dict that travels with the job. Default: none.
    bool at_front = false;
    bool at_front_on_retry = false;
    /// Ids of jobs that have to finish first: `.depends_on = {resize.id(), upload.id()}`. Until then the job
    /// is deferred, and its ttl does not count yet; at_front counts when it goes to its queue. At most
    /// job_dependencies_max; not together with delay. Default: none.
    std::vector<std::string> depends_on{};
    bool allow_dependency_failures = false;  ///< They may also fail. Default: then the job stays deferred.
};

namespace detail {

/// Checks the options and makes the record. Throws: job_errc::invalid_id, invalid_option, data_too_large.
job_record make_record(const std::string& queue, const job_call& call, const call_options& options,
                       payload_format format);
task<enqueue_receipt> submit(std::shared_ptr<job_store> store, job_record record);
/// Throws: job_errc::invalid_option for more than enqueue_many_max.
task<std::vector<enqueue_receipt>> submit_many(std::shared_ptr<job_store> store,
                                               std::vector<job_record> records);
/// Waits for the outcome and returns the serialized value. Throws what the job ended with.
task<std::string> await_outcome(std::shared_ptr<job_store> store, std::string id, std::string after);
/// All pieces of `step` on a queue, one after the other; gives the sum.
task<std::size_t> in_pieces(std::shared_ptr<job_store> store, std::string queue,
                            task<queue_piece> (job_store::*step)(std::string, std::string, std::size_t),
                            std::function<void(std::size_t)> progress);

}  // namespace detail

/// A job that was enqueued. A value: it may be copied, kept and dropped; the job does not care.
template <class R>
class job_handle {
  public:
    job_handle(std::shared_ptr<job_store> store, std::string id, std::string after = "0-0")
        : store_(std::move(store)), id_(std::move(id)), after_(std::move(after)) {}

    const std::string& id() const noexcept { return id_; }

    /// Waits until the job has ended and returns its result.
    ///
    /// Waits without polling; every 5 s it also looks whether the job still exists.
    /// Cancel: the job goes on; the result can be asked for again.
    /// Throws: std::system_error if the job failed with one (code and category kept), else job_failed;
    ///         job_errc::canceled, stopped or expired where no result will come.
    task<R> result() const { return read(store_, id_, after_); }

    /// What the store knows about it now; empty if its record is gone.
    task<std::optional<job_record>> record() const { return store_->fetch(id_); }
    /// See job_store::cancel.
    task<void> cancel(bool enqueue_dependents = false) const {
        return store_->cancel(id_, enqueue_dependents);
    }
    /// See job_store::stop: the worker that runs it is told to end it. result() then throws
    /// job_errc::stopped.
    task<void> stop() const { return store_->stop(id_); }

  private:
    static task<R> read(std::shared_ptr<job_store> store, std::string id, std::string after) {
        std::string data = co_await detail::await_outcome(std::move(store), std::move(id), std::move(after));
        if constexpr (!std::is_void_v<R>) {
            value v = decode_payload(data);
            co_return from_value<R>(v);
        }
    }

    std::shared_ptr<job_store> store_;
    std::string id_;
    std::string after_;
};

/// A job that is ready to be enqueued together with others: what job_queue::prepare makes, and
/// job_queue::enqueue_many takes. Its id is known already, so that others can depend on it. A value.
template <class R>
class prepared_job {
  public:
    const std::string& id() const noexcept { return record_.id; }

  private:
    friend class job_queue;
    explicit prepared_job(job_record record) : record_(std::move(record)) {}
    job_record record_;
};

/// A named queue in a store: work for other processes and other hosts.
///
///     job_queue queue("sqlite:///var/lib/app/jobs.db");
///     auto handle = co_await queue.enqueue(count_words, "http://nvie.com");
///     int n = co_await handle.result();
///
/// A job runs at least once, and its recorded outcome is written once; it survives this process, the worker
/// and the connection. So its function must bear being run again.
///
/// Threads: belongs to the loop it is used on. Cancel: an enqueue that was canceled may or may not have
/// happened; with an id of your own it may be repeated.
class job_queue {
  public:
    explicit job_queue(std::string_view store_url, std::string name = "default", store_options options = {})
        : job_queue(std::shared_ptr<job_store>(open_store(store_url, std::move(options))), std::move(name)) {}
    explicit job_queue(std::shared_ptr<job_store> store, std::string name = "default");

    const std::string& name() const noexcept { return name_; }
    const std::shared_ptr<job_store>& store() const noexcept { return store_; }

    /// The queue with options for the calls that follow: `queue.with({.retries = 3}).run(resize, image)`.
    job_queue with(call_options options) const {
        job_queue q = *this;
        q.options_ = std::move(options);
        return q;
    }

    /// Puts a job on the queue. Returns once it is stored.
    /// Number and types of the arguments are checked when this is compiled.
    ///
    /// An enqueue whose answer was lost may have happened. With an id of your own it can be called again: if
    /// the first one was stored and its job still waits or runs, the second one throws job_errc::id_in_use,
    /// which then means "it is there": go on with find(id). A job that has ended is replaced and runs again.
    /// Throws: job_errc::invalid_option, invalid_id, data_too_large; job_errc::id_in_use if a job of that id
    ///         waits or runs; job_errc::no_such_job for a dependency without a record, dependency_cycle; what
    ///         the store throws.
    template <class R, class... A, class F, class... Args>
    task<job_handle<R>> enqueue(const job<R(A...), F>& j, Args&&... args) const {
        const job<R(A...)>& terms = j;
        return put<R>(store_, detail::make_record(name_, terms.call(std::forward<Args>(args)...), options_,
                                                  store_->format()));
    }
    /// Enqueues and waits for the result.
    template <class R, class... A, class F, class... Args>
    task<R> run(const job<R(A...), F>& j, Args&&... args) const {
        const job<R(A...)>& terms = j;
        return put_and_wait<R>(store_, detail::make_record(name_, terms.call(std::forward<Args>(args)...),
                                                           options_, store_->format()));
    }
    /// A job for enqueue_many, with this queue's name and options; RQ's prepare_data. Nothing is stored yet.
    /// Throws: as enqueue, where the options and arguments are at fault.
    template <class R, class... A, class F, class... Args>
    prepared_job<R> prepare(const job<R(A...), F>& j, Args&&... args) const {
        const job<R(A...)>& terms = j;
        return prepared_job<R>(
            detail::make_record(name_, terms.call(std::forward<Args>(args)...), options_, store_->format()));
    }
    /// The same by name, for callers that have no contract.
    prepared_job<value> prepare_call(const job_call& call) const {
        return prepared_job<value>(detail::make_record(name_, call, options_, store_->format()));
    }
    /// Enqueues all of them in one step of the store: all or none, at most enqueue_many_max. A job may depend
    /// on those before it.
    ///
    ///     auto shrink = queue.prepare(resize, image);
    ///     auto publish = queue.with({.depends_on = {shrink.id()}}).prepare(upload, image);
    ///     auto [small, url] = co_await queue.enqueue_many(shrink, publish);
    ///
    /// Threads, cancel, throws: as enqueue.
    template <class... R>
        requires(sizeof...(R) > 0)
    task<std::tuple<job_handle<R>...>> enqueue_many(prepared_job<R>... jobs) const {
        std::vector<job_record> records;
        records.reserve(sizeof...(R));
        (records.push_back(std::move(jobs.record_)), ...);
        return put_all<R...>(store_, std::move(records));
    }
    template <class R>
    task<std::vector<job_handle<R>>> enqueue_many(std::vector<prepared_job<R>> jobs) const {
        std::vector<job_record> records;
        records.reserve(jobs.size());
        for (prepared_job<R>& j : jobs) records.push_back(std::move(j.record_));
        return put_range<R>(store_, std::move(records));
    }
    /// By name, for callers that have no contract.
    task<job_handle<value>> enqueue_call(job_call call) const {
        return put<value>(store_, detail::make_record(name_, call, options_, store_->format()));
    }
    /// The handle of a job that was enqueued before, here or elsewhere.
    template <class R = value>
    job_handle<R> find(std::string id) const {
        return job_handle<R>(store_, std::move(id));
    }

    /// Removes the jobs that wait on this queue, with their records; what runs, is scheduled or has ended
    /// stays. Gives their number.
    ///
    /// Goes in steps of at most jobs_per_piece_max jobs, so that others get to work between them. Jobs that
    /// are enqueued meanwhile may go or stay, but do not prolong it. `progress` is told after each step how
    /// many are gone so far. Cancel: what is removed is removed; the rest stays.
    task<std::size_t> empty(std::function<void(std::size_t)> progress = {}) const {
        return detail::in_pieces(store_, name_, &job_store::empty, std::move(progress));
    }
    /// Puts the failed and stopped jobs of this queue on it again, those that failed first in front. Gives
    /// their number. A job that fails again meanwhile stays failed. Steps and cancel: as for empty().
    task<std::size_t> requeue_failed(std::function<void(std::size_t)> progress = {}) const {
        return detail::in_pieces(store_, name_, &job_store::requeue_failed, std::move(progress));
    }

  private:
    template <class R>
    static task<job_handle<R>> put(std::shared_ptr<job_store> store, job_record record) {
        enqueue_receipt receipt = co_await detail::submit(store, std::move(record));
        co_return job_handle<R>(store, receipt.id, receipt.last_result);
    }
    template <class... R>
    static task<std::tuple<job_handle<R>...>> put_all(std::shared_ptr<job_store> store,
                                                      std::vector<job_record> records) {
        std::vector<enqueue_receipt> receipts = co_await detail::submit_many(store, std::move(records));
        // Braces: the handles are made from left to right.
        std::size_t i = 0;
        auto handle = [&]<class T>(std::type_identity<T>) {
            const enqueue_receipt& r = receipts[i++];
            return job_handle<T>(store, r.id, r.last_result);
        };
        co_return std::tuple<job_handle<R>...>{handle(std::type_identity<R>())...};
    }
    template <class R>
    static task<std::vector<job_handle<R>>> put_range(std::shared_ptr<job_store> store,
                                                      std::vector<job_record> records) {
        std::vector<enqueue_receipt> receipts = co_await detail::submit_many(store, std::move(records));
        std::vector<job_handle<R>> handles;
        handles.reserve(receipts.size());
        for (const enqueue_receipt& r : receipts) handles.emplace_back(store, r.id, r.last_result);
        co_return handles;
    }
    template <class R>
    static task<R> put_and_wait(std::shared_ptr<job_store> store, job_record record) {
        enqueue_receipt receipt = co_await detail::submit(store, std::move(record));
        job_handle<R> handle(store, receipt.id, receipt.last_result);
        co_return co_await handle.result();
    }

    std::shared_ptr<job_store> store_;
    std::string name_;
    call_options options_;
};

}  // namespace simul
