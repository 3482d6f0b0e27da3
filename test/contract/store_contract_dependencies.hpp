#pragma once

// Part of store_contract.hpp, which has the helpers: what every store promises about jobs that wait for
// others.

namespace simul::contract {

using id_list = std::vector<std::string>;

/// The words between the commas. (g++ 14 does not compile a braced list of strings in an expression with
/// co_await.)
inline id_list listed(std::string_view text) {
    id_list words;
    for (;;) {
        const std::size_t end = text.find(',');
        words.emplace_back(text.substr(0, end));
        if (end == text.npos) return words;
        text.remove_prefix(end + 1);
    }
}

inline job_record new_dependent(std::string id, id_list depends_on, bool allow_failures = false) {
    job_record j = new_job(std::move(id));
    j.depends_on = std::move(depends_on);
    j.allow_dependency_failures = allow_failures;
    return j;
}

/// Ids that the worker "w" is given now, in their order; they run until they are finished by end_run().
struct runs {
    std::vector<job_record> jobs;
    id_list ids() const {
        id_list out;
        for (const job_record& j : jobs) out.push_back(j.id);
        return out;
    }
};

inline task<id_list> take_all(job_store& s, runs& running) {
    std::vector<job_record> taken = co_await take(s, "w", 100);
    id_list ids;
    for (job_record& j : taken) {
        ids.push_back(j.id);
        running.jobs.push_back(std::move(j));
    }
    co_return ids;
}

inline task<void> end_run(job_store& s, const runs& running, std::string id, bool success = true) {
    auto found = std::find_if(running.jobs.rbegin(), running.jobs.rend(),
                              [&](const job_record& j) { return j.id == id; });
    REQUIRE(found != running.jobs.rend());
    if (success)
        co_await succeed(s, "w", *found);
    else
        co_await fail(s, "w", *found);
}

}  // namespace simul::contract

TEST_CASE_TEMPLATE_DEFINE("store: a job waits until all that it depends on have finished", Fixture,
                          contract_dependencies) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        // A diamond with a tail: top, left and right of it, bottom of both, then last.
        const id_list top{"top"};
        const id_list sides{"left", "right"};
        const id_list bottom{"bottom"};
        co_await put(s, new_job("top"));
        co_await put(s, new_dependent("left", top));
        co_await put(s, new_dependent("right", top));
        co_await put(s, new_dependent("bottom", sides));
        co_await put(s, new_dependent("last", bottom));
        queue_counts q = co_await counts(s);
        CHECK(q.queued == 1);
        CHECK(q.deferred == 4);
        id_list deferred = co_await s.list("default", job_status::deferred, 10);
        CHECK(deferred.size() == 4);
        auto record = co_await s.fetch("bottom");
        REQUIRE(record.has_value());
        CHECK(record->status == job_status::deferred);
        CHECK(record->depends_on == sides);
        CHECK(!record->allow_dependency_failures);
        CHECK(!record->enqueued_at.has_value());
        id_list waiting = co_await s.dependents("top", 10);
        std::sort(waiting.begin(), waiting.end());
        CHECK(waiting == sides);
        CHECK(value_of(co_await s.dependents("top", 1)).size() == 1);
        CHECK(value_of(co_await s.dependents("last", 10)).empty());

        runs running;
        CHECK(value_of(co_await take_all(s, running)) == top);
        CHECK(value_of(co_await take_all(s, running)).empty());
        co_await end_run(s, running, "top");
        CHECK(value_of(co_await take_all(s, running)) == sides);
        CHECK(value_of(co_await s.dependents("top", 10)).empty());
        co_await end_run(s, running, "right");
        CHECK(value_of(co_await take_all(s, running)).empty());
        co_await end_run(s, running, "right");  // the answer was lost: sent again
        CHECK(value_of(co_await s.fetch("bottom"))->status == job_status::deferred);
        co_await end_run(s, running, "left");
        CHECK(value_of(co_await take_all(s, running)) == bottom);
        CHECK(running.jobs.back().depends_on == sides);
        co_await end_run(s, running, "bottom");
        CHECK(value_of(co_await take_all(s, running)) == listed("last"));
        co_await end_run(s, running, "last");
        q = co_await counts(s);
        CHECK(q.finished == 5);
        CHECK(q.deferred == 0);
        CHECK(q.queued == 0);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a job whose dependencies have ended goes to its queue at once", Fixture,
                          contract_dependencies_ended) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        co_await put(s, new_job("good"));
        co_await put(s, new_job("bad"));
        runs running;
        co_await take_all(s, running);
        co_await end_run(s, running, "good");
        co_await end_run(s, running, "bad", false);
        const id_list good{"good"};
        const id_list both{"good", "bad"};
        job_record next = new_dependent("next", good);
        co_await put(s, next);
        co_await put(s, new_dependent("needs both", both));
        co_await put(s, new_dependent("takes failures", both, true));
        CHECK(value_of(co_await take_all(s, running)) == listed("next,takes failures"));
        CHECK(value_of(co_await s.fetch("next"))->depends_on == good);
        CHECK(value_of(co_await s.fetch("takes failures"))->allow_dependency_failures);
        CHECK(value_of(co_await s.fetch("needs both"))->status == job_status::deferred);
        // The answer was lost for so long that the dependency is gone: still it is the same call.
        co_await s.remove("good");
        co_await put(s, next);
        CHECK(value_of(co_await take_all(s, running)).empty());
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a failed dependency holds a job back until it has finished after all",
                          Fixture, contract_dependency_fails) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        job_record parent = new_job("parent");
        parent.retries_left = 1;
        parent.failure_ttl = seconds(60);
        co_await put(s, parent);
        const id_list on_parent{"parent"};
        co_await put(s, new_job("other"));
        co_await put(s, new_dependent("strict", on_parent));
        job_record tolerant = new_dependent("tolerant", on_parent, true);
        tolerant.at_front = true;
        co_await put(s, tolerant);
        runs running;
        CHECK(value_of(co_await take_all(s, running)) == listed("parent,other"));
        co_await put(s, new_job("waits"));
        co_await end_run(s, running, "parent", false);  // tried again: that is no end
        CHECK(value_of(co_await counts(s)).deferred == 2);
        std::vector<job_record> other(1, running.jobs[1]);
        co_await hand_back(s, "w", other);
        running.jobs.clear();
        CHECK(value_of(co_await take_all(s, running)) == listed("other,waits,parent"));
        co_await put(s, new_job("behind"));
        co_await end_run(s, running, "parent", false);
        CHECK(value_of(co_await s.fetch("strict"))->status == job_status::deferred);
        CHECK(value_of(co_await take_all(s, running)) == listed("tolerant,behind"));
        // What is known of who waits lives as long as the record, which a requeue keeps.
        fixture.advance(seconds(40));
        co_await s.requeue("parent");
        fixture.advance(seconds(40));
        const id_list queues{"default"};
        co_await s.maintain("w", queues, true);
        CHECK(value_of(co_await s.dependents("parent", 10)) == listed("strict"));
        CHECK(value_of(co_await take_all(s, running)) == on_parent);
        co_await end_run(s, running, "parent");
        CHECK(value_of(co_await take_all(s, running)) == listed("strict"));
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: dependents are released by an end that leaves no record", Fixture,
                          contract_dependency_discarded) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        job_record good = new_job("good");
        good.result_ttl = seconds(0);
        job_record bad = new_job("bad");
        bad.failure_ttl = seconds(0);
        co_await put(s, good);
        co_await put(s, bad);
        const id_list on_good{"good"};
        const id_list on_bad{"bad"};
        co_await put(s, new_dependent("a", on_good));
        co_await put(s, new_dependent("b", on_bad));
        co_await put(s, new_dependent("c", on_bad, true));
        runs running;
        co_await take_all(s, running);
        co_await end_run(s, running, "good");
        co_await end_run(s, running, "bad", false);
        CHECK(!value_of(co_await s.fetch("good")).has_value());
        CHECK(!value_of(co_await s.fetch("bad")).has_value());
        CHECK(value_of(co_await take_all(s, running)) == listed("a,c"));
        // It can never be met: nothing waits on the gone.
        CHECK(value_of(co_await s.fetch("b"))->status == job_status::canceled);
        CHECK(value_of(co_await counts(s)).deferred == 0);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a dependency set aside after its workers' deaths has failed", Fixture,
                          contract_dependency_poison) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        co_await join(s, "dies");
        co_await put(s, new_job("poison"));
        const id_list on_poison{"poison"};
        co_await put(s, new_dependent("strict", on_poison));
        co_await put(s, new_dependent("tolerant", on_poison, true));
        REQUIRE(value_of(co_await take(s, "dies")).size() == 1);
        worker_record seen = co_await look_at(s, "w", "dies");
        recover_request r = death_of(seen);
        r.deaths_max = 1;
        CHECK(value_of(co_await s.recover(r)).failed == on_poison);
        runs running;
        CHECK(value_of(co_await take_all(s, running)) == listed("tolerant"));
        CHECK(value_of(co_await s.fetch("strict"))->status == job_status::deferred);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a canceled dependency holds jobs back, or lets them go if that is asked",
                          Fixture, contract_dependency_canceled) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        for (const char* id : {"a", "b", "c"}) co_await put(s, new_job(id));
        const id_list on_a{"a"};
        const id_list on_b{"b"};
        const id_list on_both{"b", "c"};
        co_await put(s, new_dependent("after a", on_a));
        co_await put(s, new_dependent("after b", on_b));
        co_await put(s, new_dependent("after both", on_both));
        co_await s.cancel("a");
        CHECK(value_of(co_await s.fetch("after a"))->status == job_status::deferred);
        co_await s.cancel("b", true);
        runs running;
        CHECK(value_of(co_await take_all(s, running)) == listed("c,after b"));
        CHECK(value_of(co_await s.fetch("after both"))->status == job_status::deferred);
        co_await end_run(s, running, "c");
        CHECK(value_of(co_await take_all(s, running)) == listed("after both"));
        // A second cancel is refused, but where it lets the dependents go.
        auto again = [&]() -> task<> { co_await s.cancel("a"); };
        CHECK(value_of(co_await code_of(again)) == job_errc::wrong_state);
        co_await s.requeue("a");
        CHECK(value_of(co_await take_all(s, running)) == on_a);
        co_await s.cancel("a");  // while it runs: what it returns does not count
        co_await end_run(s, running, "a");
        CHECK(value_of(co_await s.fetch("after a"))->status == job_status::deferred);
        co_await s.cancel("a", true);
        CHECK(value_of(co_await s.fetch("a"))->status == job_status::canceled);
        CHECK(value_of(co_await take_all(s, running)) == listed("after a"));
        co_await s.cancel("a", true);  // repeated: nothing is left to do
        CHECK(value_of(co_await take_all(s, running)).empty());
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a deferred job that was canceled is deferred again when it is requeued",
                          Fixture, contract_dependent_canceled) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        co_await put(s, new_job("parent"));
        const id_list on_parent{"parent"};
        for (const char* id : {"a", "b", "c"}) {
            co_await put(s, new_dependent(id, on_parent));
            co_await s.cancel(id);
        }
        queue_counts q = co_await counts(s);
        CHECK(q.deferred == 0);
        CHECK(q.canceled == 3);
        co_await s.requeue("a");
        CHECK(value_of(co_await s.fetch("a"))->status == job_status::deferred);
        q = co_await counts(s);
        CHECK(q.deferred == 1);
        CHECK(q.canceled == 2);
        runs running;
        CHECK(value_of(co_await take_all(s, running)) == on_parent);
        co_await end_run(s, running, "parent");
        CHECK(value_of(co_await take_all(s, running)) == listed("a"));
        CHECK(value_of(co_await s.fetch("b"))->status == job_status::canceled);
        co_await s.requeue("b");  // what it waited for has finished meanwhile
        CHECK(value_of(co_await take_all(s, running)) == listed("b"));
        co_await s.remove("parent");
        co_await s.requeue("c");
        CHECK(value_of(co_await take_all(s, running)) == listed("c"));
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: no job waits for one that is gone", Fixture, contract_dependency_gone) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        const id_list queues{"default"};
        co_await join(s, "w");
        job_record expires = new_job("expires");
        expires.failure_ttl = seconds(100);
        co_await put(s, expires);
        co_await put(s, new_job("finishes"));
        runs running;
        co_await take_all(s, running);
        co_await put(s, new_job("removed"));
        co_await put(s, new_job("stays"));
        const id_list on_removed{"removed", "stays"};
        const id_list on_expires{"expires"};
        const id_list on_finishes{"finishes", "stays"};
        co_await put(s, new_dependent("a", on_removed));
        co_await put(s, new_dependent("b", on_expires));
        co_await put(s, new_dependent("c", on_finishes));
        co_await end_run(s, running, "expires", false);
        co_await end_run(s, running, "finishes");
        co_await s.remove("removed");
        CHECK(value_of(co_await s.fetch("a"))->status == job_status::canceled);
        CHECK(value_of(co_await s.fetch("b"))->status == job_status::deferred);
        fixture.advance(seconds(600));
        co_await s.maintain("w", queues, true);
        CHECK(!value_of(co_await s.fetch("expires")).has_value());
        CHECK(value_of(co_await s.fetch("b"))->status == job_status::canceled);
        // A finished one counts, also when its record has expired.
        CHECK(!value_of(co_await s.fetch("finishes")).has_value());
        CHECK(value_of(co_await s.fetch("c"))->status == job_status::deferred);
        CHECK(value_of(co_await take_all(s, running)) == listed("stays"));
        co_await end_run(s, running, "stays");
        CHECK(value_of(co_await take_all(s, running)) == listed("c"));
        co_await s.requeue("a");
        CHECK(value_of(co_await take_all(s, running)) == listed("a"));
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a deferred job's waiting time begins when it goes to its queue", Fixture,
                          contract_deferred_ttl) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        const id_list queues{"default"};
        const id_list on_parent{"parent"};
        co_await join(s, "w");
        co_await put(s, new_job("parent"));
        job_record brief = new_dependent("brief", on_parent);
        brief.ttl = seconds(50);
        co_await put(s, brief);
        fixture.advance(seconds(100));
        co_await s.maintain("w", queues, true);
        runs running;
        CHECK(value_of(co_await take_all(s, running)) == on_parent);
        co_await end_run(s, running, "parent");
        CHECK(value_of(co_await s.fetch("brief"))->status == job_status::queued);
        fixture.advance(seconds(51));
        co_await s.maintain("w", queues, true);
        CHECK(value_of(co_await take_all(s, running)).empty());
        CHECK(!value_of(co_await s.fetch("brief")).has_value());
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: dependencies that cannot be met are refused, and nothing is stored",
                          Fixture, contract_dependencies_refused) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        std::string said;
        auto refused = [&](std::vector<job_record> jobs, job_errc code, id_list words) -> task<> {
            std::error_code got;
            said.clear();
            try {
                co_await s.enqueue(jobs);
            } catch (const std::system_error& e) {
                got = e.code();
                said = e.what();
            }
            CHECK_MESSAGE(got == code, said);
            for (const std::string& word : words) CHECK_MESSAGE(said.find(word) != said.npos, said);
        };
        auto list = [](auto... jobs) {
            std::vector<job_record> all;
            (all.push_back(std::move(jobs)), ...);
            return all;
        };
        auto on = [](std::string id, auto... others) {
            return new_dependent(std::move(id), id_list{std::string(others)...});
        };
        id_list words{"job a depends on never", "there is no record"};
        std::vector<job_record> jobs = list(new_job("fresh"), on("a", "never"));
        co_await refused(jobs, job_errc::no_such_job, words);
        words = {"job a would wait for itself: a -> a"};
        jobs = list(new_job("fresh"), on("a", "fresh", "a"));
        co_await refused(jobs, job_errc::dependency_cycle, words);
        words = {"job a depends on fresh", "put fresh before it"};
        jobs = list(on("a", "fresh"), new_job("fresh"));
        co_await refused(jobs, job_errc::no_such_job, words);
        words = {"job a would wait for itself: a -> b -> c -> a"};
        jobs = list(on("a", "b"), on("b", "c"), on("c", "a"));
        co_await refused(jobs, job_errc::dependency_cycle, words);
        words = {"two jobs of one enqueue have the id a"};
        jobs = list(new_job("fresh"), new_job("a"), new_job("a"));
        co_await refused(jobs, job_errc::id_in_use, words);
        job_record later = on("a", "fresh");
        later.due_at = in_a_while();
        words = {"job a is delayed and depends on other jobs"};
        jobs = list(new_job("fresh"), later);
        co_await refused(jobs, job_errc::invalid_option, words);
        job_record many = new_job("a");
        for (std::size_t i = 0; i <= job_dependencies_max; ++i)
            many.depends_on.push_back("d" + std::to_string(i));
        words = {"job a depends on 1001 jobs", "job_dependencies_max, 1000"};
        jobs = list(new_job("fresh"), many);
        co_await refused(jobs, job_errc::invalid_option, words);
        for (const char* id : {"fresh", "a", "b", "c"}) CHECK(!value_of(co_await s.fetch(id)).has_value());
        CHECK(value_of(co_await counts(s)).queued == 0);

        // An id that is used again while others wait for it.
        co_await put(s, new_job("x"));
        co_await put(s, on("y", "x"));
        co_await put(s, on("z", "y"));
        runs running;
        co_await take_all(s, running);
        co_await end_run(s, running, "x", false);
        words = {"job x would wait for itself: x -> z -> y -> x"};
        jobs = list(on("x", "z"));
        co_await refused(jobs, job_errc::dependency_cycle, words);
        CHECK(value_of(co_await s.fetch("x"))->status == job_status::failed);
        co_await put(s, new_job("w"));
        co_await put(s, on("x", "w"));
        CHECK(value_of(co_await s.fetch("x"))->status == job_status::deferred);
        for (const char* id : {"w", "x", "y", "z"}) {
            CHECK(value_of(co_await take_all(s, running)) == listed(id));
            co_await end_run(s, running, id);
        }
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: jobs of one enqueue may depend on those before them", Fixture,
                          contract_dependencies_batch) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        std::vector<job_record> jobs;
        id_list expected;
        for (int i = 0; i < 20; ++i) {
            const std::string id = "j" + std::to_string(i);
            job_record j = new_job(id);
            if (i != 0) j.depends_on = {expected.back()};
            expected.push_back(id);
            jobs.push_back(std::move(j));
        }
        auto receipts = co_await s.enqueue(jobs);
        CHECK(receipts.size() == 20);
        co_await s.enqueue(jobs);  // the answer was lost
        queue_counts q = co_await counts(s);
        CHECK(q.queued == 1);
        CHECK(q.deferred == 19);
        runs running;
        for (std::size_t i = 0; i < 20; ++i) {
            CHECK(value_of(co_await take_all(s, running)) == listed(expected[i]));
            if (i == 10) co_await s.enqueue(jobs);  // and once more, when some have ended and one runs
            co_await end_run(s, running, expected[i]);
        }
        CHECK(value_of(co_await take_all(s, running)).empty());
        CHECK(value_of(co_await counts(s)).finished == 20);
        CHECK(running.ids() == expected);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: dependencies that end at once on two workers release a job once", Fixture,
                          contract_dependencies_race) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        constexpr int rounds = 30;
        std::unique_ptr<job_store> other = s.sibling();
        co_await join(s, "w");
        const id_list first_queue{"first"};
        const id_list second_queue{"second"};
        co_await join(s, "one", first_queue);
        co_await join(*other, "two", second_queue);
        for (int i = 0; i < rounds; ++i) {
            const std::string n = std::to_string(i);
            const id_list parents{"a" + n, "b" + n};
            co_await put(s, new_job(parents[0], "first"));
            co_await put(s, new_job(parents[1], "second"));
            co_await put(s, new_dependent("c" + n, parents));
            auto a = co_await take(s, "one", 1, first_queue);
            auto b = co_await take(*other, "two", 1, second_queue);
            REQUIRE(a.size() == 1);
            REQUIRE(b.size() == 1);
            auto end = [](job_store& store, std::string worker, job_record job) -> task<> {
                co_await succeed(store, worker, job);
            };
            co_await all(end(s, "one", a[0]), end(*other, "two", b[0]));
            runs running;
            CHECK(value_of(co_await take_all(s, running)) == listed("c" + n));
            co_await end_run(s, running, "c" + n);
        }
        CHECK(value_of(co_await counts(s)).finished == rounds);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a job is not lost when its dependency ends while it is enqueued", Fixture,
                          contract_dependency_registration) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        constexpr int rounds = 30;
        std::unique_ptr<job_store> other = s.sibling();
        co_await join(s, "w");
        const id_list first_queue{"first"};
        co_await join(*other, "one", first_queue);
        for (int i = 0; i < rounds; ++i) {
            const std::string n = std::to_string(i);
            const id_list parent{"a" + n};
            co_await put(s, new_job(parent[0], "first"));
            auto a = co_await take(*other, "one", 1, first_queue);
            REQUIRE(a.size() == 1);
            auto ends = [&]() -> task<> { co_await succeed(*other, "one", a[0]); };
            auto asks = [&]() -> task<> { co_await put(s, new_dependent("c" + n, parent)); };
            // In both orders: which of them comes first is the store's affair.
            if (i % 2 == 0)
                co_await all(ends(), asks());
            else
                co_await all(asks(), ends());
            runs running;
            CHECK(value_of(co_await take_all(s, running)) == listed("c" + n));
            co_await end_run(s, running, "c" + n);
        }
        CHECK(value_of(co_await counts(s)).finished == rounds);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a worker that waits is woken when a job is released to its queue", Fixture,
                          contract_dependency_wakes) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        std::unique_ptr<job_store> other = s.sibling();
        const id_list first_queue{"first"};
        const id_list default_queue{"default"};
        const id_list parent{"parent"};
        co_await join(s, "w");
        co_await join(*other, "one", first_queue);
        co_await put(s, new_job("parent", "first"));
        co_await put(s, new_dependent("child", parent));
        auto taken = co_await take(*other, "one", 1, first_queue);
        REQUIRE(taken.size() == 1);
        auto start = clock::now();
        auto waits = [&]() -> task<> {
            co_await s.wait_for_work(default_queue, std::chrono::milliseconds(60'000));
            runs running;
            CHECK(value_of(co_await take_all(s, running)) == listed("child"));
        };
        auto ends = [&]() -> task<> {
            co_await sleep_for(std::chrono::milliseconds(50));
            co_await succeed(*other, "one", taken[0]);
        };
        co_await all(waits(), ends());
        CHECK(clock::now() - start < std::chrono::seconds(30));
    });
}

#define SIMUL_STORE_CONTRACT_DEPENDENCIES(Fixture)                        \
    TEST_CASE_TEMPLATE_INVOKE(contract_dependencies, Fixture);            \
    TEST_CASE_TEMPLATE_INVOKE(contract_dependencies_ended, Fixture);      \
    TEST_CASE_TEMPLATE_INVOKE(contract_dependency_fails, Fixture);        \
    TEST_CASE_TEMPLATE_INVOKE(contract_dependency_discarded, Fixture);    \
    TEST_CASE_TEMPLATE_INVOKE(contract_dependency_poison, Fixture);       \
    TEST_CASE_TEMPLATE_INVOKE(contract_dependency_canceled, Fixture);     \
    TEST_CASE_TEMPLATE_INVOKE(contract_dependent_canceled, Fixture);      \
    TEST_CASE_TEMPLATE_INVOKE(contract_dependency_gone, Fixture);         \
    TEST_CASE_TEMPLATE_INVOKE(contract_deferred_ttl, Fixture);            \
    TEST_CASE_TEMPLATE_INVOKE(contract_dependencies_refused, Fixture);    \
    TEST_CASE_TEMPLATE_INVOKE(contract_dependencies_batch, Fixture);      \
    TEST_CASE_TEMPLATE_INVOKE(contract_dependencies_race, Fixture);       \
    TEST_CASE_TEMPLATE_INVOKE(contract_dependency_registration, Fixture); \
    TEST_CASE_TEMPLATE_INVOKE(contract_dependency_wakes, Fixture)
