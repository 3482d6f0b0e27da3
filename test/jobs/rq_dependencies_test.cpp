// Jobs that wait for others, beside the real python3-rq: each side depends on what the other one runs.

#include <simul/codec/json.hpp>
#include <simul/core/all.hpp>
#include <simul/jobs/error.hpp>
#include <simul/jobs/job_queue.hpp>
#include <simul/jobs/worker.hpp>
#include <simul/loop/blocking.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/redis/client.hpp>

#include "jobs/rq_peer.hpp"
#include "redis/test_server.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

using namespace simul;
using simul::testing::peer;
using simul::testing::redis_server;
using simul::testing::rq_enqueues;
using simul::testing::rq_worker;
using std::chrono::seconds;

namespace {

inline constexpr job<value(value)> echo{"m.echo", {"value"}};
inline constexpr job<int(int)> shaky{"m.shaky", {"n"}};
inline constexpr job<int(int, int)> add{"rq_tasks.add"};
inline constexpr job<int(std::string)> count_run{"rq_tasks.count", {"key"}};
inline constexpr job<std::string(std::string)> need{"rq_tasks.need", {"key"}};

/// Runs what this side knows, to the end; `well` decides whether shaky() returns.
std::vector<value> run_here(const redis_server& server, bool well = true,
                            std::vector<std::string> queues = {"default"}) {
    std::vector<value> order;
    worker_options o;
    o.burst = true;
    o.concurrency = 1;
    o.queues = std::move(queues);
    o.log = [](std::string_view) {};
    loop l;
    l.run([&]() -> task<> {
        worker w(server.url(), o);
        w.handle(echo, [&order](value v) -> task<value> {
            order.push_back(v);
            co_return v;
        });
        w.handle(shaky, [well](int n) -> task<int> {
            if (!well) throw std::runtime_error("shaky");
            co_return n;
        });
        co_await w.run();
    });
    return order;
}

template <class F>
void with_queue(const redis_server& server, F f) {
    loop l;
    l.run([&]() -> task<> {
        job_queue queue(server.url());
        co_await f(queue);
    });
}

call_options named(std::string id, std::vector<std::string> depends_on = {}, bool allow_failures = false) {
    call_options o;
    o.id = std::move(id);
    o.depends_on = std::move(depends_on);
    o.allow_dependency_failures = allow_failures;
    return o;
}

std::string status_of(const redis_server& server, const std::string& id) {
    return peer(server, {"job", id, "pickle"})["status"].as_string();
}

/// Nothing waits, and no key tells that anything did.
void check_nothing_waits(const redis_server& server) {
    value registries = peer(server, {"registries"});
    CHECK(registries["queued"].as_int() == 0);
    CHECK(registries["deferred"].size() == 0);
    for (const value& key : registries["keys"]) {
        const std::string& name = key.as_string();
        for (const char* part : {":dependents", "rq:deferred:", "rq:ready:"})
            CHECK_MESSAGE(name.find(part) == name.npos, name);
    }
}

}  // namespace

TEST_CASE("what Python enqueues to wait for a job goes to its queue when that job ends here") {
    redis_server server;
    rq_enqueues(server, "a", "m.echo", "(1,)");
    rq_enqueues(server, "b", "m.echo", "(2,)", "{}", "{'depends_on': 'a'}");
    rq_enqueues(server, "c", "m.echo", "(3,)", "{}", "{'depends_on': ['a', 'b']}");
    CHECK(status_of(server, "b") == "deferred");
    CHECK(run_here(server) == std::vector<value>{value(1), value(2), value(3)});
    for (const char* id : {"a", "b", "c"}) CHECK(status_of(server, id) == "finished");
    check_nothing_waits(server);
}

TEST_CASE("what is enqueued here to wait for a job is released by Python's worker") {
    redis_server server;
    with_queue(server, [&](job_queue& queue) -> task<> {
        co_await queue.with(named("a")).enqueue(add, 1, 2);
        job_queue after_a = queue.with(named("b", {"a"}, true));
        co_await after_a.enqueue(add, 3, 4);
        job_queue after_both = queue.with(named("c", {"a", "b"}));
        co_await after_both.enqueue(add, 5, 6);
    });
    value a = peer(server, {"dependencies", "a"});
    CHECK(a["dependents"] == json::parse(R"(["b", "c"])"));
    value b = peer(server, {"dependencies", "b"});
    CHECK(b["dependencies"] == json::parse(R"(["a"])"));
    CHECK(b["allow_failures"].as_bool());
    CHECK(!b["met"].as_bool());
    value c = peer(server, {"dependencies", "c"});
    CHECK(c["dependencies"] == json::parse(R"(["a", "b"])"));
    CHECK(!c["allow_failures"].as_bool());
    CHECK(peer(server, {"registries"})["deferred"].size() == 2);
    rq_worker(server);
    for (const char* id : {"a", "b", "c"}) CHECK(status_of(server, id) == "finished");
    value registries = peer(server, {"registries"});
    CHECK(registries["deferred"].size() == 0);
    CHECK(registries["queued"].as_int() == 0);
}

TEST_CASE("jobs enqueued here while Python's worker ends what they wait for run, and run once") {
    constexpr std::size_t pairs = 100;
    redis_server server;
    std::vector<std::string> first;
    for (std::size_t i = 0; i < pairs; ++i) first.push_back(fmt::format("a{}", i));
    with_queue(server, [&](job_queue& queue) -> task<> {
        std::vector<prepared_job<int>> jobs;
        for (const std::string& id : first) jobs.push_back(queue.with(named(id)).prepare(add, 1, 1));
        co_await queue.enqueue_many(std::move(jobs));
        auto works = [&]() -> task<> {
            co_await blocking([&] { rq_worker(server, "-w rq.worker.SimpleWorker"); });
        };
        auto asks = [&]() -> task<> {
            std::unique_ptr<job_store> store = open_store(server.url());
            for (std::size_t i = 0; i < pairs; ++i) {
                // As soon as this one runs, or some have passed.
                for (int look = 0; look < 2'000; ++look) {
                    auto record = co_await store->fetch(first[i]);
                    if (record && record->status != job_status::queued) break;
                    co_await sleep_for(std::chrono::milliseconds(1));
                }
                call_options o = named(fmt::format("b{}", i));
                o.depends_on = {first[i]};
                job_queue after = queue.with(o);
                co_await after.enqueue(count_run, fmt::format("ran{}", i));
            }
        };
        co_await all(works(), asks());
    });
    rq_worker(server, "-w rq.worker.SimpleWorker");  // those released when the first one had ended
    with_queue(server, [&](job_queue& queue) -> task<> {
        redis::client_options to;
        to.socket = server.socket();
        redis::client db(to);
        for (std::size_t i = 0; i < pairs; ++i) {
            auto record = co_await queue.find<int>(fmt::format("b{}", i)).record();
            REQUIRE(record.has_value());
            CHECK_MESSAGE(record->status == job_status::finished, record->id);
            redis::reply times = co_await db.command("GET", fmt::format("ran{}", i));
            CHECK_MESSAGE(times.as_optional_string() == "1", record->id);
        }
    });
    CHECK(peer(server, {"registries"})["deferred"].size() == 0);
}

TEST_CASE("a job that waits for one job here and one in Python is released by the second, whichever it is") {
    redis_server server;
    with_queue(server, [&](job_queue& queue) -> task<> {
        job_queue here(queue.store(), "here");
        job_queue there(queue.store(), "there");
        co_await there.with(named("python1")).enqueue(add, 1, 2);
        co_await there.with(named("python2")).enqueue(add, 1, 2);
        co_await here.with(named("simul1")).enqueue(echo, value(1));
        co_await here.with(named("simul2")).enqueue(echo, value(1));
        job_queue python_last = queue.with(named("b1", {"python1", "simul1"}));
        co_await python_last.enqueue(echo, value("b1"));
    });
    rq_enqueues(server, "b2", "m.echo", "('b2',)", "{}", "{'depends_on': ['python2', 'simul2']}");
    rq_worker(server, "there");
    CHECK(status_of(server, "b1") == "deferred");
    CHECK(status_of(server, "b2") == "deferred");
    run_here(server, true, {"here"});
    CHECK(status_of(server, "b1") == "queued");
    CHECK(status_of(server, "b2") == "queued");
    with_queue(server, [&](job_queue& queue) -> task<> {
        job_queue there(queue.store(), "there");
        job_queue here(queue.store(), "here");
        co_await here.with(named("simul3")).enqueue(echo, value(1));
        co_await there.with(named("python3")).enqueue(add, 1, 2);
        job_queue last = queue.with(named("b3", {"simul3", "python3"}));
        co_await last.enqueue(echo, value("b3"));
    });
    run_here(server, true, {"here"});
    CHECK(status_of(server, "b3") == "deferred");
    rq_worker(server, "there");
    CHECK(run_here(server) == std::vector<value>{value("b1"), value("b2"), value("b3")});
}

TEST_CASE("a failure holds back those who do not allow it, on both sides, until it has finished after all") {
    redis_server server;
    // Fails here; Python's jobs wait.
    rq_enqueues(server, "a", "m.shaky", "(1,)");
    rq_enqueues(server, "strict", "m.echo", "('strict',)", "{}", "{'depends_on': 'a'}");
    rq_enqueues(server, "waits", "rq_tasks.add", "(1, 2)");
    rq_enqueues(server, "tolerant", "m.echo", "('tolerant',)", "{}",
                "{'depends_on': Dependency(['a'], allow_failure=True, enqueue_at_front=True)}");
    CHECK(run_here(server, false) == std::vector<value>{value("tolerant")});
    CHECK(status_of(server, "a") == "failed");
    CHECK(status_of(server, "strict") == "deferred");
    CHECK(peer(server, {"requeue", "a"}) == value("ok"));
    CHECK(run_here(server) == std::vector<value>{value("strict")});
    // Fails in Python; jobs of here wait.
    with_queue(server, [&](job_queue& queue) -> task<> {
        co_await queue.with(named("p")).enqueue(need, "key");
        job_queue strict = queue.with(named("strict2", {"p"}));
        co_await strict.enqueue(echo, value("strict2"));
        job_queue tolerant = queue.with(named("tolerant2", {"p"}, true));
        co_await tolerant.enqueue(echo, value("tolerant2"));
    });
    rq_worker(server, "--max-jobs 2");  // "waits" and "p"
    CHECK(status_of(server, "p") == "failed");
    CHECK(run_here(server) == std::vector<value>{value("tolerant2")});
    CHECK(status_of(server, "strict2") == "deferred");
    with_queue(server, [&](job_queue& queue) -> task<> {
        redis::client_options to;
        to.socket = server.socket();
        redis::client db(to);
        co_await db.command("SET", "key", 1);
        co_await queue.store()->requeue("p");
    });
    rq_worker(server, "--max-jobs 1");
    CHECK(status_of(server, "p") == "finished");
    CHECK(run_here(server) == std::vector<value>{value("strict2")});
    check_nothing_waits(server);
}

TEST_CASE("each side's cancel lets the other one's dependents go, and a canceled dependent stays canceled") {
    redis_server server;
    with_queue(server, [&](job_queue& queue) -> task<> {
        for (const char* id : {"a", "b", "c"}) co_await queue.with(named(id)).enqueue(add, 1, 2);
        job_queue after_a = queue.with(named("ours", {"a"}));
        co_await after_a.enqueue(echo, value("ours"));
        job_queue after_c = queue.with(named("off", {"c"}));
        co_await after_c.enqueue(echo, value("off"));
    });
    rq_enqueues(server, "theirs", "m.echo", "('theirs',)", "{}", "{'depends_on': 'b'}");
    CHECK(peer(server, {"cancel", "a"}) == value("ok"));
    CHECK(status_of(server, "ours") == "queued");
    with_queue(server, [&](job_queue& queue) -> task<> {
        co_await queue.find("b").cancel(true);
        co_await queue.find("off").cancel();
    });
    CHECK(status_of(server, "theirs") == "queued");
    CHECK(run_here(server) == std::vector<value>{value("ours"), value("theirs")});
    rq_worker(server);
    CHECK(status_of(server, "c") == "finished");
    CHECK(status_of(server, "off") == "canceled");
    check_nothing_waits(server);
}

TEST_CASE("what RQ's workers left half released goes on") {
    redis_server server;
    rq_enqueues(server, "a", "m.echo", "('a',)");
    rq_enqueues(server, "ready", "m.echo", "('ready',)", "{}", "{'depends_on': 'a'}");
    rq_enqueues(server, "forgotten", "m.echo", "('forgotten',)", "{}", "{'depends_on': 'a'}");
    loop l;
    l.run([&]() -> task<> {
        redis::client_options to;
        to.socket = server.socket();
        redis::client db(to);
        // A worker of RQ 2.8 that died between its two steps, and an older one that died before its last.
        co_await db.command("HSET", "rq:job:a", "status", "finished");
        co_await db.command("LREM", "rq:queue:default", 1, "a");
        co_await db.command("ZREM", "rq:deferred:default", "ready");
        co_await db.command("HSET", "rq:job:ready", "status", "ready_to_enqueue");
        co_await db.command("ZADD", "rq:ready:default", 1, "ready");
        co_await db.command("DEL", "rq:job:a:dependents");
        store_options later;
        auto shift = std::make_shared<std::chrono::microseconds>(0);
        later.clock_shift = [shift] { return *shift; };
        std::unique_ptr<job_store> store = open_store(server.url(), later);
        std::vector<std::string> queues{"default"};
        co_await store->maintain("nobody", queues, true);
        CHECK((co_await store->fetch("ready"))->status == job_status::queued);
        // It might be registered this very moment, in steps.
        CHECK((co_await store->fetch("forgotten"))->status == job_status::deferred);
        *shift = seconds(61);
        co_await store->maintain("nobody", queues, true);
        CHECK((co_await store->fetch("forgotten"))->status == job_status::queued);
    });
    CHECK(run_here(server) == std::vector<value>{value("ready"), value("forgotten")});
    check_nothing_waits(server);
}
