#include <simul/jobs/error.hpp>
#include <simul/loop/future.hpp>
#include <simul/loop/timeout.hpp>
#include <simul/testing/memory_store.hpp>

#include "jobs/dependencies.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <tuple>
#include <vector>

// The simplest thing that keeps the promises of job_store: a map under a mutex. It is also the model that the
// contract suite is read against, so it says everything in the plainest way.

namespace simul::testing {
namespace {

using std::chrono::seconds;

struct shared_jobs {
    std::mutex mutex;
    std::map<std::string, job_record> jobs;
    std::map<std::string, std::deque<std::string>> queues;
    std::map<std::string, std::vector<result_record>> results;
    /// What jobs wait for: an entry for each that is deferred, or was canceled while it was.
    std::map<std::string, std::vector<std::string>> waits_for;
    std::map<std::string, worker_record> workers;
    std::map<std::string, std::deque<worker_command>> commands;  // not read yet, of each worker
    std::vector<std::shared_ptr<promise<void>>> waiting;
    std::uint64_t last_result = 0;
    bool suspended = false;
    std::optional<wall_time> suspended_until;
};

class memory_store final : public job_store {
  public:
    memory_store(std::shared_ptr<shared_jobs> all, store_options options)
        : all_(std::move(all)), options_(std::move(options)) {}

    std::string name() const override { return "memory"; }
    bool shared_with_rq() const noexcept override { return false; }
    payload_format format() const noexcept override { return payload_format::pickle; }
    bool private_to_owner() const override { return true; }
    std::unique_ptr<job_store> sibling() const override {
        return std::make_unique<memory_store>(all_, options_);
    }

    task<std::vector<enqueue_receipt>> enqueue(std::vector<job_record> jobs) override {
        detail::check_enqueue(jobs);
        step now(*this);
        std::vector<enqueue_receipt> receipts;
        for (const job_record& j : jobs) {
            const job_record* old = find(j.id);
            if (old != nullptr && !same_call(*old, j) && !ended(*old))
                throw_job_error(job_errc::id_in_use,
                                fmt::format("job {} is {}; choose another id, or cancel it first", j.id,
                                            to_string(old->status)));
        }
        check_dependencies_of(jobs);
        for (job_record& j : jobs) {
            const job_record* old = find(j.id);
            auto& results = all_->results[j.id];
            if (old != nullptr && same_call(*old, j)) {
                receipts.push_back({j.id, "0"});
                continue;
            }
            receipts.push_back({j.id, results.empty() ? "0" : results.back().id});
            job_record& kept = all_->jobs[j.id] = j;
            all_->queues[j.queue];
            all_->waits_for.erase(j.id);
            if (j.due_at) {
                kept.status = job_status::scheduled;
            } else if (!all_met(j.depends_on, j.allow_dependency_failures)) {
                kept.status = job_status::deferred;
                all_->waits_for[j.id] = j.depends_on;
            } else {
                push(kept, kept.at_front, now.time);
            }
        }
        co_return receipts;
    }
    task<std::optional<job_record>> fetch(std::string id) override {
        step now(*this);
        const job_record* j = find(id);
        if (j == nullptr) co_return std::nullopt;
        co_return *j;
    }
    task<std::vector<result_record>> results(std::string id, std::size_t limit) override {
        step now(*this);
        std::vector<result_record> out;
        if (find(id) == nullptr) co_return out;
        auto& list = all_->results[id];
        for (auto r = list.rbegin(); r != list.rend() && out.size() < limit; ++r) out.push_back(*r);
        co_return out;
    }
    task<std::optional<result_record>> wait_result(std::string id, std::string after,
                                                   std::chrono::milliseconds wait_max) override {
        const time_point give_up = clock::now() + wait_max;
        for (;;) {
            future<void> news;
            {
                step now(*this);
                const job_record* j = find(id);
                if (j == nullptr) co_return std::nullopt;
                for (const result_record& r : all_->results[id])
                    if (number(r.id) > number(after)) co_return r;
                if (j->status == job_status::canceled || j->status == job_status::stopped)
                    co_return std::nullopt;
                news = listen();
            }
            time_point t = clock::now();
            if (t >= give_up) co_return std::nullopt;
            co_await move_on_after(give_up - t, news.get());
        }
    }
    task<void> cancel(std::string id, bool enqueue_dependents) override {
        step now(*this);
        job_record& j = need(id);
        if (ended(j) && !(enqueue_dependents && j.status == job_status::canceled)) wrong_state(j, "canceled");
        if (!ended(j)) cancel_one(j, now.time);
        if (enqueue_dependents) {
            for (job_record* d : waiting_for(id)) {
                std::erase(all_->waits_for[d->id], id);
                if (all_met(all_->waits_for[d->id], d->allow_dependency_failures))
                    push(*d, d->at_front, now.time);
            }
        }
        co_return;
    }
    task<void> stop(std::string id) override {
        step now(*this);
        job_record& j = need(id);
        if (j.status != job_status::started) wrong_state(j, "stopped");
        tell(j.worker, {worker_command_kind::stop_execution, j.id, j.execution, {}});
        co_return;
    }
    task<void> send_command(std::string worker, worker_command command) override {
        if (command.kind == worker_command_kind::unknown)
            throw_job_error(job_errc::invalid_option, "a command of the kind unknown cannot be sent");
        step now(*this);
        tell(worker, std::move(command));
        co_return;
    }
    task<std::optional<worker_command>> wait_command(std::string worker,
                                                     std::chrono::milliseconds wait_max) override {
        const time_point give_up = clock::now() + wait_max;
        for (;;) {
            future<void> news;
            {
                step now(*this);
                std::deque<worker_command>& waiting = all_->commands[worker];
                if (!waiting.empty()) {
                    worker_command first = std::move(waiting.front());
                    waiting.pop_front();
                    co_return first;
                }
                news = listen();
            }
            time_point t = clock::now();
            if (t >= give_up) co_return std::nullopt;
            co_await move_on_after(give_up - t, news.get());
        }
    }
    task<void> requeue(std::string id) override {
        step now(*this);
        job_record& j = need(id);
        if (!ended(j) || j.status == job_status::finished) wrong_state(j, "requeued");
        auto waits = all_->waits_for.find(id);
        if (waits != all_->waits_for.end() && !all_met(waits->second, j.allow_dependency_failures))
            defer_again(j);
        else
            put_again(j, now.time);
        co_return;
    }
    task<void> remove(std::string id) override {
        step now(*this);
        unqueue(need(id));
        erase(id, now.time);
        co_return;
    }
    task<std::vector<std::string>> dependents(std::string id, std::size_t limit) override {
        step now(*this);
        std::vector<std::string> ids;
        for (job_record* d : waiting_for(id))
            if (ids.size() < limit) ids.push_back(d->id);
        co_return ids;
    }
    task<queue_piece> empty(std::string queue, std::string from, std::size_t limit) override {
        step now(*this);
        const auto ids = all_->queues[queue];
        std::size_t left = from.empty() ? ids.size() : number(from);
        limit = std::min({limit, left, ids.size(), jobs_per_piece_max});
        queue_piece piece;
        for (std::size_t i = 0; i < limit; ++i) {
            if (find(ids[i]) != nullptr) ++piece.done;  // else its ttl is over
            unqueue(all_->jobs[ids[i]]);
            erase(ids[i], now.time);
        }
        left -= limit;
        if (left > 0 && ids.size() > limit) piece.next = std::to_string(left);
        co_return piece;
    }
    task<queue_piece> requeue_failed(std::string queue, std::string from, std::size_t limit) override {
        step now(*this);
        limit = std::min(limit, jobs_per_piece_max);
        std::vector<std::pair<std::int64_t, job_record*>> found;  // with the time of their end
        std::int64_t last = 0;
        for (auto& [id, j] : all_->jobs) {
            if (j.queue != queue || find(id) == nullptr) continue;
            if (j.status != job_status::failed && j.status != job_status::stopped) continue;
            found.emplace_back(j.ended_at.value_or(wall_time{}).time_since_epoch().count(), &j);
            last = std::max(last, found.back().first);
        }
        // What fails again ends later than the last one that was there at the first piece.
        if (!from.empty()) last = static_cast<std::int64_t>(number(from));
        std::erase_if(found, [&](const auto& one) { return one.first > last; });
        std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
            return std::tie(a.first, a.second->id) < std::tie(b.first, b.second->id);
        });
        queue_piece piece;
        for (auto& [ended_at, j] : found) {
            if (piece.done == limit) {
                piece.next = std::to_string(last);
                break;
            }
            put_again(*j, now.time);
            ++piece.done;
        }
        co_return piece;
    }
    task<void> set_suspended(bool on, std::optional<seconds> limit) override {
        step now(*this);
        all_->suspended = on;
        all_->suspended_until.reset();
        if (on && limit) all_->suspended_until = now.time + detail::within_limit(*limit);
        co_return;
    }
    task<store_overview> overview() override {
        step now(*this);
        store_overview o;
        o.now = now.time;
        o.suspended = suspended(now.time);
        if (o.suspended) o.suspended_until = all_->suspended_until;
        for (auto& [name, ids] : all_->queues) {
            queue_counts q;
            q.name = name;
            for (auto& [id, j] : all_->jobs) {
                if (j.queue != name || find(id) == nullptr) continue;
                switch (j.status) {
                    case job_status::queued:
                        ++q.queued;
                        break;
                    case job_status::started:
                        ++q.started;
                        break;
                    case job_status::finished:
                        ++q.finished;
                        break;
                    case job_status::failed:
                    case job_status::stopped:
                        ++q.failed;
                        break;
                    case job_status::deferred:
                        ++q.deferred;
                        break;
                    case job_status::scheduled:
                        ++q.scheduled;
                        break;
                    case job_status::canceled:
                        ++q.canceled;
                        break;
                    default:
                        break;
                }
            }
            o.queues.push_back(q);
        }
        for (auto& [name, w] : all_->workers) {
            o.workers.push_back(w);
            for (job_record* j : run_by(name)) o.workers.back().running.push_back(j->id);
        }
        co_return o;
    }
    task<std::vector<std::string>> list(std::string queue, job_status status, std::size_t limit) override {
        step now(*this);
        std::vector<std::string> out;
        if (status == job_status::queued) {
            auto& ids = all_->queues[queue];
            for (auto id = ids.rbegin(); id != ids.rend() && out.size() < limit; ++id)
                if (find(*id) != nullptr) out.push_back(*id);
            co_return out;
        }
        std::vector<std::pair<std::optional<wall_time>, std::string>> found;
        for (auto& [id, j] : all_->jobs)
            if (j.queue == queue && j.status == status && find(id) != nullptr)
                found.emplace_back(status == job_status::scheduled ? j.due_at
                                   : status == job_status::started ? j.started_at
                                                                   : j.ended_at,
                                   id);
        std::sort(found.rbegin(), found.rend());
        for (auto& [time, id] : found)
            if (out.size() < limit) out.push_back(id);
        co_return out;
    }

    task<void> register_worker(worker_record w, seconds lease) override {
        step now(*this);
        auto found = all_->workers.find(w.name);
        if (found != all_->workers.end() && !(found->second.process == w.process))
            throw_job_error(job_errc::worker_name_taken,
                            fmt::format("a worker named {} lives; choose another name", w.name));
        w.birth = w.last_heartbeat = now.time;
        w.lease_until = now.time + lease;
        all_->workers[w.name] = w;
        co_return;
    }
    task<void> unregister_worker(std::string name) override {
        step now(*this);
        for (job_record* j : run_by(name)) push(*j, true, now.time);
        forget_worker(name);
        co_return;
    }
    task<heartbeat_answer> heartbeat(heartbeat_request q) override {
        step now(*this);
        heartbeat_answer a;
        a.now = now.time;
        a.suspended = suspended(now.time);
        auto found = all_->workers.find(q.worker);
        a.known = found != all_->workers.end();
        if (a.known) {
            found->second.last_heartbeat = now.time;
            found->second.lease_until = now.time + q.lease;
            found->second.state = q.state;
            a.next_due = first_due(found->second.queues);
        }
        for (auto& [name, w] : all_->workers)
            if (name != q.worker) a.peers.push_back(w);
        co_return a;
    }
    task<take_answer> take(take_request q) override {
        step now(*this);
        take_answer a;
        a.suspended = suspended(now.time);
        a.unknown_worker = all_->workers.find(q.worker) == all_->workers.end();
        if (a.suspended || a.unknown_worker) co_return a;
        bool skipped = false;
        for (const std::string& queue : q.queues) {
            const auto ids = all_->queues[queue];
            for (const std::string& id : ids) {
                if (a.jobs.size() >= q.limit) break;
                job_record* j = find(id);
                if (j == nullptr) continue;  // its ttl is over
                if (std::find(q.skip.begin(), q.skip.end(), id) != q.skip.end()) {
                    skipped = true;
                    continue;
                }
                unqueue(*j);
                j->status = job_status::started;
                j->started_at = now.time;
                j->expires_at.reset();
                j->worker = q.worker;
                j->execution = new_execution_id();
                a.jobs.push_back({*j});
            }
        }
        a.only_skipped = a.jobs.empty() && skipped;
        co_return a;
    }
    task<void> wait_for_work(std::vector<std::string> queues, std::chrono::milliseconds wait_max) override {
        const time_point give_up = clock::now() + wait_max;
        for (;;) {
            future<void> news;
            {
                step now(*this);
                for (const std::string& q : queues)
                    if (!all_->queues[q].empty()) co_return;
                news = listen();
            }
            time_point t = clock::now();
            if (t >= give_up) co_return;
            co_await move_on_after(give_up - t, news.get());
        }
    }
    task<std::vector<finish_answer>> finish(std::string worker,
                                            std::vector<execution_outcome> outcomes) override {
        step now(*this);
        std::vector<finish_answer> answers;
        for (const execution_outcome& o : outcomes) answers.push_back(finish_one(worker, o, now.time));
        co_return answers;
    }
    task<void> hand_back(std::string worker, std::vector<execution_outcome> executions) override {
        step now(*this);
        for (auto o = executions.rbegin(); o != executions.rend(); ++o) {
            job_record* j = current(worker, *o);
            if (j == nullptr) continue;
            j->started_at.reset();
            const wall_time enqueued = j->enqueued_at.value_or(now.time);
            push(*j, true, now.time);
            j->enqueued_at = enqueued;
        }
        co_return;
    }
    task<recover_answer> recover(recover_request q) override {
        step now(*this);
        recover_answer a;
        auto found = all_->workers.find(q.worker);
        if (found == all_->workers.end() || found->second.last_heartbeat != q.last_heartbeat) co_return a;
        if (q.evidence == death_evidence::lease_expired && found->second.lease_until > now.time) co_return a;
        a.recovered = true;
        for (job_record* j : run_by(q.worker)) {
            if (++j->deaths < q.deaths_max) {
                push(*j, true, now.time);
                a.requeued.push_back(j->id);
                continue;
            }
            execution_outcome o;
            o.execution = j->execution;
            o.error = fmt::format(
                "simul.WorkerDied: {} workers died while they ran this job; it is set aside", j->deaths);
            o.may_retry = false;
            o.started_at = o.ended_at = now.time;
            a.failed.push_back(j->id);
            fail(*j, o, now.time);
        }
        forget_worker(q.worker);
        co_return a;
    }
    task<maintain_answer> maintain(std::string, std::vector<std::string> queues, bool) override {
        step now(*this);
        maintain_answer a;
        for (auto& [id, j] : all_->jobs)
            if (j.status == job_status::scheduled && j.due_at && *j.due_at <= now.time &&
                one_of(queues, j.queue)) {
                push(j, j.ended_at ? j.at_front_on_retry : j.at_front, now.time);
                a.due.push_back(id);
            }
        std::vector<std::string> expired;
        for (auto& [id, j] : all_->jobs)
            if (j.expires_at && *j.expires_at <= now.time) expired.push_back(id);
        for (const std::string& id : expired) {
            if (all_->jobs.find(id) == all_->jobs.end()) continue;
            unqueue(all_->jobs[id]);
            erase(id, now.time);
        }
        a.expired = expired.size();
        a.next_due = first_due(queues);
        co_return a;
    }

  private:
    // One step: everything under the lock at one time; afterwards whoever waits looks again.
    struct step {
        explicit step(memory_store& s) : store(s), lock(s.all_->mutex), time(s.now()) {}
        ~step() {
            std::vector<std::shared_ptr<promise<void>>> woken;
            if (store.changed_) woken.swap(store.all_->waiting);
            store.changed_ = false;
            lock.unlock();
            for (auto& p : woken) p->try_set_value();
        }
        memory_store& store;
        std::unique_lock<std::mutex> lock;
        wall_time time;
    };

    static std::uint64_t number(const std::string& id) { return std::strtoull(id.c_str(), nullptr, 10); }
    static bool one_of(const std::vector<std::string>& names, const std::string& name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    }
    wall_time now() const {
        auto t = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
        return options_.clock_shift ? t + options_.clock_shift() : t;
    }
    future<void> listen() {
        auto p = std::make_shared<promise<void>>();
        all_->waiting.push_back(p);
        return p->get_future();
    }
    job_record* find(const std::string& id) {
        auto found = all_->jobs.find(id);
        if (found == all_->jobs.end()) return nullptr;
        if (found->second.expires_at && *found->second.expires_at <= now()) return nullptr;
        return &found->second;
    }
    job_record& need(const std::string& id) {
        job_record* j = find(id);
        if (j == nullptr) throw_job_error(job_errc::no_such_job, fmt::format("there is no job {}", id));
        return *j;
    }
    /// The job, if `o` is the run of it that counts.
    job_record* current(const std::string& worker, const execution_outcome& o) {
        job_record* j = find(o.job);
        bool is = j != nullptr && j->status == job_status::started && j->execution == o.execution &&
                  j->worker == worker;
        return is ? j : nullptr;
    }
    [[noreturn]] static void wrong_state(const job_record& j, std::string_view what) {
        throw_job_error(job_errc::wrong_state,
                        fmt::format("job {} is {} and cannot be {}", j.id, to_string(j.status), what));
    }
    static bool ended(const job_record& j) {
        return j.status == job_status::finished || j.status == job_status::failed ||
               j.status == job_status::canceled || j.status == job_status::stopped;
    }
    static bool same_call(const job_record& a, const job_record& b) {
        return a.created_at == b.created_at && a.data == b.data;
    }
    void tell(const std::string& worker, worker_command c) {
        if (all_->workers.find(worker) == all_->workers.end())
            throw_job_error(job_errc::no_such_worker,
                            fmt::format("no worker named '{}' listens to commands", worker));
        auto& waiting = all_->commands[worker];
        const auto same = [&](const worker_command& w) {
            return w.kind == c.kind && w.job == c.job && w.execution == c.execution;
        };
        if (std::none_of(waiting.begin(), waiting.end(), same)) waiting.push_back(std::move(c));
        changed_ = true;
    }
    void forget_worker(const std::string& name) {
        all_->workers.erase(name);
        all_->commands.erase(name);
    }
    std::vector<job_record*> run_by(const std::string& worker) {
        std::vector<job_record*> all;
        for (auto& [id, j] : all_->jobs)
            if (j.status == job_status::started && j.worker == worker) all.push_back(&j);
        // The one taken last comes first: each goes to the head.
        std::sort(all.begin(), all.end(), [](const job_record* a, const job_record* b) {
            return std::pair(a->started_at, a->enqueued_at) > std::pair(b->started_at, b->enqueued_at);
        });
        return all;
    }
    void push(job_record& j, bool front, wall_time at) {
        j.status = job_status::queued;
        j.enqueued_at = at;
        j.expires_at.reset();
        if (j.ttl && *j.ttl >= seconds(0))
            j.expires_at = at + detail::within_limit(*j.ttl);  // its waiting time begins now
        j.due_at.reset();
        j.worker.clear();
        j.execution.clear();
        all_->waits_for.erase(j.id);
        auto& ids = all_->queues[j.queue];
        ids.insert(front ? ids.begin() : ids.end(), j.id);
        changed_ = true;
    }
    static void start_anew(job_record& j) {
        j.started_at.reset();
        j.ended_at.reset();
        j.expires_at.reset();
        j.deaths = 0;
    }
    void put_again(job_record& j, wall_time at) {
        start_anew(j);
        push(j, false, at);
    }
    static void defer_again(job_record& j) {
        start_anew(j);
        j.status = job_status::deferred;
    }
    bool suspended(wall_time at) const {
        return all_->suspended && (!all_->suspended_until || at < *all_->suspended_until);
    }
    void unqueue(const job_record& j) { std::erase(all_->queues[j.queue], j.id); }
    void cancel_one(job_record& j, wall_time at) {
        unqueue(j);
        j.status = job_status::canceled;
        j.ended_at = at;
        j.due_at.reset();
        keep(j, j.failure_ttl.value_or(default_failure_ttl), at);
    }
    /// The record goes; whoever still waits for it would wait for ever, and is canceled.
    void erase(const std::string& id, wall_time at) {
        const job_status status = all_->jobs.at(id).status;
        for (job_record* d : waiting_for(id))
            if (!detail::is_met(status, d->allow_dependency_failures)) cancel_one(*d, at);
        all_->jobs.erase(id);
        all_->results.erase(id);
        all_->waits_for.erase(id);
        changed_ = true;
    }
    /// The deferred jobs that wait for `id`, in the order in which they were made.
    std::vector<job_record*> waiting_for(const std::string& id) {
        std::vector<job_record*> found;
        for (auto& [waiting, ids] : all_->waits_for) {
            auto j = all_->jobs.find(waiting);
            if (j != all_->jobs.end() && j->second.status == job_status::deferred && one_of(ids, id))
                found.push_back(&j->second);
        }
        std::sort(found.begin(), found.end(), [](const job_record* a, const job_record* b) {
            return std::pair(a->created_at, a->id) < std::pair(b->created_at, b->id);
        });
        return found;
    }
    bool all_met(const std::vector<std::string>& ids, bool allow_failures) {
        return std::all_of(ids.begin(), ids.end(), [&](const std::string& id) {
            auto j = all_->jobs.find(id);
            return j == all_->jobs.end() || detail::is_met(j->second.status, allow_failures);
        });
    }
    /// Job `id` has ended as its record says: those that waited for nothing else go to their queues.
    void release_dependents(const std::string& id, wall_time at) {
        for (job_record* d : waiting_for(id))
            if (all_met(all_->waits_for[d->id], d->allow_dependency_failures)) push(*d, d->at_front, at);
    }
    void check_dependencies_of(const std::vector<job_record>& jobs) {
        std::map<std::string, const job_record*> fresh;  // without what a repeated call finds there already
        for (const job_record& j : jobs) {
            const job_record* old = find(j.id);
            if (old == nullptr || !same_call(*old, j)) fresh[j.id] = &j;
        }
        auto waits_for = [&](const std::string& id) {
            if (auto j = fresh.find(id); j != fresh.end()) return j->second->depends_on;
            if (auto w = all_->waits_for.find(id); w != all_->waits_for.end()) return w->second;
            return std::vector<std::string>();
        };
        std::set<std::string> before;
        std::map<std::string, std::size_t> named;
        for (const job_record& j : jobs) {
            if (fresh.find(j.id) != fresh.end()) {
                for (const std::string& dependency : j.depends_on) {
                    if (waiting_for(dependency).size() + ++named[dependency] > job_dependents_max)
                        detail::throw_too_many_dependents(j.id, dependency);
                    const bool came = before.find(dependency) != before.end();
                    const bool later = fresh.find(dependency) != fresh.end() && !came;
                    if (!later && (came || find(dependency) != nullptr)) continue;
                    auto way = detail::find_dependency_cycle(j.id, waits_for);
                    if (!way.empty()) detail::throw_dependency_cycle(way);
                    if (later) detail::throw_later_dependency(j.id, dependency);
                    detail::throw_unknown_dependency(j.id, dependency);
                }
                const bool waited_for = std::any_of(all_->waits_for.begin(), all_->waits_for.end(),
                                                    [&](auto& w) { return one_of(w.second, j.id); });
                if (!j.depends_on.empty() && waited_for) {
                    auto way = detail::find_dependency_cycle(j.id, waits_for);
                    if (!way.empty()) detail::throw_dependency_cycle(way);
                }
            }
            before.insert(j.id);
        }
    }
    void keep(job_record& j, seconds ttl, wall_time at) {
        j.expires_at.reset();
        if (ttl >= seconds(0)) j.expires_at = at + detail::within_limit(ttl);
        changed_ = true;
    }
    std::optional<wall_time> first_due(const std::vector<std::string>& queues) {
        std::optional<wall_time> first;
        for (auto& [id, j] : all_->jobs)
            if (j.status == job_status::scheduled && j.due_at && (!first || *j.due_at < *first) &&
                one_of(queues, j.queue))
                first = j.due_at;
        return first;
    }
    finish_answer end(job_record& j, job_status status, result_type type, seconds ttl,
                      const execution_outcome& o, wall_time at) {
        if (ttl == seconds(0)) {
            j.status = status;
            release_dependents(j.id, at);
            erase(std::string(j.id), at);
            return {finish_kind::discarded, {}, ttl};
        }
        auto& list = all_->results[j.id];
        list.push_back({std::to_string(++all_->last_result), type, at, j.worker, o.execution, o.return_value,
                        o.error, o.started_at, o.ended_at});
        if (list.size() > 10) list.erase(list.begin());
        j.status = status;
        j.ended_at = o.ended_at;
        j.execution.clear();
        keep(j, ttl, at);
        release_dependents(j.id, at);
        return {finish_kind::recorded, {}, ttl};
    }
    finish_answer fail(job_record& j, const execution_outcome& o, wall_time at) {
        if (o.stopped) {
            execution_outcome in_rqs_words = o;
            in_rqs_words.error = stopped_text;
            return end(j, job_status::stopped, result_type::failed,
                       j.failure_ttl.value_or(default_failure_ttl), in_rqs_words, at);
        }
        if (!o.may_retry || j.retries_left == 0)
            return end(j, job_status::failed, result_type::failed,
                       j.failure_ttl.value_or(default_failure_ttl), o, at);
        seconds pause = retry_pause(j.retry_intervals, j.retries_left);
        --j.retries_left;
        j.ended_at = o.ended_at;
        if (pause <= seconds(0)) {
            push(j, j.at_front_on_retry, at);
            return {finish_kind::requeued, {}, {}};
        }
        j.status = job_status::scheduled;
        j.due_at = at + detail::within_limit(pause);
        j.execution.clear();
        return {finish_kind::scheduled, j.due_at, {}};
    }
    finish_answer finish_one(const std::string& worker, const execution_outcome& o, wall_time at) {
        job_record* j = current(worker, o);
        if (j == nullptr) return {finish_kind::refused, {}, {}};
        worker_record& w = all_->workers[worker];
        ++(o.success ? w.successful : w.failed);
        if (!o.success) return fail(*j, o, at);
        return end(*j, job_status::finished, result_type::successful,
                   j->result_ttl.value_or(default_result_ttl), o, at);
    }

    std::shared_ptr<shared_jobs> all_;
    store_options options_;
    bool changed_ = false;
};

}  // namespace

std::unique_ptr<job_store> make_memory_store(store_options options) {
    return std::make_unique<memory_store>(std::make_shared<shared_jobs>(), std::move(options));
}

}  // namespace simul::testing
