#pragma once

#include "contract/store_contract.hpp"

#include <set>
#include <string>
#include <vector>

// The part of the store contract that is about whole queues: emptying, requeueing, suspending, listing.
//   SIMUL_STORE_CONTRACT_ADMIN(my_store)

namespace simul::contract {

inline task<void> put_some(job_store& s, const char* ids, std::string queue = "default") {
    for (const char* id = ids; *id != '\0'; ++id) co_await put(s, new_job(std::string(1, *id), queue));
}

inline task<void> fail_some(job_store& s, const char* ids, std::string queue = "default") {
    co_await put_some(s, ids, queue);
    const std::vector<std::string> queues{queue};
    auto taken = co_await take(s, "w", std::string_view(ids).size(), queues);
    REQUIRE(taken.size() == std::string_view(ids).size());
    for (const job_record& job : taken) co_await fail(s, "w", job);
}

/// The ids of the jobs in that state, in the order of their names.
inline task<std::string> all_in(job_store& s, job_status status, std::string queue = "default") {
    auto ids = co_await s.list(std::move(queue), status, 100);
    std::sort(ids.begin(), ids.end());
    std::string text;
    for (const std::string& id : ids) text += id;
    co_return text;
}

}  // namespace simul::contract

TEST_CASE_TEMPLATE_DEFINE("store: a queue is emptied in pieces, and nothing is left of its jobs", Fixture,
                          contract_empty) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        const std::vector<std::string> queues{"default", "other"};
        co_await join(s, "w", queues);
        co_await fail_some(s, "f");
        co_await put(s, new_job("r"));
        CHECK(value_of(co_await take(s, "w")).size() == 1);
        job_record later = new_job("l");
        later.due_at = later.created_at + seconds(1000);
        co_await put(s, later);
        co_await put_some(s, "abcde");
        co_await put_some(s, "o", "other");
        const queue_piece first = co_await s.empty("default", "", 2);
        CHECK(first.done == 2);
        CHECK(value_of(co_await all_in(s, job_status::queued)) == "cde");
        REQUIRE(!first.next.empty());
        // The answer was lost, and the piece is asked for again: the next jobs go, and that is all.
        const queue_piece second = co_await s.empty("default", first.next, 2);
        CHECK(second.done == 2);
        std::size_t rest = 0;
        for (std::string from = first.next; !from.empty();) {
            queue_piece piece = co_await s.empty("default", from, 2);
            rest += piece.done;
            from = piece.next;
        }
        CHECK(rest == 1);
        CHECK(value_of(co_await s.empty("default")).done == 0);
        CHECK(value_of(co_await s.empty("default")).next.empty());
        CHECK(value_of(co_await s.empty("never")).done == 0);
        for (const char* id : {"a", "b", "c", "d", "e"}) CHECK(!value_of(co_await s.fetch(id)).has_value());
        const queue_counts q = co_await counts(s);
        CHECK(q.queued == 0);
        CHECK(q.started == 1);
        CHECK(q.failed == 1);
        CHECK(q.scheduled == 1);
        CHECK(value_of(co_await counts(s, "other")).queued == 1);
        // The ids are free, and a job that was removed is not given out.
        co_await put_some(s, "a");
        const auto taken = co_await take(s, "w", 10);
        REQUIRE(taken.size() == 1);
        CHECK(taken[0].id == "a");
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: jobs that come while a queue is emptied do not prolong it", Fixture,
                          contract_empty_ends) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await put_some(s, "abc");
        std::size_t removed = 0;
        std::string from;
        int steps = 0;
        do {
            queue_piece piece = co_await s.empty("default", from, 1);
            removed += piece.done;
            from = piece.next;
            co_await put(s, new_job("new" + std::to_string(++steps)));
        } while (!from.empty() && steps < 100);
        CHECK(steps < 100);
        CHECK(removed == 3);
        CHECK(value_of(co_await counts(s)).queued == steps);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a piece is never larger than its limit", Fixture, contract_piece_limit) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        std::vector<job_record> many;
        for (std::size_t i = 0; i < jobs_per_piece_max + 1; ++i) many.push_back(new_job());
        co_await s.enqueue(many);
        const queue_piece piece = co_await s.empty("default", "", 1'000'000);
        CHECK(piece.done == jobs_per_piece_max);
        CHECK(!piece.next.empty());
        CHECK(value_of(co_await s.empty("default", piece.next)).done == 1);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: all failed jobs of a queue wait again, in pieces", Fixture,
                          contract_requeue_failed) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        const std::vector<std::string> queues{"default", "other"};
        co_await join(s, "w", queues);
        co_await fail_some(s, "abcde");
        co_await fail_some(s, "o", "other");
        co_await put_some(s, "x");
        co_await s.cancel("x");
        std::size_t done = 0;
        std::vector<std::size_t> sizes;
        std::string from;
        do {
            queue_piece piece = co_await s.requeue_failed("default", from, 2);
            done += piece.done;
            sizes.push_back(piece.done);
            from = piece.next;
        } while (!from.empty());
        CHECK(done == 5);
        CHECK(sizes.size() >= 3);
        CHECK(*std::max_element(sizes.begin(), sizes.end()) == 2);
        CHECK(value_of(co_await all_in(s, job_status::queued)) == "abcde");
        const queue_counts q = co_await counts(s);
        CHECK(q.failed == 0);
        CHECK(q.canceled == 1);
        CHECK(value_of(co_await counts(s, "other")).failed == 1);
        const auto record = co_await s.fetch("a");
        REQUIRE(record.has_value());
        CHECK(record->status == job_status::queued);
        CHECK(!record->ended_at.has_value());
        CHECK(record->deaths == 0);
        CHECK(value_of(co_await s.requeue_failed("default")).done == 0);
        CHECK(value_of(co_await s.requeue_failed("never")).next.empty());
        CHECK(value_of(co_await take(s, "w", 10)).size() == 5);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a job that fails again while the others are requeued is left alone",
                          Fixture, contract_requeue_ends) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        co_await fail_some(s, "abc");
        std::size_t done = 0;
        int steps = 0;
        std::string from;
        do {
            co_await sleep_for(std::chrono::milliseconds(1));  // what fails now ends later
            queue_piece piece = co_await s.requeue_failed("default", from, 1);
            done += piece.done;
            from = piece.next;
            const auto taken = co_await take(s, "w", 10);
            for (const job_record& job : taken) co_await fail(s, "w", job);
        } while (!from.empty() && ++steps < 100);
        CHECK(steps < 100);
        CHECK(done == 3);
        CHECK(value_of(co_await all_in(s, job_status::failed)) == "abc");
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: workers that are suspended for a time are given jobs when it is over",
                          Fixture, contract_suspend_for) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        co_await put_some(s, "ab");
        take_request r;
        r.worker = "w";
        r.queues = {"default"};
        co_await s.set_suspended(true, seconds(600));
        store_overview o = co_await s.overview();
        CHECK(o.suspended);
        REQUIRE(o.suspended_until.has_value());
        CHECK(*o.suspended_until > o.now + seconds(500));
        CHECK(*o.suspended_until <= o.now + seconds(600));
        fixture.advance(seconds(300));
        CHECK(value_of(co_await s.take(r)).suspended);
        heartbeat_request beat;
        beat.worker = "w";
        CHECK(value_of(co_await s.heartbeat(beat)).suspended);
        fixture.advance(seconds(301));
        CHECK(!value_of(co_await s.heartbeat(beat)).suspended);
        CHECK(!value_of(co_await s.overview()).suspended);
        CHECK(!value_of(co_await s.overview()).suspended_until.has_value());
        CHECK(value_of(co_await s.take(r)).jobs.size() == 1);
        // The latest call counts: a time, then none, then resumed.
        co_await s.set_suspended(true, seconds(600));
        co_await s.set_suspended(true);
        fixture.advance(seconds(1000));
        o = co_await s.overview();
        CHECK(o.suspended);
        CHECK(!o.suspended_until.has_value());
        co_await s.set_suspended(true, seconds(600));
        CHECK(value_of(co_await s.overview()).suspended_until.has_value());
        co_await s.set_suspended(false);
        CHECK(value_of(co_await s.take(r)).jobs.size() == 1);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: jobs are listed from the newest to the oldest", Fixture, contract_list) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        // Named, because g++ 14 fails on lists of texts in an expression with co_await.
        const std::vector<std::string> three{"c", "b", "a"};
        const std::vector<std::string> two{"c", "b"};
        const std::vector<std::string> by_time{"late", "soon"};
        co_await join(s, "w");
        co_await put_some(s, "abc");
        CHECK(value_of(co_await s.list("default", job_status::queued, 10)) == three);
        CHECK(value_of(co_await s.list("default", job_status::queued, 2)) == two);
        CHECK(value_of(co_await s.list("default", job_status::queued, 0)).empty());
        CHECK(value_of(co_await s.list("other", job_status::queued, 10)).empty());
        for (int i = 0; i < 3; ++i) {
            auto taken = co_await take(s, "w");
            REQUIRE(taken.size() == 1);
            co_await fail(s, "w", taken[0]);
            fixture.advance(seconds(10));
            co_await sleep_for(std::chrono::milliseconds(1));
        }
        CHECK(value_of(co_await s.list("default", job_status::failed, 10)) == three);
        CHECK(value_of(co_await s.list("default", job_status::failed, 2)) == two);
        job_record soon = new_job("soon");
        soon.due_at = in_a_while();
        co_await put(s, soon);
        job_record late = new_job("late");
        late.due_at = in_a_while() + seconds(100);
        co_await put(s, late);
        CHECK(value_of(co_await s.list("default", job_status::scheduled, 10)) == by_time);
    });
}

#define SIMUL_STORE_CONTRACT_ADMIN(Fixture)                      \
    TEST_CASE_TEMPLATE_INVOKE(contract_empty, Fixture);          \
    TEST_CASE_TEMPLATE_INVOKE(contract_empty_ends, Fixture);     \
    TEST_CASE_TEMPLATE_INVOKE(contract_piece_limit, Fixture);    \
    TEST_CASE_TEMPLATE_INVOKE(contract_requeue_failed, Fixture); \
    TEST_CASE_TEMPLATE_INVOKE(contract_requeue_ends, Fixture);   \
    TEST_CASE_TEMPLATE_INVOKE(contract_suspend_for, Fixture);    \
    TEST_CASE_TEMPLATE_INVOKE(contract_list, Fixture)
