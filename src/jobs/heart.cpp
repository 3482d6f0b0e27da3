#include "jobs/heart.hpp"

#include <simul/core/outcome.hpp>
#include <simul/core/race.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

#include "jobs/failure_text.hpp"
#include "jobs/sqlite_engine.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace simul {
namespace {

constexpr auto rq_records_every =
    std::chrono::seconds(25);  // RQ's own workers: 30 s, and the records last 60 s longer
constexpr auto clean_every = std::chrono::seconds(600);
constexpr auto loop_blocked_after = std::chrono::seconds(10);

std::string text_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {  // only its text is wanted
        return "unknown error";
    }
}

}  // namespace

std::string timeout_text(const job_record& job, const std::string& function, const std::string& worker) {
    return detail::failure_text(
        "rq.timeouts.JobTimeoutException",
        fmt::format("Task exceeded maximum timeout value ({} seconds)", job.timeout.count()), function,
        worker);
}

namespace detail {

// ------------------------------------------------------------------------------------------- running_jobs

void running_jobs::add(const job_record& job, const std::string& function, time_point overdue_at) {
    std::lock_guard lock(mutex_);
    auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    entry& e = entries_[job.execution];
    e.job = job;
    e.function = function;
    e.started = now;
    e.overdue_at = overdue_at;
}

bool running_jobs::claim(const std::string& execution) {
    std::lock_guard lock(mutex_);
    if (auto late = hanging_.find(execution); late != hanging_.end()) {
        if (late->second.lost) lost_.fetch_sub(1, std::memory_order_relaxed);  // it came back after all
        hanging_.erase(late);
        return false;
    }
    auto found = entries_.find(execution);
    if (found == entries_.end() || found->second.claimed) return false;
    found->second.claimed = true;
    return true;
}

void running_jobs::tell_end(const std::string& execution, std::string text, bool stopped,
                            time_point overdue_at, time_point lost_at) {
    std::lock_guard lock(mutex_);
    auto found = entries_.find(execution);
    if (found == entries_.end() || found->second.claimed) return;
    found->second.end_text = std::move(text);
    found->second.stopped = stopped;
    found->second.overdue_at = overdue_at;
    found->second.lost_at = lost_at;
}

void running_jobs::drop(const std::string& execution) {
    std::lock_guard lock(mutex_);
    entries_.erase(execution);
}

std::vector<running_jobs::entry> running_jobs::claim_overdue(time_point now) {
    std::lock_guard lock(mutex_);
    std::vector<entry> late;
    for (auto at = entries_.begin(); at != entries_.end();) {
        if (at->second.claimed || at->second.overdue_at > now) {
            ++at;
            continue;
        }
        late.push_back(std::move(at->second));
        hanging_[at->first] = hung{late.back().lost_at, false, false};
        at = entries_.erase(at);
    }
    return late;
}

void running_jobs::set_recorded(const std::string& execution) {
    std::lock_guard lock(mutex_);
    if (auto found = hanging_.find(execution); found != hanging_.end()) found->second.recorded = true;
}

bool running_jobs::count_lost(time_point now) {
    std::lock_guard lock(mutex_);
    bool any = false;
    for (auto& [execution, h] : hanging_) {
        if (h.lost || !h.recorded || h.lost_at > now) continue;
        h.lost = true;
        any = true;
        lost_.fetch_add(1, std::memory_order_relaxed);
    }
    return any;
}

std::vector<execution_outcome> running_jobs::take_all(const std::string&) {
    std::lock_guard lock(mutex_);
    std::vector<execution_outcome> all;
    // Also those whose outcome was on its way: the fence decides which of the two came first.
    for (auto& [execution, e] : entries_) {
        execution_outcome o;
        o.job = e.job.id;
        o.execution = execution;
        o.queue = e.job.queue;
        o.stopped = e.stopped;
        o.error = e.end_text;
        o.started_at = e.started;
        o.ended_at = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
        all.push_back(std::move(o));
    }
    entries_.clear();
    return all;
}

std::vector<std::string> running_jobs::functions() const {
    std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (auto& [execution, e] : entries_) names.push_back(fmt::format("{} ({})", e.function, e.job.id));
    return names;
}

std::size_t running_jobs::size() const {
    std::lock_guard lock(mutex_);
    return entries_.size();
}

// -------------------------------------------------------------------------------------------------- heart

heart::heart(job_store& store, worker_record worker, const worker_options& options, running_jobs& jobs,
             loop_handle worker_loop, std::function<void(std::string_view)> log)
    : prototype_(store),
      worker_(std::move(worker)),
      options_(options),
      jobs_(jobs),
      worker_loop_(std::move(worker_loop)),
      log_(std::move(log)) {}

heart::~heart() { stop(); }

void heart::start() {
    thread_ = std::thread([this] {
        try {
            simul::run([this] { return beat(); });
        } catch (const std::exception& e) {  // the edge of a thread: recorded, and the lease ends by itself
            log_(fmt::format("The heartbeat thread failed: {}", e.what()));
            tell_first_beat();
        }
    });
}

void heart::tell_first_beat() {
    if (first_beat_) worker_loop_.post(std::exchange(first_beat_, nullptr));
}

void heart::stop() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
        if (own_loop_) own_loop_->post([this] { wake_->set(); });
    }
    if (thread_.joinable()) thread_.join();
}

void heart::note_due(wall_time t) {
    std::lock_guard lock(mutex_);
    if (due_ && *due_ <= t) return;
    due_ = t;
    if (own_loop_) own_loop_->post([this] { wake_->set(); });
}

void heart::hurry() {
    std::lock_guard lock(mutex_);
    hurry_ = true;
    if (own_loop_) own_loop_->post([this] { wake_->set(); });
}

void heart::note_stopping() {
    {
        std::lock_guard lock(mutex_);
        worker_stops_ = true;
    }
    hurry();
}

task<void> heart::beat() {
    async_event wake;
    {
        std::lock_guard lock(mutex_);
        wake_ = &wake;
        own_loop_.emplace(this_loop().handle());
    }
    struct leave {
        heart& self;
        ~leave() {
            std::lock_guard lock(self.mutex_);
            self.own_loop_.reset();
        }
    } guard{*this};
    std::unique_ptr<job_store> store = prototype_.sibling();
    last_clean_ = clock::now();  // the worker cleans when it starts
    // The first beat comes at once: a worker that takes the place of a dead one does not let its jobs wait.
    for (duration next{0};; next = options_.heartbeat) {
        duration pause = next;
        {
            std::lock_guard lock(mutex_);
            if (stopping_) co_return;
            if (std::exchange(hurry_, false)) pause = duration(0);
            if (due_ && store_now_at_ != time_point{}) {
                using std::chrono::microseconds;
                wall_time now =
                    store_now_ + std::chrono::duration_cast<microseconds>(clock::now() - store_now_at_);
                // In microseconds: in the clock's nanoseconds a job that RQ scheduled in 300 years is due
                // now.
                const microseconds until = *due_ - now + std::chrono::milliseconds(2);
                if (until < std::chrono::duration_cast<microseconds>(pause))
                    pause = std::max(until, microseconds(1'000));
            }
        }
        co_await move_on_after(pause, wake.wait());
        wake.reset();
        {
            std::lock_guard lock(mutex_);
            if (stopping_) co_return;
        }
        // A store that does not answer must not keep stop() waiting.
        auto turn = [&]() -> task<void> { co_await one_beat(*store); };
        auto until_stop = [&]() -> task<void> {
            for (;;) {
                co_await wake.wait();
                wake.reset();
                std::lock_guard lock(mutex_);
                if (stopping_) co_return;
            }
        };
        auto result = co_await outcome_of(race(turn(), until_stop()));
        if (result.canceled()) co_await checkpoint();
        if (result.has_error()) {
            if (!lost_store_)
                log_(fmt::format("No sign of life could be given: {}", text_of(result.error())));
            lost_store_ = true;
        } else {
            lost_store_ = false;
        }
        tell_first_beat();
    }
}

task<void> heart::one_beat(job_store& store) {
    check_worker_loop();
    co_await write_off_overdue(store);
    heartbeat_request request;
    request.worker = worker_.name;
    request.lease = options_.lease;
    request.state = jobs_.size() > 0 ? worker_state::busy : worker_state::idle;
    request.rq_records = clock::now() - last_rq_records_ >= rq_records_every;
    {
        std::lock_guard lock(mutex_);
        request.stopping = worker_stops_;
    }
    heartbeat_answer answer = co_await store.heartbeat(request);
    if (request.rq_records) last_rq_records_ = clock::now();
    store_now_ = answer.now;
    store_now_at_ = clock::now();
    if (!answer.known) {
        log_("This worker was taken for dead, and its jobs were given to others; it registers again");
        co_await store.register_worker(worker_, options_.lease);
    }
    for (const worker_record& peer : answer.peers) co_await look_after(store, peer, answer.now);
    bool due = answer.next_due && *answer.next_due <= answer.now;
    {
        std::lock_guard lock(mutex_);
        if (due_ && *due_ <= answer.now) due = true;
        due_ = answer.next_due;
    }
    bool clean = clock::now() - last_clean_ >= clean_every;
    if (due || clean) co_await maintain(store, clean);
}

task<void> heart::maintain(job_store& store, bool clean) {
    maintain_answer done = co_await store.maintain(worker_.name, options_.queues, clean);
    if (clean) last_clean_ = clock::now();
    for (const std::string& id : done.abandoned) log_(fmt::format("Job {} was abandoned by its worker", id));
    std::lock_guard lock(mutex_);
    due_ = done.next_due;
}

task<void> heart::look_after(job_store& store, const worker_record& peer, wall_time now) {
    recover_request request;
    request.worker = peer.name;
    request.last_heartbeat = peer.last_heartbeat;
    request.deaths_max = options_.deaths_max;
    request.rerun_rq_jobs = options_.rerun_rq_jobs;
    if (proven_dead(peer.process))
        request.evidence = death_evidence::process_gone;
    else if (!peer.connected)
        request.evidence = death_evidence::disconnected;
    else if (peer.lease_until <= now)
        request.evidence = death_evidence::lease_expired;
    else
        co_return;
    recover_answer done = co_await store.recover(request);
    if (!done.recovered) co_return;
    log_(fmt::format("Worker {} is dead ({}): {} of its jobs run again, {} failed", peer.name,
                     to_string(request.evidence), done.requeued.size(), done.failed.size()));
}

task<void> heart::write_off_overdue(job_store& store) {
    const std::vector<running_jobs::entry> late = jobs_.claim_overdue(clock::now());
    for (const running_jobs::entry& e : late) {
        execution_outcome o;
        o.job = e.job.id;
        o.execution = e.job.execution;
        o.queue = e.job.queue;
        o.error = e.end_text.empty() ? timeout_text(e.job, e.function, worker_.name) : e.end_text;
        o.stopped = e.stopped;
        o.started_at = e.started;
        o.ended_at = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
        written_off_.push_back(std::move(o));
        if (e.end_text.empty())
            log_(
                fmt::format("{}: job {}: {} hangs past its timeout of {} s; it is recorded as failed and its "
                            "slot is lost",
                            e.job.queue, e.job.id, e.function, e.job.timeout.count()));
        else
            log_(
                fmt::format("{}: job {}: {} still runs; it is recorded as {}, and has its slot until it ends",
                            e.job.queue, e.job.id, e.function, e.stopped ? "stopped" : "failed"));
    }
    if (!written_off_.empty()) {
        co_await store.finish(worker_.name, written_off_);  // where it fails, the next beat tries again
        worker_loop_.post([told = written_off_told_, n = written_off_.size()] { told(n); });
        for (const execution_outcome& o : std::exchange(written_off_, {})) jobs_.set_recorded(o.execution);
    }
    // Only what is recorded counts: the worker ends when nothing but lost slots is left.
    if (jobs_.count_lost(clock::now())) worker_loop_.post(lost_slot_);
}

void heart::check_worker_loop() {
    time_point now = clock::now();
    if (pong_->load(std::memory_order_acquire) == ping_) {
        if (told_blocked_) log_("The worker's loop goes on");
        told_blocked_ = false;
        ++ping_;
        pinged_at_ = now;
        worker_loop_.post([pong = pong_, n = ping_] { pong->store(n, std::memory_order_release); });
        return;
    }
    if (told_blocked_ || now - pinged_at_ < loop_blocked_after) return;
    told_blocked_ = true;
    std::string what;
    for (const std::string& f : jobs_.functions()) what += (what.empty() ? "" : ", ") + f;
    log_(
        fmt::format("The worker's loop has been blocked for {} s by one of: {}. A coroutine job that "
                    "computes or waits without co_await "
                    "belongs on a thread (give the worker a plain function)",
                    std::chrono::duration_cast<std::chrono::seconds>(now - pinged_at_).count(), what));
}

}  // namespace detail
}  // namespace simul
