#pragma once

#include <simul/core/all.hpp>
#include <simul/jobs/error.hpp>
#include <simul/jobs/store.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/sleep.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

// What every job store promises, as tests. A fixture makes an empty store:
//   struct my_store { std::unique_ptr<job_store> open(); void advance(std::chrono::seconds); };
// open() may be called several times and gives the same jobs; advance() moves the clock of all of them, and
// the store's own clock too if it has one.
//   SIMUL_STORE_CONTRACT(my_store)

namespace simul::contract {

using std::chrono::seconds;

inline job_record new_job(std::string id = new_job_id(), std::string queue = "default") {
    job_record j;
    j.id = std::move(id);
    j.queue = std::move(queue);
    j.data = "\x80\x05payload of " + j.id;
    j.description = "m.f(1)";
    j.created_at = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    return j;
}

inline task<enqueue_receipt> put(job_store& s, job_record j) {
    std::vector<job_record> one;
    one.push_back(std::move(j));
    auto receipts = co_await s.enqueue(std::move(one));
    co_return receipts.at(0);
}

inline task<void> join(job_store& s, std::string name, std::vector<std::string> queues = {"default"}) {
    worker_record w;
    w.name = std::move(name);
    w.queues = std::move(queues);
    w.process = this_process();
    w.version = "test";
    co_await s.register_worker(std::move(w), seconds(90));
}

inline task<std::vector<job_record>> take(job_store& s, std::string worker, std::size_t limit = 1,
                                          std::vector<std::string> queues = {"default"},
                                          std::vector<std::string> skip = {}) {
    take_request r;
    r.worker = std::move(worker);
    r.queues = std::move(queues);
    r.limit = limit;
    r.skip = std::move(skip);
    take_answer a = co_await s.take(std::move(r));
    std::vector<job_record> jobs;
    for (taken_job& t : a.jobs) jobs.push_back(std::move(t.job));
    co_return jobs;
}

inline execution_outcome outcome_of_run(const job_record& job) {
    execution_outcome o;
    o.job = job.id;
    o.execution = job.execution;
    o.queue = job.queue;
    o.started_at = o.ended_at =
        std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    return o;
}

inline task<finish_answer> succeed(job_store& s, std::string worker, job_record job,
                                   std::string value = "\x80\x05K\x05.") {
    execution_outcome o = outcome_of_run(job);
    o.success = true;
    o.return_value = std::move(value);
    std::vector<execution_outcome> one;
    one.push_back(std::move(o));
    auto answers = co_await s.finish(std::move(worker), std::move(one));
    co_return answers.at(0);
}

inline task<finish_answer> fail(job_store& s, std::string worker, job_record job,
                                std::string text = "Traceback\nError: no") {
    execution_outcome o = outcome_of_run(job);
    o.error = std::move(text);
    std::vector<execution_outcome> one;
    one.push_back(std::move(o));
    auto answers = co_await s.finish(std::move(worker), std::move(one));
    co_return answers.at(0);
}

inline task<void> hand_back(job_store& s, std::string worker, std::vector<job_record> jobs) {
    std::vector<execution_outcome> executions;
    for (auto& j : jobs) executions.push_back(outcome_of_run(j));
    co_await s.hand_back(std::move(worker), std::move(executions));
}

template <class A>
task<std::error_code> code_of(A work) {
    std::error_code code;
    try {
        co_await work();
    } catch (const std::system_error& e) {
        code = e.code();
    }
    co_return code;
}

inline task<worker_record> look_at(job_store& s, std::string watcher, std::string name) {
    heartbeat_request r;
    r.worker = std::move(watcher);
    heartbeat_answer a = co_await s.heartbeat(std::move(r));
    for (auto& peer : a.peers)
        if (peer.name == name) co_return peer;
    co_return worker_record{};
}

inline recover_request death_of(const worker_record& seen,
                                death_evidence evidence = death_evidence::process_gone) {
    recover_request r;
    r.worker = seen.name;
    r.last_heartbeat = seen.last_heartbeat;
    r.evidence = evidence;
    return r;
}

inline task<queue_counts> counts(job_store& s, std::string queue = "default") {
    store_overview o = co_await s.overview();
    for (auto& q : o.queues)
        if (q.name == queue) co_return q;
    co_return queue_counts{};
}

/// `value_of(co_await f()).member`, where `(co_await f()).member` would do: g++ 14 refuses that form in a
/// lambda in a template ("insufficient contextual information", test/probes).
template <class T>
const T& value_of(const T& value) {
    return value;
}

template <class F>
void on(std::unique_ptr<job_store> store, F f) {
    loop l;
    l.run([&]() -> task<> {
        co_await f(*store);
        store.reset();  // a store belongs to its loop
    });
}
// ------------------------------------------------------------------ the table of docs/job_states.md and the
// code

/// (from, step, to), in the words of the table; "–" is no job.
using transition = std::tuple<std::string, std::string, std::string>;

inline std::vector<std::string> split_words(const std::string& cell) {
    std::vector<std::string> words;
    std::istringstream in(cell);
    for (std::string word; in >> word;) {
        if (word.back() == ',') word.pop_back();
        words.push_back(word);
    }
    return words;
}

/// What RQ's workers leave behind is no state that these steps make: tested with RQ itself (rq_interop_test).
inline constexpr std::string_view step_of_rq = "recover, enqueued by an RQ client";

inline const std::array<std::string, 9> table_states{"–",        "queued", "scheduled", "deferred", "started",
                                                     "finished", "failed", "stopped",   "canceled"};

/// One of the steps on a job that was deferred when it was canceled; in other states it is not tried.
inline constexpr std::string_view requeue_deferred = "requeue, deferred when it was canceled";

/// The rows of the document that hold for a store, one for each state that a row names.
inline std::set<transition> documented_transitions(bool on_redis) {
    std::ifstream in(SIMUL_TEST_DATA "/../../docs/job_states.md");
    std::set<transition> table;
    bool is_table = false;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("## ")) is_table = line == "## Transitions";
        if (!is_table || !line.starts_with("| ") || line.starts_with("| from ")) continue;
        std::vector<std::string> cells;
        for (std::size_t at = 2; at < line.size();) {
            const std::size_t end = std::min(line.find(" | ", at), line.size());
            cells.push_back(line.substr(at, end - at));
            at = end + 3;
        }
        REQUIRE_MESSAGE(cells.size() == 5, line);
        if (cells[1] == step_of_rq) continue;
        constexpr std::string_view not_on_redis = ", not on Redis";
        if (cells[1].ends_with(not_on_redis)) {
            if (on_redis) continue;
            cells[1].erase(cells[1].size() - not_on_redis.size());
        }
        for (const std::string& from : split_words(cells[0])) {
            if (from == "any") {
                for (const std::string& each : table_states)
                    if (each != "–") table.insert({each, cells[1], cells[2]});
            } else {
                table.insert({from, cells[1], cells[2]});
            }
        }
    }
    return table;
}

/// One job, in one state, and one step that is tried on it.
struct try_of_step {
    std::string id, queue, worker, watcher;
    /// What a deferred job waits for, on a queue of its own.
    std::string parent() const { return id + "-parent"; }
    std::string parent_queue() const { return queue + "-parent"; }
    job_record job;             // as it was enqueued
    execution_outcome outcome;  // of its run, or of one that never was
    std::string step;
};

inline job_record record_for(const try_of_step& t) {
    job_record j = new_job(t.id, t.queue);
    j.result_ttl = t.step == "result_ttl is over" ? seconds(100) : forever;
    j.failure_ttl = t.step == "failure_ttl is over" ? seconds(100) : forever;
    if (t.step == "ttl is over") j.ttl = seconds(100);
    if (t.step.find("retries left") != t.step.npos) j.retries_left = 1;
    if (t.step.find("a pause") != t.step.npos) j.retry_intervals = {seconds(60)};
    return j;
}

inline wall_time in_a_while() {
    return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()) +
           std::chrono::hours(24 * 365);
}

inline task<void> bring_to(job_store& s, try_of_step& t, std::string state) {
    co_await join(s, t.worker, {t.queue});
    co_await join(s, t.watcher, {t.queue});
    t.outcome.job = t.id;
    t.outcome.execution = new_execution_id();
    t.outcome.queue = t.queue;
    if (state == "–") co_return;
    t.job = record_for(t);
    if (state == "scheduled") t.job.due_at = in_a_while();
    if (state == "deferred" || (state == "canceled" && t.step == requeue_deferred)) {
        co_await put(s, new_job(t.parent(), t.parent_queue()));
        t.job.depends_on = {t.parent()};
    }
    co_await put(s, t.job);
    if (state == "queued" || state == "scheduled" || state == "deferred") co_return;
    if (state == "canceled") {
        co_await s.cancel(t.id);
        co_return;
    }
    auto taken = co_await take(s, t.worker, 1, {t.queue});
    REQUIRE(taken.size() == 1);
    t.outcome = outcome_of_run(taken[0]);
    if (state == "started") co_return;
    execution_outcome end = t.outcome;
    end.success = state == "finished";
    end.stopped = state == "stopped";
    end.may_retry = false;
    end.error = "Error: no";
    std::vector<execution_outcome> one{std::move(end)};
    co_await s.finish(t.worker, std::move(one));
}

/// Makes the step; whether the store refuses it is seen from the state afterwards.
template <class Fixture>
task<void> make_step(Fixture& fixture, job_store& s, try_of_step& t) {
    const std::string& step = t.step;
    const std::vector<std::string> queues{t.queue};
    auto over = [&](seconds time) -> task<void> {
        fixture.advance(time);
        co_await s.maintain(t.watcher, queues, true);
    };
    auto finish = [&](bool success, bool stopped = false) -> task<void> {
        execution_outcome end = t.outcome;
        end.success = success;
        end.stopped = stopped;
        end.error = success ? "" : "Error: no";
        std::vector<execution_outcome> one{std::move(end)};
        co_await s.finish(t.worker, std::move(one));
    };
    auto recover = [&](int deaths_max) -> task<void> {
        const worker_record seen = co_await look_at(s, t.watcher, t.worker);
        recover_request r = death_of(seen);
        r.deaths_max = deaths_max;
        co_await s.recover(std::move(r));
    };
    if (step == "enqueue" || step == "enqueue with a time") {
        job_record other = record_for(t);
        other.data = "another call";
        if (step != "enqueue") other.due_at = in_a_while() + seconds(5);
        co_await put(s, std::move(other));
    } else if (step == "enqueue, waiting for another") {
        job_record other = record_for(t);
        other.data = "another call";
        other.depends_on = {t.parent()};
        // A new record of the same kind where the job depends on it already.
        if (!t.job.depends_on.empty()) other.depends_on[0] += "2";
        co_await put(s, new_job(other.depends_on[0], t.parent_queue()));
        co_await put(s, std::move(other));
    } else if (step == "its dependencies end") {
        const std::vector<std::string> theirs{t.parent_queue()};
        auto taken = co_await take(s, t.worker, 1, theirs);
        for (const job_record& parent : taken) co_await succeed(s, t.worker, parent);
    } else if (step == "a dependency's record goes") {
        if (!t.job.depends_on.empty()) co_await s.remove(t.parent());
    } else if (step == requeue_deferred) {
        if (!t.job.depends_on.empty()) co_await s.requeue(t.id);
    } else if (step == "take") {
        co_await take(s, t.worker, 1, queues);
    } else if (step == "maintain") {
        co_await over(std::chrono::hours(24 * 366));
    } else if (step == "finish, returned") {
        co_await finish(true);
    } else if (step == "finish, stopped") {
        co_await finish(false, true);
    } else if (step.starts_with("finish, failed")) {
        co_await finish(false);
    } else if (step == "hand_back") {
        std::vector<execution_outcome> one{t.outcome};
        co_await s.hand_back(t.worker, std::move(one));
    } else if (step == "recover") {
        co_await recover(3);
    } else if (step == "recover, third death") {
        co_await recover(1);
    } else if (step == "cancel") {
        co_await s.cancel(t.id);
    } else if (step == "requeue") {
        co_await s.requeue(t.id);
    } else if (step == "requeue_failed") {
        co_await s.requeue_failed(t.queue);
    } else if (step == "empty") {
        co_await s.empty(t.queue);
    } else if (step == "remove") {
        co_await s.remove(t.id);
    } else if (step.ends_with("ttl is over")) {
        co_await over(seconds(101));
    } else {
        FAIL("docs/job_states.md names a step that this test does not know: ", step);
    }
}

inline task<std::string> state_of(job_store& s, std::string id) {
    const auto record = co_await s.fetch(std::move(id));
    co_return record ? std::string(to_string(record->status)) : std::string("–");
}

inline std::string in_words(const std::set<transition>& set) {
    std::string text;
    for (const auto& [from, step, to] : set) text += "\n  " + from + " | " + step + " | " + to;
    return text.empty() ? " none" : text;
}

template <class Fixture, class F>
void on_new(Fixture& fixture, F f) {
    loop l;
    l.run([&]() -> task<> {
        std::unique_ptr<job_store> store = fixture.open();
        co_await f(*store);
    });
}

}  // namespace simul::contract

TEST_CASE_TEMPLATE_DEFINE("store: a job is taken once, and its outcome is recorded once", Fixture,
                          contract_lifecycle) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        job_record job = new_job("one");
        job.meta = "\x80\x05}.";
        co_await put(s, job);
        CHECK(value_of(co_await s.fetch("one"))->status == job_status::queued);
        auto taken = co_await take(s, "w", 10);
        REQUIRE(taken.size() == 1);
        CHECK(taken[0].id == "one");
        CHECK(taken[0].data == job.data);
        CHECK(taken[0].meta == job.meta);
        CHECK(taken[0].description == job.description);
        CHECK(taken[0].timeout == default_job_timeout);
        CHECK(!taken[0].execution.empty());
        CHECK(value_of(co_await take(s, "w", 10)).empty());
        CHECK(value_of(co_await s.fetch("one"))->status == job_status::started);
        finish_answer a = co_await succeed(s, "w", taken[0]);
        CHECK(a.kind == finish_kind::recorded);
        CHECK(a.kept == default_result_ttl);
        CHECK(value_of(co_await succeed(s, "w", taken[0])).kind == finish_kind::refused);
        CHECK(value_of(co_await fail(s, "w", taken[0])).kind == finish_kind::refused);
        auto results = co_await s.results("one", 10);
        REQUIRE(results.size() == 1);
        CHECK(results[0].type == result_type::successful);
        CHECK(results[0].return_value == "\x80\x05K\x05.");
        CHECK(results[0].worker == "w");
        CHECK(results[0].execution == taken[0].execution);
        auto record = co_await s.fetch("one");
        REQUIRE(record.has_value());
        CHECK(record->status == job_status::finished);
        CHECK(record->ended_at.has_value());
        co_await s.unregister_worker("w");
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: an enqueue that is repeated changes nothing", Fixture, contract_repeat) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        job_record job = new_job("one");
        co_await put(s, job);
        co_await put(s, job);
        CHECK(value_of(co_await counts(s)).queued == 1);
        auto taken = co_await take(s, "w", 10);
        REQUIRE(taken.size() == 1);
        co_await put(s, job);  // the reply was lost for long: it runs already
        CHECK(value_of(co_await take(s, "w", 10)).empty());
        co_await succeed(s, "w", taken[0]);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: an id that waits or runs is refused, an ended one is used again", Fixture,
                          contract_ids) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        co_await put(s, new_job("one"));
        job_record other = new_job("one");
        other.data = "another call";
        auto again = [&]() -> task<> { co_await put(s, other); };
        CHECK(value_of(co_await code_of(again)) == job_errc::id_in_use);
        // All or none: the new one of a refused call is not there either.
        auto both = [&]() -> task<> {
            std::vector<job_record> two;
            two.push_back(new_job("fresh"));
            two.push_back(other);
            co_await s.enqueue(std::move(two));
        };
        CHECK(value_of(co_await code_of(both)) == job_errc::id_in_use);
        CHECK(!value_of(co_await s.fetch("fresh")).has_value());
        auto taken = co_await take(s, "w");
        REQUIRE(taken.size() == 1);
        CHECK(value_of(co_await code_of(again)) == job_errc::id_in_use);
        co_await succeed(s, "w", taken[0]);
        enqueue_receipt receipt = co_await put(s, other);
        // The result of the first run is not taken for that of the second.
        CHECK(!value_of(co_await s.wait_result("one", receipt.last_result, std::chrono::milliseconds(1)))
                   .has_value());
        taken = co_await take(s, "w");
        REQUIRE(taken.size() == 1);
        CHECK(taken[0].data == "another call");
        co_await succeed(s, "w", taken[0], "\x80\x05K\x07.");
        auto result = co_await s.wait_result("one", receipt.last_result, std::chrono::milliseconds(1000));
        REQUIRE(result.has_value());
        CHECK(result->return_value == "\x80\x05K\x07.");
    });
}

TEST_CASE_TEMPLATE_DEFINE(
    "store: jobs come in their order, the ones at the front first, the preferred queue first", Fixture,
    contract_order) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w", {"high", "low"});
        co_await put(s, new_job("a", "low"));
        co_await put(s, new_job("b", "low"));
        job_record front = new_job("c", "low");
        front.at_front = true;
        co_await put(s, front);
        co_await put(s, new_job("d", "high"));
        auto taken = co_await take(s, "w", 10, {"high", "low"});
        REQUIRE(taken.size() == 4);
        CHECK(taken[0].id == "d");
        CHECK(taken[1].id == "c");
        CHECK(taken[2].id == "a");
        CHECK(taken[3].id == "b");
        CHECK(taken[1].queue == "low");
        co_await hand_back(s, "w", taken);
        CHECK(value_of(co_await s.fetch("c"))->status == job_status::queued);
        taken = co_await take(s, "w", 3, {"low"}, {"a"});
        REQUIRE(taken.size() == 2);
        CHECK(taken[0].id == "c");
        CHECK(taken[1].id == "b");
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a failure is tried again as often and as late as the job says", Fixture,
                          contract_retries) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        job_record job = new_job("r");
        job.retries_left = 3;
        job.retry_intervals = {seconds(0), seconds(20)};  // by RQ's rule 0, 0, 20
        co_await put(s, job);
        for (int i = 0; i < 2; ++i) {
            auto taken = co_await take(s, "w");
            REQUIRE(taken.size() == 1);
            CHECK(value_of(co_await fail(s, "w", taken[0])).kind == finish_kind::requeued);
        }
        auto taken = co_await take(s, "w");
        REQUIRE(taken.size() == 1);
        finish_answer later = co_await fail(s, "w", taken[0]);
        CHECK(later.kind == finish_kind::scheduled);
        REQUIRE(later.due_at.has_value());
        CHECK(value_of(co_await s.fetch("r"))->status == job_status::scheduled);
        CHECK(value_of(co_await s.results("r", 10)).empty());
        CHECK(value_of(co_await take(s, "w")).empty());
        auto names = std::vector<std::string>{"default"};
        maintain_answer nothing = co_await s.maintain("w", names, false);
        CHECK(nothing.due.empty());
        CHECK(nothing.next_due.has_value());
        fixture.advance(seconds(21));
        maintain_answer due = co_await s.maintain("w", names, false);
        CHECK(due.due == std::vector<std::string>{"r"});
        CHECK(value_of(co_await s.maintain("w", names, false)).due.empty());
        taken = co_await take(s, "w");
        REQUIRE(taken.size() == 1);
        CHECK(taken[0].retries_left == 0);
        CHECK(value_of(co_await fail(s, "w", taken[0], "Traceback\nValueError: third")).kind ==
              finish_kind::recorded);
        auto results = co_await s.results("r", 10);
        REQUIRE(results.size() == 1);
        CHECK(results[0].type == result_type::failed);
        CHECK(results[0].error == "Traceback\nValueError: third");
        CHECK(value_of(co_await s.fetch("r"))->status == job_status::failed);
        co_await s.requeue("r");
        CHECK(value_of(co_await s.fetch("r"))->status == job_status::queued);
        CHECK(value_of(co_await take(s, "w")).size() == 1);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: records are gone when their lifetime is over", Fixture,
                          contract_lifetimes) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        auto names = std::vector<std::string>{"default"};
        co_await join(s, "w");
        job_record fails = new_job("fails");
        fails.failure_ttl = seconds(100);
        job_record keeps = new_job("keeps");
        keeps.result_ttl = forever;
        job_record drops = new_job("drops");
        drops.result_ttl = seconds(0);
        job_record waits = new_job("waits");
        waits.ttl = seconds(50);
        co_await put(s, new_job("plain"));
        co_await put(s, fails);
        co_await put(s, keeps);
        co_await put(s, drops);
        co_await put(s, waits);
        auto taken = co_await take(s, "w", 4);
        REQUIRE(taken.size() == 4);
        co_await succeed(s, "w", taken[0]);
        co_await fail(s, "w", taken[1]);
        co_await succeed(s, "w", taken[2]);
        CHECK(value_of(co_await succeed(s, "w", taken[3])).kind == finish_kind::discarded);
        CHECK(!value_of(co_await s.fetch("drops")).has_value());
        CHECK(value_of(co_await s.fetch("plain")).has_value());
        fixture.advance(seconds(101));
        co_await s.maintain("w", names, true);
        CHECK(value_of(co_await s.fetch("plain")).has_value());
        CHECK(!value_of(co_await s.fetch("fails")).has_value());
        fixture.advance(seconds(400));
        co_await s.maintain("w", names, true);
        CHECK(!value_of(co_await s.fetch("plain")).has_value());
        CHECK(value_of(co_await s.results("plain", 10)).empty());
        CHECK(value_of(co_await s.fetch("keeps")).has_value());
        queue_counts q = co_await counts(s);
        CHECK(q.finished == 1);
        CHECK(q.failed == 0);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a canceled job does not run, and a cancel while it runs stands", Fixture,
                          contract_cancel) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        co_await put(s, new_job("waits"));
        co_await s.cancel("waits");
        CHECK(value_of(co_await take(s, "w")).empty());
        CHECK(value_of(co_await s.fetch("waits"))->status == job_status::canceled);
        CHECK(value_of(co_await code_of([&]() -> task<> { co_await s.cancel("waits"); })) ==
              job_errc::wrong_state);
        CHECK(value_of(co_await code_of([&]() -> task<> { co_await s.cancel("none"); })) ==
              job_errc::no_such_job);
        CHECK(value_of(co_await code_of([&]() -> task<> { co_await s.requeue("none"); })) ==
              job_errc::no_such_job);
        co_await put(s, new_job("runs"));
        auto taken = co_await take(s, "w");
        REQUIRE(taken.size() == 1);
        co_await s.cancel("runs");
        CHECK(value_of(co_await succeed(s, "w", taken[0])).kind == finish_kind::refused);
        CHECK(value_of(co_await s.fetch("runs"))->status == job_status::canceled);
        CHECK(value_of(co_await s.results("runs", 10)).empty());
        co_await s.requeue("runs");
        CHECK(value_of(co_await take(s, "w")).size() == 1);
        co_await s.remove("waits");
        CHECK(!value_of(co_await s.fetch("waits")).has_value());
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a dead worker's jobs run again, and its late outcome is refused", Fixture,
                          contract_death) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "dies");
        co_await join(s, "lives");
        for (const char* id : {"a", "b", "c"}) co_await put(s, new_job(id));
        auto lost = co_await take(s, "dies", 2);
        REQUIRE(lost.size() == 2);
        worker_record seen = co_await look_at(s, "lives", "dies");
        REQUIRE(seen.name == "dies");
        CHECK(seen.process == this_process());
        recover_answer r = co_await s.recover(death_of(seen));
        CHECK(r.recovered);
        CHECK(r.requeued.size() == 2);
        CHECK(!value_of(co_await s.recover(death_of(seen))).recovered);
        CHECK(value_of(co_await succeed(s, "dies", lost[0])).kind == finish_kind::refused);
        auto again = co_await take(s, "lives", 10);
        REQUIRE(again.size() == 3);
        // In front of what waited, in their old order.
        CHECK(again[0].id == "a");
        CHECK(again[1].id == "b");
        CHECK(again[0].deaths == 1);
        CHECK(value_of(co_await succeed(s, "dies", lost[0])).kind == finish_kind::refused);
        CHECK(value_of(co_await succeed(s, "lives", again[0])).kind == finish_kind::recorded);
        CHECK(value_of(co_await s.results("a", 10)).size() == 1);
        // Declared dead, it is given nothing until it registers again.
        co_await put(s, new_job("d"));
        CHECK(value_of(co_await take(s, "dies")).empty());
        heartbeat_request beat;
        beat.worker = "dies";
        CHECK(!value_of(co_await s.heartbeat(beat)).known);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a worker that gave a sign of life is not recovered", Fixture,
                          contract_alive) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        co_await join(s, "other");
        co_await put(s, new_job("a"));
        auto taken = co_await take(s, "w");
        REQUIRE(taken.size() == 1);
        worker_record seen = co_await look_at(s, "other", "w");
        CHECK(!value_of(co_await s.recover(death_of(seen, death_evidence::lease_expired))).recovered);
        fixture.advance(seconds(1));
        heartbeat_request beat;
        beat.worker = "w";
        CHECK(value_of(co_await s.heartbeat(beat)).known);
        CHECK(!value_of(co_await s.recover(death_of(seen))).recovered);
        seen = co_await look_at(s, "other", "w");
        fixture.advance(seconds(91));
        CHECK(value_of(co_await s.recover(death_of(seen, death_evidence::lease_expired))).recovered);
        CHECK(value_of(co_await s.fetch("a"))->status == job_status::queued);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a job whose worker died three times is set aside", Fixture,
                          contract_poison) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "watch");
        job_record job = new_job("poison");
        job.retries_left = 5;
        co_await put(s, job);
        for (int i = 1; i <= 3; ++i) {
            std::string name = "w" + std::to_string(i);
            co_await join(s, name);
            REQUIRE(value_of(co_await take(s, name)).size() == 1);
            worker_record seen = co_await look_at(s, "watch", name);
            recover_answer r = co_await s.recover(death_of(seen));
            CHECK(r.requeued.size() == (i < 3 ? 1u : 0u));
            CHECK(r.failed.size() == (i < 3 ? 0u : 1u));
        }
        CHECK(value_of(co_await s.fetch("poison"))->status == job_status::failed);
        auto results = co_await s.results("poison", 10);
        REQUIRE(results.size() == 1);
        CHECK(results[0].error.find("simul.WorkerDied") != std::string::npos);
        co_await s.requeue("poison");
        CHECK(value_of(co_await s.fetch("poison"))->deaths == 0);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a worker's name belongs to one process; what it leaves goes back", Fixture,
                          contract_names) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        worker_record other;
        other.name = "w";
        other.queues = {"default"};
        other.process = this_process();
        other.process.pid = 1;
        auto twice = [&]() -> task<> { co_await s.register_worker(other, seconds(90)); };
        CHECK(value_of(co_await code_of(twice)) == job_errc::worker_name_taken);
        co_await put(s, new_job("a"));
        CHECK(value_of(co_await take(s, "w")).size() == 1);
        store_overview o = co_await s.overview();
        REQUIRE(o.workers.size() == 1);
        CHECK(o.workers[0].name == "w");
        CHECK(o.workers[0].running == std::vector<std::string>{"a"});
        co_await s.unregister_worker("w");
        CHECK(value_of(co_await s.fetch("a"))->status == job_status::queued);
        CHECK(value_of(co_await s.fetch("a"))->deaths == 0);
        co_await s.register_worker(other, seconds(90));
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a waiting worker and a waiting client are woken, without polling", Fixture,
                          contract_waiting) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        std::unique_ptr<job_store> client = s.sibling();
        co_await join(s, "w", {"other", "default"});
        auto queues = std::vector<std::string>{"other", "default"};
        auto start = clock::now();
        auto waits = [&]() -> task<> {
            co_await s.wait_for_work(queues, std::chrono::milliseconds(20'000));
            auto taken = co_await take(s, "w", 1, queues);
            REQUIRE(taken.size() == 1);
            co_await succeed(s, "w", taken[0]);
        };
        auto asks = [&]() -> task<> {
            co_await sleep_for(std::chrono::milliseconds(50));
            enqueue_receipt receipt = co_await put(*client, new_job("a"));
            auto result =
                co_await client->wait_result("a", receipt.last_result, std::chrono::milliseconds(20'000));
            REQUIRE(result.has_value());
            CHECK(result->type == result_type::successful);
        };
        co_await all(waits(), asks());
        CHECK(clock::now() - start < std::chrono::seconds(10));
        // Work that is there already ends the wait at once; none ends it at its limit.
        co_await put(*client, new_job("b"));
        co_await s.wait_for_work(queues, std::chrono::milliseconds(20'000));
        CHECK(value_of(co_await take(s, "w", 1, queues)).size() == 1);
        co_await s.wait_for_work(queues, std::chrono::milliseconds(30));
        CHECK(!value_of(co_await s.wait_result("b", "0-0", std::chrono::milliseconds(30))).has_value());
        CHECK(clock::now() - start < std::chrono::seconds(15));
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: suspended workers are given nothing", Fixture, contract_suspend) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        co_await put(s, new_job("a"));
        co_await s.set_suspended(true);
        take_request r;
        r.worker = "w";
        r.queues = {"default"};
        take_answer a = co_await s.take(r);
        CHECK(a.suspended);
        CHECK(a.jobs.empty());
        CHECK(value_of(co_await s.overview()).suspended);
        co_await s.set_suspended(false);
        CHECK(value_of(co_await s.take(r)).jobs.size() == 1);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: the overview counts every job in one place", Fixture, contract_overview) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        for (const char* id : {"ok", "bad", "runs", "gone", "waits"}) co_await put(s, new_job(id));
        job_record later = new_job("later");
        later.due_at = later.created_at + seconds(1000);
        co_await put(s, later);
        auto taken = co_await take(s, "w", 3);
        REQUIRE(taken.size() == 3);
        co_await succeed(s, "w", taken[0]);
        co_await fail(s, "w", taken[1]);
        co_await s.cancel("gone");
        queue_counts q = co_await counts(s);
        CHECK(q.queued == 1);
        CHECK(q.started == 1);
        CHECK(q.finished == 1);
        CHECK(q.failed == 1);
        CHECK(q.scheduled == 1);
        CHECK(q.canceled == 1);
        CHECK(value_of(co_await s.list("default", job_status::failed, 10)) ==
              std::vector<std::string>{"bad"});
        CHECK(value_of(co_await s.list("default", job_status::queued, 10)) ==
              std::vector<std::string>{"waits"});
        CHECK(value_of(co_await s.list("default", job_status::started, 10)) ==
              std::vector<std::string>{"runs"});
        CHECK(value_of(co_await s.list("default", job_status::scheduled, 10)) ==
              std::vector<std::string>{"later"});
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: four workers that take at once get each job once", Fixture, contract_race) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        std::vector<job_record> many;
        for (int i = 0; i < 100; ++i) many.push_back(new_job());
        co_await s.enqueue(many);
        std::multiset<std::string> seen;
        std::vector<std::unique_ptr<job_store>> stores;
        for (int i = 0; i < 4; ++i) stores.push_back(s.sibling());
        auto one = [&](std::unique_ptr<job_store>& store) -> task<> {
            std::string name = "w" + new_execution_id();
            co_await join(*store, name);
            for (;;) {
                auto taken = co_await take(*store, name, 3);
                if (taken.empty()) co_return;
                for (auto& job : taken) {
                    seen.insert(job.id);
                    CHECK(value_of(co_await succeed(*store, name, job)).kind == finish_kind::recorded);
                }
            }
        };
        co_await all(stores, one);
        CHECK(seen.size() == 100);
        CHECK(std::set<std::string>(seen.begin(), seen.end()).size() == 100);
        CHECK(value_of(co_await counts(s)).finished == 100);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: it knows exactly the transitions of docs/job_states.md", Fixture,
                          contract_table) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    const std::set<transition> documented = documented_transitions(fixture.open()->shared_with_rq());
    std::set<std::string> steps;
    for (const auto& [from, step, to] : documented) steps.insert(step);
    REQUIRE(steps.size() >= 15);
    std::set<transition> seen;
    // Steps that let time go by come last, the one that waits longest as the very last.
    auto passes_time = [](const std::string& step) {
        return step == "maintain" ? 2 : step.ends_with("is over") ? 1 : 0;
    };
    std::vector<std::string> in_order(steps.begin(), steps.end());
    std::sort(in_order.begin(), in_order.end(), [&](const std::string& a, const std::string& b) {
        return std::pair(passes_time(a), a) < std::pair(passes_time(b), b);
    });
    on_new(fixture, [&](job_store& s) -> task<> {
        int number = 0;
        for (const std::string& step : in_order)
            for (const std::string& from : table_states) {
                const std::string n = std::to_string(++number);
                try_of_step t{"job" + n, "queue" + n, "worker" + n, "watcher" + n, {}, {}, step};
                co_await bring_to(s, t, from);
                const std::string before = co_await state_of(s, t.id);
                CHECK_MESSAGE(before == from, step);
                auto attempt = [&]() -> task<> { co_await make_step(fixture, s, t); };
                const std::error_code refused = co_await code_of(attempt);
                const std::string after = co_await state_of(s, t.id);
                if (after != from) seen.insert({from, step, after});
                if (refused) {
                    CHECK_MESSAGE(after == from, from, " | ", step);
                    const bool in_words_of_jobs = refused == job_errc::wrong_state ||
                                                  refused == job_errc::no_such_job ||
                                                  refused == job_errc::id_in_use;
                    CHECK_MESSAGE(in_words_of_jobs, from, " | ", step, ": ", refused.message());
                }
            }
    });
    std::set<transition> only_code;
    std::set<transition> only_document;
    std::set_difference(seen.begin(), seen.end(), documented.begin(), documented.end(),
                        std::inserter(only_code, only_code.end()));
    std::set_difference(documented.begin(), documented.end(), seen.begin(), seen.end(),
                        std::inserter(only_document, only_document.end()));
    CHECK_MESSAGE(only_code.empty(), "only in the code:", in_words(only_code));
    CHECK_MESSAGE(only_document.empty(), "only in docs/job_states.md:", in_words(only_document));
}

TEST_CASE_TEMPLATE_DEFINE("store: times that no clock can hold count as the longest", Fixture,
                          contract_longest) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        job_record j = new_job("a");
        j.timeout = seconds::max();
        j.ttl = j.result_ttl = j.failure_ttl = seconds::max();
        co_await put(s, j);
        std::vector<job_record> taken = co_await take(s, "w");
        REQUIRE(taken.size() == 1);  // and has not expired while it waited
        CHECK(taken[0].timeout > seconds(0));
        finish_answer answer = co_await succeed(s, "w", taken[0]);
        CHECK(answer.kind == finish_kind::recorded);
        j.id = "b";
        j.retries_left = 1;
        j.retry_intervals = {seconds::max()};
        co_await put(s, j);
        taken = co_await take(s, "w");
        REQUIRE(taken.size() == 1);
        answer = co_await fail(s, "w", taken[0]);
        CHECK(answer.kind == finish_kind::scheduled);
        REQUIRE(answer.due_at.has_value());
        CHECK(*answer.due_at > in_a_while());
        fixture.advance(seconds(24 * 3600));
        co_await s.maintain("w", {"default"}, true);
        for (const char* id : {"a", "b"}) {
            const std::optional<job_record> kept = co_await s.fetch(id);
            REQUIRE_MESSAGE(kept.has_value(), id);
            CHECK(kept->status == (kept->id == "a" ? job_status::finished : job_status::scheduled));
        }
    });
}

#include "contract/store_contract_commands.hpp"
#include "contract/store_contract_dependencies.hpp"

#define SIMUL_STORE_CONTRACT(Fixture)                       \
    SIMUL_STORE_CONTRACT_COMMANDS(Fixture);                 \
    SIMUL_STORE_CONTRACT_DEPENDENCIES(Fixture);             \
    TEST_CASE_TEMPLATE_INVOKE(contract_lifecycle, Fixture); \
    TEST_CASE_TEMPLATE_INVOKE(contract_repeat, Fixture);    \
    TEST_CASE_TEMPLATE_INVOKE(contract_ids, Fixture);       \
    TEST_CASE_TEMPLATE_INVOKE(contract_order, Fixture);     \
    TEST_CASE_TEMPLATE_INVOKE(contract_retries, Fixture);   \
    TEST_CASE_TEMPLATE_INVOKE(contract_lifetimes, Fixture); \
    TEST_CASE_TEMPLATE_INVOKE(contract_longest, Fixture);   \
    TEST_CASE_TEMPLATE_INVOKE(contract_cancel, Fixture);    \
    TEST_CASE_TEMPLATE_INVOKE(contract_death, Fixture);     \
    TEST_CASE_TEMPLATE_INVOKE(contract_alive, Fixture);     \
    TEST_CASE_TEMPLATE_INVOKE(contract_poison, Fixture);    \
    TEST_CASE_TEMPLATE_INVOKE(contract_names, Fixture);     \
    TEST_CASE_TEMPLATE_INVOKE(contract_waiting, Fixture);   \
    TEST_CASE_TEMPLATE_INVOKE(contract_suspend, Fixture);   \
    TEST_CASE_TEMPLATE_INVOKE(contract_overview, Fixture);  \
    TEST_CASE_TEMPLATE_INVOKE(contract_race, Fixture);      \
    TEST_CASE_TEMPLATE_INVOKE(contract_table, Fixture)
