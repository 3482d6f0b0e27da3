// Beside the real python3-rq of the distribution: each side enqueues for the other (functions for Python are
// in test/data/rq_tasks/rq_tasks.py), and RQ's own tools look on.

#include <simul/codec/codec.hpp>
#include <simul/codec/json.hpp>
#include <simul/codec/python_text.hpp>
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
#include <string>
#include <vector>

using namespace simul;
using simul::testing::output_of;
using simul::testing::peer;
using simul::testing::python;
using simul::testing::quoted;
using simul::testing::redis_server;
using simul::testing::rq_enqueues;
using simul::testing::rq_worker;
using std::chrono::seconds;

namespace {

inline constexpr job<std::string(std::string, int, std::string)> greet{
    "rq_tasks.greet", {"name", {"times", 1}, keyword("sign", "!")}};
inline constexpr job<value(value)> echo{"m.echo", {"value"}};
inline constexpr job<value(value)> python_echo{"rq_tasks.echo", {"value"}};
inline constexpr job<int(int, int)> add{"rq_tasks.add"};
inline constexpr job<int(std::string)> python_fail{"rq_tasks.fail"};
inline constexpr job<int(int)> shaky{"m.shaky", {"n"}};

worker_report run_worker(const std::string& url, const std::function<void(worker&)>& add_handlers,
                         worker_options o = {}) {
    o.burst = true;
    if (!o.log) o.log = [](std::string_view) {};
    worker_report report;
    loop l;
    l.run([&]() -> task<> {
        worker w(url, o);
        add_handlers(w);
        report = co_await w.run();
    });
    return report;
}

void echo_handler(worker& w) {
    w.handle(echo, [](value v) -> task<value> { co_return v; });
}

}  // namespace

TEST_CASE("what Python enqueues runs here, and Python reads the result") {
    redis_server server;
    rq_enqueues(server, "p1", "rq_tasks.greet", "('Bob',)", "{'sign': '?'}");
    rq_enqueues(server, "p2", "rq_tasks.greet", "('Eve', 2)", "{}", "{'result_ttl': 7, 'meta': {'a': 1}}");
    rq_enqueues(server, "p3", "m.echo",
                "([None, True, -1, 2**31, 2**80, 1.5, float('inf'), 'gr\\u00fc\\u00df', b'\\x00\\xff', (1, "
                "[2]), {'k': {1, 2}}],)");
    worker_report report = run_worker(server.url(), [](worker& w) {
        echo_handler(w);
        w.handle(greet, [](std::string name, int times, std::string sign) {
            std::string out;
            for (int i = 0; i < times; ++i) out += (i == 0 ? "" : " ") + ("Hello " + name + sign);
            return out;
        });
    });
    CHECK(report.succeeded == 3);
    value p1 = peer(server, {"job", "p1", "pickle"});
    CHECK(p1["status"].as_string() == "finished");
    CHECK(p1["value"].as_string() == "'Hello Bob?'");
    CHECK(p1["ttl"].as_int() > 490);
    CHECK(p1["started"].as_bool());
    CHECK(p1["ended"].as_bool());
    value p2 = peer(server, {"job", "p2", "pickle"});
    CHECK(p2["value"].as_string() == "'Hello Eve! Hello Eve!'");
    CHECK(p2["ttl"].as_int() <= 7);
    CHECK(peer(server, {"job", "p3", "pickle"})["value"].as_string() ==
          "[None, True, -1, 2147483648, 1208925819614629174706176, 1.5, inf, 'grüß', b'\\x00\\xff', (1, "
          "[2]), {'k': {1, 2}}]");
    value registries = peer(server, {"registries"});
    CHECK(registries["finished"].size() == 3);
    CHECK(registries["started"].as_int() == 0);
    CHECK(registries["queued"].as_int() == 0);
    // Nothing is left of the runs themselves.
    for (const value& key : registries["keys"]) {
        CHECK_MESSAGE(key.as_string().find("execution") == std::string::npos, key.as_string());
        CHECK_MESSAGE(key.as_string().find("simul:") == std::string::npos, key.as_string());
    }
}

TEST_CASE("what is enqueued here runs in a real rq worker, and the result is read here") {
    redis_server server;
    loop l;
    l.run([&]() -> task<> {
        job_queue queue(server.url());
        auto sum = co_await queue.enqueue(add, 2, 3);
        auto hello = co_await queue.enqueue(greet, "Bob", use_default, "?");
        auto plain = co_await queue.enqueue(greet, "Eve", 2, use_default);
        auto all_kinds =
            co_await queue.enqueue(python_echo, json::parse(R"([null, true, 1.5, "x", {"k": [1, 2]}])"));
        auto fails = co_await queue.enqueue(python_fail, "no luck");
        value call = peer(server, {"call", hello.id()});
        CHECK(
            call ==
            json::parse(
                R"json(["rq_tasks.greet", "('Bob',)", "{'sign': '?'}", "rq_tasks.greet('Bob', sign='?')", 180, "default"])json"));
        std::string log = rq_worker(server);
        CHECK_MESSAGE(log.find("rq_tasks.add(2, 3)") != std::string::npos, log);
        CHECK(co_await sum.result() == 5);
        CHECK(co_await hello.result() == "Hello Bob?");
        CHECK(co_await plain.result() == "Hello Eve! Hello Eve!");
        CHECK((co_await all_kinds.result()) == json::parse(R"([null, true, 1.5, "x", {"k": [1, 2]}])"));
        std::string text;
        try {
            co_await fails.result();
        } catch (const job_failed& e) {
            text = e.what();
        }
        CHECK(text == "ValueError: no luck");
    });
}

TEST_CASE("the JSON serializer works both ways") {
    redis_server server;
    rq_enqueues(server, "j1", "m.echo", "([1, 'x', None],)", "{}", "{}", "json");
    run_worker(server.url(), echo_handler);
    CHECK(peer(server, {"job", "j1", "json"})["value"].as_string() == "[1, 'x', None]");
    loop l;
    l.run([&]() -> task<> {
        job_queue queue(server.url() + "?serializer=json");
        auto sum = co_await queue.enqueue(add, 2, 3);
        rq_worker(server, "-S rq.serializers.JSONSerializer");
        CHECK(co_await sum.result() == 5);
    });
}

TEST_CASE("jobs of unknown functions are handed back, and Python's worker runs them") {
    redis_server server;
    rq_enqueues(server, "u1", "rq_tasks.add", "(1, 2)");
    rq_enqueues(server, "k1", "m.echo", "(5,)");
    std::vector<std::string> lines;
    worker_options o;
    o.burst = true;
    o.log = [&](std::string_view line) { lines.emplace_back(line); };
    worker_report report = run_worker(server.url(), echo_handler, o);
    CHECK(report.succeeded == 1);
    CHECK(report.handed_back >= 1);
    CHECK(report.failed == 0);
    CHECK(peer(server, {"job", "u1", "pickle"})["status"].as_string() == "queued");
    CHECK(peer(server, {"job", "k1", "pickle"})["value"].as_string() == "5");
    rq_worker(server);
    CHECK(peer(server, {"job", "u1", "pickle"})["value"].as_string() == "3");
}

TEST_CASE("a failure here is a failure for Python, after the retries it asked for") {
    redis_server server;
    rq_enqueues(server, "r1", "m.shaky", "(1,)", "{}", "{'retry': Retry(max=2, interval=[0, 1])}");
    int runs = 0;
    worker_options o;
    o.heartbeat = std::chrono::milliseconds(50);
    o.log = [](std::string_view) {};
    o.max_jobs = 3;
    worker_report report;
    loop l;
    l.run([&]() -> task<> {
        worker w(server.url(), o);
        w.handle(shaky, [&runs](int) -> task<int> {
            ++runs;
            throw std::out_of_range("shaky");
            co_return 0;
        });
        report = co_await w.run();
    });
    CHECK(runs == 3);
    CHECK(report.failed == 3);
    value r1 = peer(server, {"job", "r1", "pickle"});
    CHECK(r1["status"].as_string() == "failed");
    CHECK(r1["exc"].as_string() == "std::out_of_range: shaky");
    CHECK(r1["retries_left"].as_int() == 0);
    CHECK(peer(server, {"registries"})["failed"].size() == 1);
}

TEST_CASE("rq info shows workers and jobs of both while they work") {
    redis_server server;
    loop l;
    l.run([&]() -> task<> {
        job_queue queue(server.url());
        auto handle = co_await queue.enqueue(echo, value(7));
        worker_options o;
        o.name = "simul-one";
        o.log = [](std::string_view) {};
        worker w(server.url(), o);
        bool running = false;
        w.handle(echo, [&](value v) -> task<value> {
            running = true;
            co_await sleep_for(std::chrono::milliseconds(1500));
            co_return v;
        });
        std::string seen;
        auto runs = [&]() -> task<> { co_await w.run(); };
        auto looks = [&]() -> task<> {
            while (!running) co_await sleep_for(std::chrono::milliseconds(5));
            std::string command =
                fmt::format("{} -m rq.cli info -u {} 2>&1", python(), quoted("unix://" + server.socket()));
            seen = co_await blocking(output_of, command);
            CHECK((co_await handle.result()) == value(7));
            w.stop();
        };
        co_await all(runs(), looks());
        CHECK_MESSAGE(seen.find("simul-one") != std::string::npos, seen);
        CHECK_MESSAGE(seen.find("busy") != std::string::npos, seen);
        CHECK_MESSAGE(seen.find("1 workers") != std::string::npos, seen);
        CHECK_MESSAGE(seen.find("default") != std::string::npos, seen);
    });
}

TEST_CASE("nothing that Python wrote makes a worker quit") {
    redis_server server;
    rq_enqueues(server, "d1", "m.echo", "(__import__('datetime').date(2020, 1, 1),)");
    rq_enqueues(server, "m1", "m.echo", "()");
    rq_enqueues(server, "ok", "m.echo", "(1,)");
    loop l;
    l.run([&]() -> task<> {
        redis::client_options to;
        to.socket = server.socket();
        redis::client db(to);
        // Hashes that no reader can make sense of, an id without a hash, a hash without data.
        co_await db.command("HSET", "rq:job:h1", "data", "rubbish", "timeout", "1h", "created_at",
                            "yesterday", "status", "odd", "origin", "default", "retry_intervals", "[[",
                            "retries_left", "x", "result_ttl", "500.0");
        co_await db.command("RPUSH", "rq:queue:default", "h1", "missing", "nodata");
        co_await db.command("HSET", "rq:job:nodata", "last_heartbeat", "");
    });
    worker_report report = run_worker(server.url(), echo_handler);
    CHECK(report.succeeded == 1);
    CHECK(report.failed == 3);
    value d1 = peer(server, {"job", "d1", "pickle"});
    CHECK(d1["status"].as_string() == "failed");
    CHECK_MESSAGE(d1["exc"].as_string().find("simul.BadPayload: the job's data cannot be read: ") == 0,
                  d1["exc"].as_string());
    CHECK_MESSAGE(d1["exc"].as_string().find("date") != std::string::npos, d1["exc"].as_string());
    CHECK(peer(server, {"job", "m1", "pickle"})["exc"].as_string().find(
              "m.echo() takes 1 argument (value): argument 'value': it is missing") != std::string::npos);
    CHECK(peer(server, {"registries"})["queued"].as_int() == 0);
}

TEST_CASE("a job of an RQ client keeps RQ's rule when its worker dies; one of simul's runs again") {
    redis_server server;
    rq_enqueues(server, "theirs", "m.echo", "(1,)");
    loop l;
    l.run([&]() -> task<> {
        job_queue queue(server.url());
        call_options named;
        named.id = "ours";
        co_await queue.with(named).enqueue(echo, value(2));
        std::unique_ptr<job_store> store = open_store(server.url());
        worker_record dies;
        dies.name = "dies";
        dies.queues = {"default"};
        dies.process = this_process();
        dies.process.started += 1;  // a process that is gone
        co_await store->register_worker(dies, seconds(90));
        take_request both;
        both.worker = "dies";
        both.queues = {"default"};
        both.limit = 2;
        take_answer taken = co_await store->take(both);
        REQUIRE(taken.jobs.size() == 2);
        worker_options o;
        o.heartbeat = std::chrono::milliseconds(50);
        o.log = [](std::string_view) {};
        o.max_jobs = 1;
        worker w(server.url(), o);
        echo_handler(w);
        co_await w.run();
        CHECK((co_await store->fetch("ours"))->status == job_status::finished);
    });
    value theirs = peer(server, {"job", "theirs", "pickle"});
    CHECK(theirs["status"].as_string() == "failed");
    CHECK(theirs["exc"].as_string().find("Moved to FailedJobRegistry, due to AbandonedJobError, at ") == 0);
}
