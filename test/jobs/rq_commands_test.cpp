// Stops and other commands between simul and the real python3-rq, both directions.

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
#include <mutex>
#include <string>
#include <vector>

using namespace simul;
using namespace simul::testing;

namespace {

inline constexpr job<value(value)> echo{"m.echo", {"value"}};
inline constexpr job<std::string(double)> python_nap{"rq_tasks.nap", {"seconds"}};

// On a thread of its own, so that the worker's loop goes on.
task<value> peer_there(const redis_server& server, std::vector<std::string> words) {
    const redis_server* at = &server;
    value answer = co_await blocking([at, words] { return peer(*at, words); });
    co_return answer;
}

template <class F>
task<void> until(F condition) {
    while (!condition()) co_await sleep_for(std::chrono::milliseconds(5));
}

// What runs here until it is told otherwise, and what it logged.
struct python_told {
    redis_server server;
    std::mutex mutex;
    std::string lines;
    int runs = 0;
    bool go_on = false;

    worker_options options() {
        worker_options o;
        o.name = "simul-one";
        o.heartbeat = std::chrono::milliseconds(50);
        o.log = [this](std::string_view line) {
            std::lock_guard lock(mutex);
            lines += std::string(line) + "\n";
        };
        return o;
    }
    bool logged(std::string_view part) {
        std::lock_guard lock(mutex);
        return lines.find(part) != lines.npos;
    }
    void add_handler(worker& w) {
        w.handle(echo, [this](value v) -> task<value> {
            ++runs;
            co_await until([this] { return go_on; });
            co_return v;
        });
    }
};

}  // namespace

TEST_CASE("Python stops a job that runs here, and reads RQ's words; the worker goes on") {
    python_told t;
    rq_enqueues(t.server, "p1", "m.echo", "(1,)", "{}", "{'retry': Retry(max=2)}");
    loop l;
    l.run([&]() -> task<> {
        worker w(t.server.url(), t.options());
        t.add_handler(w);
        auto runs = [&]() -> task<> { co_await w.run(); };
        auto stops = [&]() -> task<> {
            co_await until([&] { return t.runs == 1; });
            std::vector<std::string> words{"stop-job", "p1"};
            co_await peer_there(t.server, words);
            co_await until([&] { return t.logged("Job stopped by user (p1)"); });
            // Another job that does not run here: RQ sends it to who ran it last.
            co_await peer_there(t.server, words);
            co_await until([&] { return t.logged("Not working on job p1, command ignored"); });
            t.go_on = true;
            job_queue queue(t.server.url());
            auto next = co_await queue.enqueue(echo, value(7));
            const value seven = co_await next.result();
            CHECK(seven == value(7));
            words = {"worker", "simul-one"};
            const value shown = co_await peer_there(t.server, words);
            REQUIRE(shown.size() == 1);
            CHECK(shown[0]["failed"].as_int() == 1);
            w.stop();
        };
        co_await all(runs(), stops());
    });
    const value p1 = peer(t.server, {"job", "p1", "pickle"});
    CHECK(p1["status"].as_string() == "stopped");
    CHECK(p1["exc"].as_string() == "Job stopped by user, work-horse terminated.");
    CHECK(p1["retries_left"].as_int() == 2);
    CHECK(p1["ttl"].as_int() > 31'000'000);
    const value registries = peer(t.server, {"registries"});
    REQUIRE(registries["failed"].size() == 1);
    CHECK(registries["failed"][0].as_string() == "p1");
    CHECK(registries["started"].as_int() == 0);
    for (const value& key : registries["keys"])
        CHECK_MESSAGE(key.as_string().find("execution") == std::string::npos, key.as_string());
}

TEST_CASE("Python kills what runs here, and its retry runs") {
    python_told t;
    rq_enqueues(t.server, "k1", "m.echo", "(5,)", "{}", "{'retry': Retry(max=1)}");
    loop l;
    l.run([&]() -> task<> {
        worker_options o = t.options();
        o.max_jobs = 2;
        worker w(t.server.url(), o);
        t.add_handler(w);
        auto runs = [&]() -> task<> { co_await w.run(); };
        auto kills = [&]() -> task<> {
            co_await until([&] { return t.runs == 1; });
            std::vector<std::string> words{"kill-horse", "simul-one"};
            co_await peer_there(t.server, words);
            co_await until([&] { return t.runs == 2; });
            t.go_on = true;
        };
        co_await all(runs(), kills());
    });
    const value k1 = peer(t.server, {"job", "k1", "pickle"});
    CHECK(k1["status"].as_string() == "finished");
    CHECK(k1["value"].as_string() == "5");
    CHECK(k1["retries_left"].as_int() == 0);
}

TEST_CASE("Python shuts a busy worker down: its job ends, and RQ sees since when it is asked") {
    python_told t;
    rq_enqueues(t.server, "s1", "m.echo", "(5,)");
    loop l;
    l.run([&]() -> task<> {
        worker w(t.server.url(), t.options());
        t.add_handler(w);
        auto runs = [&]() -> task<> { co_await w.run(); };
        auto tells = [&]() -> task<> {
            co_await until([&] { return t.runs == 1; });
            std::vector<std::string> words{"shutdown", "simul-one"};
            co_await peer_there(t.server, words);
            co_await until([&] { return t.logged("Warm shut down requested"); });
            words = {"worker", "simul-one"};
            for (bool shown = false; !shown;) {
                const value seen = co_await peer_there(t.server, words);
                REQUIRE(seen.size() == 1);
                CHECK(seen[0]["state"].as_string() == "busy");
                shown = seen[0]["shutdown_requested"].as_bool();
            }
            t.go_on = true;
        };
        co_await all(runs(), tells());
    });
    CHECK(peer(t.server, {"job", "s1", "pickle"})["value"].as_string() == "5");
    const value gone = peer(t.server, {"worker", "simul-one"});
    CHECK(gone.size() == 0);
}

TEST_CASE("a job in a real rq worker is stopped from here, and that worker goes on") {
    redis_server server;
    loop l;
    l.run([&]() -> task<> {
        job_queue queue(server.url());
        auto stopped = co_await queue.enqueue(python_nap, 600.0);
        auto next = co_await queue.enqueue(python_nap, 0.0);
        std::string log;
        auto runs = [&]() -> task<> {
            log = co_await blocking([&] { return rq_worker(server, "--name python-one"); });
        };
        auto stops = [&]() -> task<> {
            for (job_status status = job_status::queued; status != job_status::started;) {
                co_await sleep_for(std::chrono::milliseconds(20));
                const auto record = co_await stopped.record();
                REQUIRE(record.has_value());
                status = record->status;
            }
            // RQ says "started" a moment before it would obey; a stop may be repeated.
            for (;;) {
                std::error_code refused;
                try {
                    co_await stopped.stop();
                } catch (const std::system_error& e) {
                    refused = e.code();
                }
                if (refused) {
                    CHECK(refused == job_errc::wrong_state);
                    break;
                }
                co_await sleep_for(std::chrono::milliseconds(200));
            }
            std::error_code code;
            try {
                co_await stopped.result();
            } catch (const std::system_error& e) {
                code = e.code();
            }
            CHECK(code == job_errc::stopped);
            const std::string rested = co_await next.result();
            CHECK(rested == "rested");
        };
        co_await all(runs(), stops());
        CHECK_MESSAGE(log.find("Job stopped by user") != std::string::npos, log);
        const auto record = co_await stopped.record();
        CHECK(record->status == job_status::stopped);
    });
}

TEST_CASE("a real rq worker that waits for work is shut down from here") {
    redis_server server;
    loop l;
    l.run([&]() -> task<> {
        std::unique_ptr<job_store> store = open_store(server.url());
        std::string log;
        auto runs = [&]() -> task<> {
            const std::string command = fmt::format("{} -m rq.cli worker --name python-one -u {} 2>&1",
                                                    python(), quoted("unix://" + server.socket()));
            log = co_await blocking([command] { return output_of(command); });
        };
        auto tells = [&]() -> task<> {
            redis::client_options to;
            to.socket = server.socket();
            redis::client db(to);
            // Before that its signal handler is not there, and the SIGINT it sends itself would end it.
            for (bool idle = false; !idle;) {
                co_await sleep_for(std::chrono::milliseconds(20));
                const redis::reply state = co_await db.command("HGET", "rq:worker:python-one", "state");
                idle = !state.is_nil() && state.as_string() == "idle";
            }
            worker_command c;
            c.kind = worker_command_kind::shutdown;
            co_await store->send_command("python-one", c);
        };
        co_await all(runs(), tells());
        CHECK_MESSAGE(log.find("arm shut down requested") != std::string::npos, log);
    });
}
