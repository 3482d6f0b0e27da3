#include <simul/core/all.hpp>
#include <simul/core/call_context.hpp>
#include <simul/core/scopes.hpp>
#include <simul/jobs/error.hpp>
#include <simul/jobs/job_queue.hpp>
#include <simul/jobs/worker.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/sleep.hpp>

#include "jobs/sqlite_engine.hpp"
#include "redis/test_server.hpp"

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace simul;
using std::chrono::seconds;
namespace fs = std::filesystem;

namespace {

inline constexpr job<int(std::string)> count_words{"mymodule.count_words_at_url", {"url"}};
inline constexpr job<int(int)> twice{"m.twice", {"n"}};
inline constexpr job<int(int)> sometimes{"m.sometimes", {"n"}};
inline constexpr job<void(double)> nap{"m.nap", {"seconds"}};
inline constexpr job<int()> nobody{"m.nobody_knows"};

int twice_there(int n) { return 2 * n; }

class places {
  public:
    places() {
        std::string name = (fs::temp_directory_path() / "simul-worker-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
    }
    ~places() {
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }
    std::string sqlite() const { return "sqlite://" + (folder_ / "jobs.db").string(); }

  private:
    fs::path folder_;
};

worker_options quiet(std::vector<std::string>* lines = nullptr) {
    worker_options o;
    o.burst = true;
    o.heartbeat = std::chrono::milliseconds(50);
    o.log = [lines](std::string_view line) {
        if (lines != nullptr) lines->emplace_back(line);
    };
    return o;
}

template <class F>
void on_loop(F f) {
    loop l;
    l.run([&]() -> task<> { co_await f(); });
}

std::error_code code_of(std::exception_ptr e) {
    try {
        std::rethrow_exception(e);
    } catch (const std::system_error& s) {
        return s.code();
    } catch (...) {
        return {};
    }
}

template <class R>
task<std::exception_ptr> error_of(job_handle<R> handle) {
    std::exception_ptr error;
    try {
        co_await handle.result();
    } catch (...) {
        error = std::current_exception();
    }
    co_return error;
}

std::string text_of(std::exception_ptr e) {
    if (!e) return "no error";
    try {
        std::rethrow_exception(e);
    } catch (const std::exception& x) {
        return x.what();
    }
}

bool any_line(const std::vector<std::string>& lines, std::string_view part) {
    for (auto& l : lines)
        if (l.find(part) != l.npos) return true;
    return false;
}

}  // namespace

TEST_CASE("a worker runs coroutines and plain functions, and its log has the article's lines") {
    places at;
    std::vector<std::string> lines;
    on_loop([&]() -> task<> {
        job_queue queue(at.sqlite());
        call_options named;
        named.id = "a2b7451e-731f-4f31-9232-2b7e3549051f";
        auto words = co_await queue.with(named).enqueue(count_words, "http://nvie.com");
        auto four = co_await queue.enqueue(twice, 2);
        worker_options o = quiet(&lines);
        o.name = "w";
        o.concurrency = 1;
        worker w(at.sqlite(), o);
        w.handle(count_words, [](std::string) -> task<int> { co_return 322; });
        w.handle(twice, &twice_there);
        worker_report report = co_await w.run();
        CHECK(report.succeeded == 2);
        CHECK(co_await words.result() == 322);
        CHECK(co_await four.result() == 4);
    });
    REQUIRE(lines.size() >= 6);
    CHECK(lines[0].starts_with("simul worker 'w' started, version "));
    CHECK(lines[1] == "*** Listening on default...");
    CHECK(lines[2] == "Cleaning registries for queue: default");
    CHECK(lines[3] ==
          "default: mymodule.count_words_at_url('http://nvie.com') (a2b7451e-731f-4f31-9232-2b7e3549051f)");
    CHECK(lines[4] == "default: Job OK (a2b7451e-731f-4f31-9232-2b7e3549051f)");
    CHECK(lines[5] == "Result is kept for 500 seconds");
}

TEST_CASE("errors of a job reach who waits for its result: codes whole, others by type and message") {
    places at;
    on_loop([&]() -> task<> {
        job_queue queue(at.sqlite());
        auto refused = co_await queue.enqueue(twice, 1);
        auto odd = co_await queue.enqueue(twice, 2);
        auto unknown = co_await queue.enqueue(nobody);
        job_call wrong;
        wrong.function = "m.twice";
        wrong.args.emplace_back("two");
        auto misfit = co_await queue.enqueue_call(std::move(wrong));
        worker w(at.sqlite(), quiet());
        w.handle(twice, [](int n) -> task<int> {
            if (n == 1) throw_errno(ECONNREFUSED, "connect 10.0.0.1:443");
            throw std::out_of_range("index 7 of 3");
            co_return 0;
        });
        worker_report report = co_await w.run();
        CHECK(report.failed == 4);
        std::exception_ptr e = co_await error_of(refused);
        CHECK(code_of(e) == std::errc::connection_refused);
        CHECK(text_of(e) == "connect 10.0.0.1:443: Connection refused");
        e = co_await error_of(odd);
        CHECK(text_of(e) == "std::out_of_range: index 7 of 3");
        e = co_await error_of(unknown);
        CHECK(text_of(e) ==
              "simul.UnknownFunction: no handler for 'm.nobody_knows'; this worker knows: m.twice");
        e = co_await error_of(misfit);
        CHECK(code_of(e) == job_errc::wrong_arguments);
        CHECK(text_of(e).find("m.twice() takes 1 argument (n): argument 'n': ") == 0);
    });
}

TEST_CASE("a job that fails is tried again, at once or after its pause") {
    places at;
    on_loop([&]() -> task<> {
        job_queue queue(at.sqlite());
        call_options again;
        again.retries = 2;
        again.retry_intervals = pauses(seconds(0), seconds(1));
        auto handle = co_await queue.with(again).enqueue(sometimes, 3);
        int runs = 0;
        worker_options o = quiet();
        o.burst = false;
        o.max_jobs = 3;
        worker w(at.sqlite(), o);
        w.handle(sometimes, [&runs](int n) -> task<int> {
            if (++runs < n) throw std::runtime_error("not yet");
            co_return runs;
        });
        worker_report report = co_await w.run();
        CHECK(report.failed == 2);
        CHECK(report.succeeded == 1);
        CHECK(co_await handle.result() == 3);
    });
}

TEST_CASE("a job that runs too long fails with RQ's words; a function's late result is dropped") {
    places at;
    on_loop([&]() -> task<> {
        job_queue queue(at.sqlite());
        call_options one_second;
        one_second.timeout = seconds(1);
        auto sleeps = co_await queue.with(one_second).enqueue(nap, 60.0);
        worker w(at.sqlite(), quiet());
        w.handle(nap, [](double s) -> task<void> {
            co_await sleep_for(std::chrono::duration_cast<duration>(std::chrono::duration<double>(s)));
        });
        co_await w.run();
        CHECK(text_of(co_await error_of(sleeps)) ==
              "rq.timeouts.JobTimeoutException: Task exceeded maximum timeout value (1 seconds)");

        std::vector<std::string> lines;
        worker_options o = quiet(&lines);
        o.timeout_grace = std::chrono::milliseconds(100);
        std::atomic<bool> recorded{false};
        auto hangs = co_await queue.with(one_second).enqueue(nap, 0.0);
        auto other = co_await queue.enqueue(twice, 4);
        o.concurrency = 2;
        worker blocked(at.sqlite(), o);
        blocked.handle(nap, [&](double) {
            while (!recorded) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        });
        blocked.handle(twice, [&](int n) -> task<int> {  // the worker goes on until the late result is there
            CHECK(text_of(co_await error_of(hangs)) ==
                  "rq.timeouts.JobTimeoutException: Task exceeded maximum timeout value (1 seconds)");
            recorded = true;
            while (!any_line(lines, "late result")) co_await sleep_for(std::chrono::milliseconds(5));
            co_return 2 * n;
        });
        worker_report report = co_await blocked.run();
        CHECK(co_await other.result() == 8);
        CHECK(report.lost_slots == 0);  // it came back in the end
        CHECK(any_line(lines, "hangs past its timeout"));
    });
}

TEST_CASE("a worker does not wait for functions that hang, and says how many it left behind") {
    places at;
    std::atomic<bool> go_on{false};
    std::vector<std::string> lines;
    on_loop([&]() -> task<> {
        job_queue queue(at.sqlite());
        call_options one_second;
        one_second.timeout = seconds(1);
        auto hangs = co_await queue.with(one_second).enqueue(nap, 0.0);
        worker_options o = quiet(&lines);
        o.burst = false;
        o.concurrency = 1;  // no slot is left then, so the worker ends
        o.timeout_grace = std::chrono::milliseconds(50);
        worker w(at.sqlite(), o);
        w.handle(nap, [&](double) {
            while (!go_on) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        });
        worker_report report = co_await w.run();
        CHECK(report.lost_slots == 1);
        CHECK(w.lost_slots() == 1);
        CHECK(text_of(co_await error_of(hangs)) ==
              "rq.timeouts.JobTimeoutException: Task exceeded maximum timeout value (1 seconds)");
        go_on = true;  // the worker's own pool waits for its threads
    });
    CHECK(any_line(lines, "1 jobs hang and hold their slots; this worker ends"));
    CHECK(any_line(lines, "1 of the jobs hang in their threads; this worker ends without them"));
}

TEST_CASE("the second stop, and a cancel of run, hand back jobs whose functions go on in their threads") {
    places at;
    for (bool by_stop : {true, false}) {
        std::atomic<bool> go_on{false}, began{false};
        on_loop([&]() -> task<> {
            job_queue queue(at.sqlite());
            auto handle = co_await queue.enqueue(nap, 0.0);
            worker_options o = quiet();
            o.burst = false;
            worker w(at.sqlite(), o);
            w.handle(nap, [&](double) {
                began = true;
                while (!go_on) std::this_thread::sleep_for(std::chrono::milliseconds(5));
            });
            co_await with_scope([&](cancel_scope& scope) -> task<> {
                auto stops = [&]() -> task<> {
                    while (!began) co_await sleep_for(std::chrono::milliseconds(5));
                    if (by_stop) {
                        w.stop();
                        w.stop();
                    } else {
                        scope.cancel("not wanted any more");
                    }
                };
                co_await all(w.run(), stops());
            });
            CHECK(w.lost_slots() == 1);
            auto record = co_await handle.record();
            CHECK(record->status == job_status::queued);
            CHECK(record->deaths == 0);
            go_on = true;
            co_await handle.cancel();
        });
    }
}

TEST_CASE("a function on a thread sees the deadline of its job, and one that stops in time is timed out") {
    places at;
    on_loop([&]() -> task<> {
        job_queue queue(at.sqlite());
        call_options one_second;
        one_second.timeout = seconds(1);
        auto handle = co_await queue.with(one_second).enqueue(nap, 0.0);
        worker w(at.sqlite(), quiet());
        w.handle(nap, [](double) {
            CHECK(here().deadline().has_value());
            for (;;) {
                here().throw_if_canceled();
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
        });
        worker_report report = co_await w.run();
        CHECK(report.failed == 1);
        CHECK(report.lost_slots == 0);
        CHECK(text_of(co_await error_of(handle)) ==
              "rq.timeouts.JobTimeoutException: Task exceeded maximum timeout value (1 seconds)");
    });
}

TEST_CASE("the first stop lets jobs end, the second one hands them back") {
    places at;
    on_loop([&]() -> task<> {
        job_queue queue(at.sqlite());
        auto first = co_await queue.enqueue(nap, 0.1);
        auto second = co_await queue.enqueue(nap, 100.0);
        worker_options o = quiet();
        o.burst = false;
        worker w(at.sqlite(), o);
        int started = 0;
        w.handle(nap, [&started](double s) -> task<void> {
            ++started;
            co_await sleep_for(std::chrono::duration_cast<duration>(std::chrono::duration<double>(s)));
        });
        worker_report report;
        auto runs = [&]() -> task<> { report = co_await w.run(); };
        auto stops = [&]() -> task<> {
            while (started < 2) co_await sleep_for(std::chrono::milliseconds(5));
            w.stop();
            co_await first.result();
            auto late = co_await queue.enqueue(nap, 0.0);
            co_await sleep_for(std::chrono::milliseconds(50));
            CHECK((co_await late.record())->status == job_status::queued);
            w.stop();
        };
        co_await all(runs(), stops());
        CHECK(report.handed_back == 1);
        auto record = co_await second.record();
        CHECK(record->status == job_status::queued);
        CHECK(record->deaths == 0);
    });
}

TEST_CASE("isolated jobs fail alone") {
    places at;
    process_pool_options two;
    two.workers = 2;
    process_pool processes(two);  // before the store starts its thread
    on_loop([&]() -> task<> {
        job_queue queue(at.sqlite());
        auto crash = co_await queue.enqueue(twice, -1);
        auto fine = co_await queue.enqueue(twice, 21);
        worker_options o = quiet();
        o.processes = &processes;
        worker w(at.sqlite(), o);
        w.handle(twice, isolated([](int n) {
                     if (n < 0) std::abort();
                     return 2 * n;
                 }));
        worker_report report = co_await w.run();
        CHECK(report.succeeded == 1);
        CHECK(report.failed == 1);
        CHECK(co_await fine.result() == 42);
        std::string why = text_of(co_await error_of(crash));
        CHECK_MESSAGE(why.find("SIGABRT") != std::string::npos, why);
    });
}

namespace {

// A worker in a process of its own, as a user would run it; started by fork because the test kills it. The
// jobs of numbers below `ending` end after a moment, the others not before the worker is killed.
pid_t start_worker(const std::string& url, int concurrency, int ending) {
    pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid != 0) return pid;
    try {
        worker_options o;
        o.concurrency = static_cast<std::size_t>(concurrency);
        o.heartbeat = std::chrono::milliseconds(100);
        o.log = [](std::string_view) {};
        worker w(url, o);
        w.handle(twice, [ending](int n) -> task<int> {
            if (n < ending)
                co_await sleep_for(std::chrono::milliseconds(n));
            else
                co_await sleep_for(std::chrono::hours(1));
            co_return 2 * n;
        });
        loop l;
        l.run([&]() -> task<> { co_await w.run(); });
    } catch (...) {
        ::_exit(1);
    }
    ::_exit(0);
}

void kill_worker_of_200_jobs(const std::string& url) {
    constexpr int count = 200, ending = 60;
    std::vector<std::string> ids;
    on_loop([&]() -> task<> {
        job_queue queue(url);
        for (int i = 0; i < count; ++i) {
            auto handle = co_await queue.enqueue(twice, i);
            ids.push_back(handle.id());
        }
    });
    pid_t first = start_worker(url, count, ending);
    on_loop([&]() -> task<> {
        // Killed when all run or have run, and some have ended.
        std::unique_ptr<job_store> store = open_store(url);
        for (;;) {
            store_overview o = co_await store->overview();
            if (!o.queues.empty() && o.queues[0].queued == 0 && o.queues[0].finished >= 20) break;
            co_await sleep_for(std::chrono::milliseconds(2));
        }
    });
    ::kill(first, SIGKILL);
    ::waitpid(first, nullptr, 0);
    pid_t second = start_worker(url, count, count);
    int recovered = 0;
    on_loop([&]() -> task<> {
        std::unique_ptr<job_store> store = open_store(url);
        auto give_up = clock::now() + seconds(40);
        for (;;) {
            store_overview o = co_await store->overview();
            if (o.queues[0].finished == count) break;
            REQUIRE(clock::now() < give_up);
            co_await sleep_for(std::chrono::milliseconds(20));
        }
        for (int i = 0; i < count; ++i) {
            auto results = co_await store->results(ids[static_cast<std::size_t>(i)], 10);
            REQUIRE(results.size() == 1);
            CHECK(results[0].type == result_type::successful);
            CHECK(from_value<int>(decode_payload(results[0].return_value)) == 2 * i);
            auto record = co_await store->fetch(ids[static_cast<std::size_t>(i)]);
            CHECK(record->status == job_status::finished);
            if (record->deaths > 0 ||
                results[0].worker.find("." + std::to_string(second) + ".") != std::string::npos)
                ++recovered;
        }
        store_overview o = co_await store->overview();
        CHECK(o.queues[0].queued == 0);
        CHECK(o.queues[0].started == 0);
        CHECK(o.queues[0].failed == 0);
    });
    CHECK(recovered >= count - ending);
    ::kill(second, SIGKILL);
    ::waitpid(second, nullptr, 0);
}

}  // namespace

TEST_CASE(
    "kill -9 in the middle of 200 jobs on SQLite: each has exactly one outcome after a new worker ran") {
    places at;
    kill_worker_of_200_jobs(at.sqlite());
}

TEST_CASE("kill -9 in the middle of 200 jobs on Redis: each has exactly one outcome after a new worker ran") {
    simul::testing::redis_server server;
    kill_worker_of_200_jobs(server.url());
}

TEST_CASE("a worker finds its store again when Redis was restarted, emptied and silent for a while") {
    simul::testing::redis_server server;
    std::vector<std::string> lines;
    std::mutex mutex;
    on_loop([&]() -> task<> {
        worker_options o;
        o.max_jobs = 1;
        o.heartbeat = std::chrono::milliseconds(50);
        o.log = [&](std::string_view line) {
            std::lock_guard lock(mutex);
            lines.emplace_back(line);
        };
        worker w(server.url(), o);
        w.handle(twice, &twice_there);
        auto runs = [&]() -> task<> {
            worker_report report = co_await w.run();
            CHECK(report.succeeded == 1);
        };
        auto restarts = [&]() -> task<> {
            co_await sleep_for(std::chrono::milliseconds(200));
            server.stop();
            co_await sleep_for(std::chrono::milliseconds(100));
            server.start();
            job_queue queue(server.url());
            auto handle = co_await queue.enqueue(twice, 4);
            CHECK(co_await handle.result() == 8);
        };
        co_await all(runs(), restarts());
    });
    CHECK(any_line(lines, "Lost the store: "));
    CHECK(any_line(lines, "it registers again"));
}

TEST_CASE("store URLs that cannot be used are refused with what to write instead, and without passwords") {
    auto text = [](std::string url) {
        try {
            open_store(url);
        } catch (const std::system_error& e) {
            CHECK(e.code() == job_errc::unknown_store);
            return std::string(e.what());
        }
        return std::string("no error");
    };
    CHECK(text("postgres://h/db").find("the scheme 'postgres' is not known; write sqlite:///") !=
          std::string::npos);
    CHECK(text("jobs.db").find("it has no scheme") != std::string::npos);
    CHECK(text("sqlite://host/x").find("a host does not belong there") != std::string::npos);
    CHECK(text("redis://h:0/").find("its port is no number") != std::string::npos);
    CHECK(text("redis://h/x").find("is no number of a Redis database") != std::string::npos);
    CHECK(text("redis://h/?colour=red").find("the option 'colour' is not known") != std::string::npos);
    std::string secret = text("redis://me:s3cret@h:99999");
    CHECK(secret.find("s3cret") == std::string::npos);
    CHECK(secret.find("me:***@h") != std::string::npos);
}

TEST_CASE("a record with a timeout that no clock can hold runs, and its worker lives on") {
    // It hung past its timeout at once: the deadline had wrapped around.
    places at;
    on_loop([&]() -> task<> {
        std::shared_ptr<job_store> store = open_store(at.sqlite());
        job_record record =
            detail::make_record("default", twice.call(4), call_options(), payload_format::pickle);
        record.timeout = seconds::max();
        std::vector<job_record> one{record};
        co_await store->enqueue(std::move(one));
        worker w(at.sqlite(), quiet());
        w.handle(twice, [](int n) -> task<int> {
            co_await sleep_for(std::chrono::milliseconds(120));  // two beats of the heart
            co_return 2 * n;
        });
        worker_report report = co_await w.run();
        CHECK(report.succeeded == 1);
        CHECK(co_await job_queue(store).find<int>(record.id).result() == 8);
    });
}

TEST_CASE("options of a worker out of their range are refused by name") {
    places at;
    auto refused = [&](worker_options o) {
        std::string text = "accepted";
        on_loop([&]() -> task<> {
            try {
                worker w(at.sqlite(), o);
            } catch (const std::system_error& e) {
                CHECK(e.code() == job_errc::invalid_option);
                text = e.what();
            }
            co_return;
        });
        return text;
    };
    worker_options o = quiet();
    o.name = "a\nb";
    CHECK(refused(o).find(R"('a\nb' cannot name a worker)") == 0);
    o = quiet();
    o.lease = seconds::max();
    CHECK(refused(o).find("the worker's lease is out of its range") == 0);
    o = quiet();
    o.heartbeat = std::chrono::milliseconds(0);
    CHECK(refused(o).find("the worker's heartbeat is out of its range") == 0);
    o = quiet();
    o.timeout_grace = std::chrono::milliseconds(-1);
    CHECK(refused(o).find("the worker's timeout_grace is out of its range") == 0);
    CHECK(refused(quiet()) == "accepted");
}

TEST_CASE("a job sees its own record, and only while it runs") {
    places at;
    CHECK(this_job() == nullptr);
    std::string here;
    on_loop([&]() -> task<> {
        job_queue queue(at.sqlite());
        auto handle = co_await queue.enqueue(twice, 4);
        worker w(at.sqlite(), quiet());
        w.handle(twice, [&](int n) -> task<int> {
            co_await sleep_for(std::chrono::milliseconds(1));
            if (this_job() != nullptr) here = this_job()->id;
            co_return n;
        });
        co_await w.run();
        CHECK(here == handle.id());
        CHECK(this_job() == nullptr);
    });
}

TEST_CASE("a job of an unknown function fails or is left for others, as the worker is told") {
    for (unknown_jobs unknown : {unknown_jobs::automatic, unknown_jobs::fail, unknown_jobs::hand_back}) {
        places at;
        std::vector<std::string> lines;
        on_loop([&]() -> task<> {
            job_queue queue(at.sqlite());
            auto handle = co_await queue.enqueue(nobody);
            worker_options o = quiet(&lines);
            o.unknown = unknown;
            o.burst = unknown != unknown_jobs::hand_back;  // else it waits for a worker that knows it
            worker w(at.sqlite(), o);
            w.handle(twice, [](int n) -> task<int> { co_return 2 * n; });
            worker_report report;
            auto stops = [&]() -> task<> {
                while (!o.burst && !any_line(lines, "'m.nobody_knows' is not known here"))
                    co_await sleep_for(std::chrono::milliseconds(5));
                if (!o.burst) w.stop();
            };
            auto runs = [&]() -> task<> { report = co_await w.run(); };
            co_await all(runs(), stops());
            const std::optional<job_record> record = co_await handle.record();
            REQUIRE(record.has_value());
            // SQLite is simul's own: nobody else will know it.
            const bool fails = unknown != unknown_jobs::hand_back;
            CHECK(record->status == (fails ? job_status::failed : job_status::queued));
            CHECK(report.failed == (fails ? 1u : 0u));
            if (fails) {
                const std::string text = text_of(co_await error_of(handle));
                CHECK_MESSAGE(
                    text.find("no handler for 'm.nobody_knows'; this worker knows: m.twice") != text.npos,
                    text);
            }
        });
    }
}

TEST_CASE("a worker's lease is as long as it says") {
    places at;
    on_loop([&]() -> task<> {
        worker_options o = quiet();
        o.burst = false;
        o.name = "leased";
        o.lease = seconds(1'234);
        worker w(at.sqlite(), o);
        worker_record seen;
        auto looks = [&]() -> task<> {
            std::unique_ptr<job_store> store = open_store(at.sqlite());
            for (store_overview all_of_it; seen.name.empty();) {
                all_of_it = co_await store->overview();
                for (const worker_record& each : all_of_it.workers) seen = each;
                co_await sleep_for(std::chrono::milliseconds(5));
            }
            w.stop();
        };
        auto runs = [&]() -> task<> { co_await w.run(); };
        co_await all(runs(), looks());
        CHECK(seen.name == "leased");
        CHECK(seen.lease_until - seen.last_heartbeat == seconds(1'234));
    });
}

TEST_CASE("worker_main ends with 0, and with 1 and the reason where the worker cannot run") {
    places at;
    {
        worker w(at.sqlite(), quiet());
        w.handle(twice, [](int n) -> task<int> { co_return n; });
        CHECK(worker_main(w) == 0);
    }
    worker w("unix:///nowhere/redis.sock", quiet());
    CHECK(worker_main(w) == 1);
}

TEST_CASE("a store is private to its owner by its file's mode; with survive_power_cut it works the same") {
    places at;
    store_options durable;
    durable.survive_power_cut = true;
    on_loop([&]() -> task<> {
        job_queue queue(at.sqlite(), "default", durable);
        auto handle = co_await queue.enqueue(twice, 4);
        worker w(at.sqlite(), quiet(), durable);
        w.handle(twice, [](int n) -> task<int> { co_return 2 * n; });
        co_await w.run();
        CHECK(co_await handle.result() == 8);
        const std::string file = at.sqlite().substr(std::string("sqlite://").size());
        CHECK(queue.store()->private_to_owner());
        fs::permissions(file, fs::perms::group_write, fs::perm_options::add);
        CHECK(!open_store(at.sqlite())->private_to_owner());
    });
    simul::testing::redis_server server;
    on_loop([&]() -> task<> {
        CHECK(!open_store(server.url())->private_to_owner());
        co_return;
    });
}
