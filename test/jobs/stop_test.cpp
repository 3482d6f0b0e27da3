// Jobs that are stopped while they run, and what else a worker is told from elsewhere.

#include <simul/core/all.hpp>
#include <simul/core/call_context.hpp>
#include <simul/jobs/error.hpp>
#include <simul/jobs/job_queue.hpp>
#include <simul/jobs/worker.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/redis/client.hpp>

#include "jobs/command_text.hpp"
#include "redis/test_server.hpp"

#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace simul;
using std::chrono::seconds;
namespace fs = std::filesystem;

namespace {

inline constexpr job<void(double)> nap{"m.nap", {"seconds"}};
inline constexpr job<void(std::string)> nap_there{"m.nap_there", {"file"}};
inline constexpr job<int(int)> twice{"m.twice", {"n"}};

// Both stores that workers of several processes share.
class places {
  public:
    places() {
        std::string name = (fs::temp_directory_path() / "simul-stop-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
    }
    ~places() {
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }
    std::array<std::string, 2> urls() const {
        return {"sqlite://" + (folder_ / "jobs.db").string(), server_.url()};
    }
    std::string file(const std::string& name) const { return (folder_ / name).string(); }
    const simul::testing::redis_server& server() const { return server_; }

  private:
    fs::path folder_;
    simul::testing::redis_server server_;
};

// Written by the worker's thread and by its heart.
class log_lines {
  public:
    void add(std::string_view line) {
        std::lock_guard lock(mutex_);
        lines_.emplace_back(line);
    }
    bool has(std::string_view part) const {
        std::lock_guard lock(mutex_);
        for (const std::string& l : lines_)
            if (l.find(part) != l.npos) return true;
        return false;
    }
    std::string all() const {
        std::lock_guard lock(mutex_);
        std::string text;
        for (const std::string& l : lines_) text += l + "\n";
        return text;
    }

  private:
    mutable std::mutex mutex_;
    std::vector<std::string> lines_;
};

worker_options logged(log_lines& lines) {
    worker_options o;
    o.name = "w";
    o.heartbeat = std::chrono::milliseconds(50);
    o.log = [&lines](std::string_view line) { lines.add(line); };
    return o;
}

template <class F>
void on_loop(F f) {
    loop l;
    l.run([&]() -> task<> { co_await f(); });
}

task<void> nap_here(double s) {
    co_await sleep_for(std::chrono::duration_cast<duration>(std::chrono::duration<double>(s)));
}

template <class F>
task<void> until(F condition) {
    while (!condition()) co_await sleep_for(std::chrono::milliseconds(5));
}

template <class R>
task<std::error_code> code_of_result(job_handle<R> handle) {
    std::error_code code;
    try {
        co_await handle.result();
    } catch (const std::system_error& e) {
        code = e.code();
    }
    co_return code;
}

call_options with_retries(int n) {
    call_options o;
    o.retries = n;
    return o;
}

worker_command command_of(worker_command_kind kind, std::string job = {}, std::string execution = {}) {
    worker_command c;
    c.kind = kind;
    c.job = std::move(job);
    c.execution = std::move(execution);
    return c;
}

}  // namespace

TEST_CASE("a coroutine job that is stopped is canceled, is not tried again, and the others go on") {
    places at;
    for (const std::string& url : at.urls()) {
        CAPTURE(url);
        log_lines lines;
        on_loop([&]() -> task<> {
            job_queue queue(url);
            auto handle = co_await queue.with(with_retries(2)).enqueue(nap, 3600.0);
            auto other = co_await queue.enqueue(twice, 4);
            worker w(url, logged(lines));
            bool began = false, cleaned = false, go_on = false;
            w.handle(nap, [&](double s) -> task<void> {
                struct clean {
                    bool& done;
                    ~clean() { done = true; }
                } guard{cleaned};
                began = true;
                co_await nap_here(s);
            });
            w.handle(twice, [&](int n) -> task<int> {
                co_await until([&] { return go_on; });
                co_return 2 * n;
            });
            worker_report report;
            auto runs = [&]() -> task<> { report = co_await w.run(); };
            auto stops = [&]() -> task<> {
                co_await until([&] { return began; });
                co_await handle.stop();
                const std::error_code code = co_await code_of_result(handle);
                CHECK(code == job_errc::stopped);
                CHECK(cleaned);
                go_on = true;
                CHECK(co_await other.result() == 8);
                w.stop();
            };
            co_await all(runs(), stops());
            CHECK(report.failed == 1);
            CHECK(report.succeeded == 1);
            CHECK(report.lost_slots == 0);
            const auto record = co_await handle.record();
            REQUIRE(record.has_value());
            CHECK(record->status == job_status::stopped);
            CHECK(record->retries_left == 2);
            const auto results = co_await queue.store()->results(handle.id(), 10);
            REQUIRE(results.size() == 1);
            CHECK(results[0].error == stopped_text);
            CHECK(lines.has("default: Job stopped by user (" + handle.id() + ")"));
            // By hand it runs again, and who asks then waits for that run.
            co_await queue.store()->requeue(handle.id());
            worker_options once = logged(lines);
            once.burst = true;
            worker again(url, once);
            again.handle(nap, [](double) -> task<void> { co_return; });
            co_await again.run();
            const auto after = co_await handle.record();
            CHECK(after->status == job_status::finished);
        });
    }
}

TEST_CASE("a function in a thread sees that its job was stopped, and its slot is free when it returns") {
    places at;
    for (const std::string& url : at.urls()) {
        CAPTURE(url);
        log_lines lines;
        on_loop([&]() -> task<> {
            job_queue queue(url);
            auto handle = co_await queue.with(with_retries(2)).enqueue(nap, 0.0);
            auto next = co_await queue.enqueue(twice, 4);
            worker_options o = logged(lines);
            o.concurrency = 1;
            worker w(url, o);
            std::atomic<bool> began{false};
            w.handle(nap, [&](double) {
                began = true;
                while (!here().canceled()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
            });
            w.handle(twice, [](int n) { return 2 * n; });
            worker_report report;
            auto runs = [&]() -> task<> { report = co_await w.run(); };
            auto stops = [&]() -> task<> {
                co_await until([&] { return began.load(); });
                co_await handle.stop();
                const std::error_code code = co_await code_of_result(handle);
                CHECK(code == job_errc::stopped);  // although the function returned
                CHECK(co_await next.result() == 8);
                w.stop();
            };
            co_await all(runs(), stops());
            CHECK(report.failed == 1);
            CHECK(report.succeeded == 1);
            CHECK(report.lost_slots == 0);
        });
    }
}

TEST_CASE("a function in a thread that goes on is recorded as stopped at once, and costs its slot later") {
    places at;
    for (const std::string& url : at.urls()) {
        CAPTURE(url);
        log_lines lines;
        std::atomic<bool> go_on{false}, began{false};
        on_loop([&]() -> task<> {
            job_queue queue(url);
            auto handle = co_await queue.enqueue(nap, 0.0);
            worker_options o = logged(lines);
            o.concurrency = 1;  // no slot is left then, so the worker ends by itself
            o.timeout_grace = std::chrono::milliseconds(200);
            worker w(url, o);
            w.handle(nap, [&](double) {
                began = true;
                while (!go_on) std::this_thread::sleep_for(std::chrono::milliseconds(5));
            });
            worker_report report;
            auto runs = [&]() -> task<> { report = co_await w.run(); };
            auto stops = [&]() -> task<> {
                co_await until([&] { return began.load(); });
                co_await handle.stop();
                const std::error_code code = co_await code_of_result(handle);
                CHECK(code == job_errc::stopped);
                CHECK(!go_on.load());  // it still runs
            };
            co_await all(runs(), stops());
            CHECK(report.failed == 1);
            CHECK(report.lost_slots == 1);
            const auto record = co_await handle.record();
            CHECK(record->status == job_status::stopped);
            go_on = true;  // the worker's own pool waits for its threads
        });
        CHECK_MESSAGE(lines.has("still runs; it is recorded as stopped"), lines.all());
        CHECK_MESSAGE(lines.has("1 jobs hang and hold their slots; this worker ends"), lines.all());
    }
}

TEST_CASE("the process of an isolated job that is stopped is ended") {
    places at;
    process_pool_options one;
    one.workers = 1;
    process_pool processes(one);  // before a store starts its thread
    int number = 0;
    for (const std::string& url : at.urls()) {
        CAPTURE(url);
        log_lines lines;
        on_loop([&]() -> task<> {
            job_queue queue(url);
            const std::string file = at.file("pid" + std::to_string(++number));
            auto handle = co_await queue.with(with_retries(2)).enqueue(nap_there, file);
            worker_options o = logged(lines);
            o.processes = &processes;
            worker w(url, o);
            w.handle(nap_there, isolated([](std::string name) {
                         std::ofstream(name + ".new") << ::getpid();
                         fs::rename(name + ".new", name);
                         for (;;) ::pause();
                     }));
            worker_report report;
            pid_t pid = 0;
            auto runs = [&]() -> task<> { report = co_await w.run(); };
            auto stops = [&]() -> task<> {
                co_await until([&] { return fs::exists(file); });
                std::ifstream(file) >> pid;
                REQUIRE(pid > 0);
                CHECK(::kill(pid, 0) == 0);
                co_await handle.stop();
                const std::error_code code = co_await code_of_result(handle);
                CHECK(code == job_errc::stopped);
                w.stop();
            };
            co_await all(runs(), stops());
            const bool gone = ::kill(pid, 0) != 0 && errno == ESRCH;
            CHECK(gone);
            CHECK(report.failed == 1);
        });
    }
    CHECK(processes.statistics().killed == 2);
}

TEST_CASE("a stop that names another run, or a job that does not run here, is logged and ignored") {
    places at;
    for (const std::string& url : at.urls()) {
        CAPTURE(url);
        log_lines lines;
        on_loop([&]() -> task<> {
            job_queue queue(url);
            auto handle = co_await queue.enqueue(twice, 21);
            worker w(url, logged(lines));
            bool began = false, go_on = false;
            w.handle(twice, [&](int n) -> task<int> {
                began = true;
                co_await until([&] { return go_on; });
                co_return 2 * n;
            });
            auto runs = [&]() -> task<> { co_await w.run(); };
            auto tells = [&]() -> task<> {
                co_await until([&] { return began; });
                const std::string earlier = new_execution_id();
                co_await queue.store()->send_command(
                    "w", command_of(worker_command_kind::stop_execution, handle.id(), earlier));
                co_await queue.store()->send_command(
                    "w", command_of(worker_command_kind::stop_job, "somewhere-else"));
                co_await until([&] {
                    return lines.has("Not working on job " + handle.id() + ", command ignored") &&
                           lines.has("Not working on job somewhere-else, command ignored");
                });
                go_on = true;
                CHECK(co_await handle.result() == 42);
                w.stop();
            };
            co_await all(runs(), tells());
        });
    }
}

TEST_CASE("kill-horse ends what runs as a failure, which is tried again") {
    places at;
    for (const std::string& url : at.urls()) {
        CAPTURE(url);
        log_lines lines;
        on_loop([&]() -> task<> {
            job_queue queue(url);
            auto again = co_await queue.with(with_retries(1)).enqueue(twice, 21);
            auto fails = co_await queue.enqueue(nap, 3600.0);
            worker w(url, logged(lines));
            int began = 0;
            bool wait = true;
            w.handle(twice, [&](int n) -> task<int> {
                ++began;
                if (wait) co_await nap_here(3600);
                co_return 2 * n;
            });
            w.handle(nap, [&](double s) -> task<void> {
                ++began;
                co_await nap_here(s);
            });
            worker_report report;
            auto runs = [&]() -> task<> { report = co_await w.run(); };
            auto kills = [&]() -> task<> {
                co_await until([&] { return began == 2; });
                wait = false;
                co_await queue.store()->send_command("w", command_of(worker_command_kind::kill_horse));
                CHECK(co_await again.result() == 42);
                std::string text;
                try {
                    co_await fails.result();
                } catch (const job_failed& e) {
                    text = e.what();
                }
                CHECK(text == "simul.HorseKilled: ended by a kill-horse command");
                w.stop();
            };
            co_await all(runs(), kills());
            CHECK(began == 3);
            CHECK(report.failed == 2);
            CHECK(report.succeeded == 1);
        });
        CHECK_MESSAGE(lines.has("Received kill horse command"), lines.all());
    }
}

TEST_CASE("a shutdown command lets end what runs, and a second one hurries nobody") {
    places at;
    for (const std::string& url : at.urls()) {
        CAPTURE(url);
        log_lines lines;
        on_loop([&]() -> task<> {
            job_queue queue(url);
            auto handle = co_await queue.enqueue(twice, 21);
            worker w(url, logged(lines));
            bool began = false, go_on = false;
            w.handle(twice, [&](int n) -> task<int> {
                began = true;
                co_await until([&] { return go_on; });
                co_return 2 * n;
            });
            worker_report report;
            auto runs = [&]() -> task<> { report = co_await w.run(); };
            auto tells = [&]() -> task<> {
                co_await until([&] { return began; });
                for (int i = 0; i < 2; ++i)
                    co_await queue.store()->send_command("w", command_of(worker_command_kind::shutdown));
                co_await queue.store()->send_command(
                    "w", command_of(worker_command_kind::stop_job, "the-last-word"));
                co_await until([&] { return lines.has("the-last-word"); });
                CHECK(lines.has("Warm shut down requested"));
                CHECK(!lines.has("Cold shut down"));
                if (url == at.server().url()) {  // where RQ's tools look
                    redis::client_options to;
                    to.socket = at.server().socket();
                    redis::client db(to);
                    for (bool shown = false; !shown;) {
                        const redis::reply date =
                            co_await db.command("HGET", "rq:worker:w", "shutdown_requested_date");
                        shown = !date.is_nil();
                        if (shown) CHECK(from_iso(date.as_string()).has_value());
                        co_await sleep_for(std::chrono::milliseconds(5));
                    }
                }
                go_on = true;
            };
            co_await all(runs(), tells());
            CHECK(report.succeeded == 1);
            CHECK(co_await handle.result() == 42);
            auto tell_nobody = [&]() -> task<> {
                co_await queue.store()->send_command("w", command_of(worker_command_kind::shutdown));
            };
            std::error_code refused;
            try {
                co_await tell_nobody();
            } catch (const std::system_error& e) {
                refused = e.code();
            }
            CHECK(refused == job_errc::no_such_worker);
        });
    }
}

TEST_CASE("a job that was stopped does not run again when its worker leaves in a hurry") {
    places at;
    for (const std::string& url : at.urls()) {
        CAPTURE(url);
        log_lines lines;
        std::atomic<bool> go_on{false}, began{false};
        on_loop([&]() -> task<> {
            job_queue queue(url);
            auto handle = co_await queue.enqueue(nap, 0.0);
            worker w(url, logged(lines));
            w.handle(nap, [&](double) {
                began = true;
                while (!go_on) std::this_thread::sleep_for(std::chrono::milliseconds(5));
            });
            auto runs = [&]() -> task<> { co_await w.run(); };
            auto stops = [&]() -> task<> {
                co_await until([&] { return began.load(); });
                co_await handle.stop();
                co_await until([&] { return lines.has("told to stop"); });
                w.stop();
                w.stop();
            };
            co_await all(runs(), stops());
            const auto record = co_await handle.record();
            CHECK(record->status == job_status::stopped);
            go_on = true;
        });
    }
}

TEST_CASE("what is no command on a worker's channel is logged, and a lost channel is listened to again") {
    places at;
    log_lines lines;
    on_loop([&]() -> task<> {
        const std::string url = at.server().url();
        job_queue queue(url);
        auto handle = co_await queue.enqueue(nap, 3600.0);
        worker w(url, logged(lines));
        bool began = false;
        w.handle(nap, [&](double s) -> task<void> {
            began = true;
            co_await nap_here(s);
        });
        auto runs = [&]() -> task<> { co_await w.run(); };
        auto talks = [&]() -> task<> {
            redis::client_options to;
            to.socket = at.server().socket();
            redis::client db(to);
            co_await until([&] { return began; });
            for (const char* rubbish :
                 {"stop it", "[1]", "{\"command\": 5}", "{\"command\": \"dance\"}",
                  "{\"command\": \"stop-job\"}", "{\"command\": \"stop-execution\", \"job_id\": \"a\"}",
                  "\xff\x1b[2J"})
                co_await db.command("PUBLISH", "rq:pubsub:w", rubbish);
            co_await until([&] { return lines.has("\\xff") || lines.has("\\x1b[2J"); });
            for (const char* why : {"no JSON: stop it", "no JSON object: [1]",
                                    "no command: ", "an unknown command: {\"command\": \"dance\"}",
                                    "no job_id: ", "no execution_id: "})
                CHECK_MESSAGE(lines.has(std::string("A command that is not understood was ignored: ") + why),
                              why, "\n", lines.all());
            co_await db.command("CLIENT", "KILL", "TYPE", "pubsub");
            co_await until([&] { return lines.has("Commands are heard again"); });
            CHECK_MESSAGE(lines.has("Commands cannot be heard: "), lines.all());
            co_await handle.stop();
            const std::error_code code = co_await code_of_result(handle);
            CHECK(code == job_errc::stopped);
            w.stop();
        };
        co_await all(runs(), talks());
    });
}

TEST_CASE("a worker without the right to listen works on, and who wants to stop its job is told so") {
    places at;
    log_lines lines;
    on_loop([&]() -> task<> {
        redis::client_options to;
        to.socket = at.server().socket();
        redis::client db(to);
        co_await db.command("ACL", "SETUSER", "default", "-subscribe");
        job_queue queue(at.server().url());
        auto handle = co_await queue.enqueue(twice, 21);
        bool began = false, go_on = false;
        worker w(at.server().url(), logged(lines));
        w.handle(twice, [&](int n) -> task<int> {
            began = true;
            co_await until([&] { return go_on; });
            co_return 2 * n;
        });
        auto runs = [&]() -> task<> { co_await w.run(); };
        auto stops = [&]() -> task<> {
            co_await until([&] { return began; });
            std::error_code refused;
            std::string text;
            try {
                co_await handle.stop();
            } catch (const std::system_error& e) {
                refused = e.code();
                text = e.what();
            }
            CHECK(refused == job_errc::no_such_worker);
            CHECK_MESSAGE(text.find("its worker 'w' does not listen to commands") != std::string::npos, text);
            go_on = true;
            CHECK(co_await handle.result() == 42);
            w.stop();
        };
        co_await all(runs(), stops());
        CHECK_MESSAGE(lines.has("Commands cannot be heard: "), lines.all());
    });
}

namespace {

// A store whose answer to the first take comes only when a stop of the taken job has been read.
class slow_take final : public job_store {
  public:
    explicit slow_take(std::unique_ptr<job_store> s, log_lines& lines)
        : inner_(std::move(s)), lines_(lines) {}

    std::string name() const override { return inner_->name(); }
    bool shared_with_rq() const noexcept override { return inner_->shared_with_rq(); }
    payload_format format() const noexcept override { return inner_->format(); }
    bool private_to_owner() const override { return inner_->private_to_owner(); }
    std::unique_ptr<job_store> sibling() const override { return inner_->sibling(); }
    task<std::vector<enqueue_receipt>> enqueue(std::vector<job_record> jobs) override {
        return inner_->enqueue(std::move(jobs));
    }
    task<std::optional<job_record>> fetch(std::string id) override { return inner_->fetch(id); }
    task<std::vector<result_record>> results(std::string id, std::size_t limit) override {
        return inner_->results(id, limit);
    }
    task<std::optional<result_record>> wait_result(std::string id, std::string after,
                                                   std::chrono::milliseconds wait_max) override {
        return inner_->wait_result(id, after, wait_max);
    }
    task<void> cancel(std::string id, bool enqueue_dependents) override {
        return inner_->cancel(id, enqueue_dependents);
    }
    task<void> stop(std::string id) override { return inner_->stop(id); }
    task<void> send_command(std::string w, worker_command c) override { return inner_->send_command(w, c); }
    task<void> requeue(std::string id) override { return inner_->requeue(id); }
    task<void> remove(std::string id) override { return inner_->remove(id); }
    task<std::vector<std::string>> dependents(std::string id, std::size_t limit) override {
        return inner_->dependents(id, limit);
    }
    task<queue_piece> empty(std::string queue, std::string from, std::size_t limit) override {
        return inner_->empty(queue, from, limit);
    }
    task<queue_piece> requeue_failed(std::string queue, std::string from, std::size_t limit) override {
        return inner_->requeue_failed(queue, from, limit);
    }
    task<void> set_suspended(bool on, std::optional<seconds> for_so_long) override {
        return inner_->set_suspended(on, for_so_long);
    }
    task<store_overview> overview() override { return inner_->overview(); }
    task<std::vector<std::string>> list(std::string queue, job_status status, std::size_t limit) override {
        return inner_->list(queue, status, limit);
    }
    task<void> register_worker(worker_record w, seconds lease) override {
        return inner_->register_worker(w, lease);
    }
    task<void> unregister_worker(std::string n) override { return inner_->unregister_worker(n); }
    task<heartbeat_answer> heartbeat(heartbeat_request r) override { return inner_->heartbeat(r); }
    task<take_answer> take(take_request r) override {
        take_answer answer = co_await inner_->take(r);
        for (taken_job& t : answer.jobs) {
            co_await inner_->stop(t.job.id);
            co_await inner_->send_command(r.worker, command_of(worker_command_kind::kill_horse));
            co_await until([&] { return lines_.has("Received kill horse command"); });
        }
        co_return answer;
    }
    task<std::optional<worker_command>> wait_command(std::string w,
                                                     std::chrono::milliseconds wait_max) override {
        return inner_->wait_command(w, wait_max);
    }
    task<void> wait_for_work(std::vector<std::string> queues, std::chrono::milliseconds wait_max) override {
        return inner_->wait_for_work(queues, wait_max);
    }
    task<std::vector<finish_answer>> finish(std::string w, std::vector<execution_outcome> o) override {
        return inner_->finish(w, o);
    }
    task<void> hand_back(std::string w, std::vector<execution_outcome> e) override {
        return inner_->hand_back(w, e);
    }
    task<recover_answer> recover(recover_request r) override { return inner_->recover(r); }
    task<maintain_answer> maintain(std::string w, std::vector<std::string> queues, bool clean) override {
        return inner_->maintain(w, queues, clean);
    }

  private:
    std::unique_ptr<job_store> inner_;
    log_lines& lines_;
};

}  // namespace

TEST_CASE("a stop that overtakes the job on its way to the worker keeps it from running") {
    places at;
    log_lines lines;
    on_loop([&]() -> task<> {
        std::unique_ptr<job_store> store = open_store(at.urls()[0]);
        job_queue queue(at.urls()[0]);
        auto handle = co_await queue.enqueue(nap, 0.0);
        worker_options o = logged(lines);
        o.burst = true;
        worker w(std::make_unique<slow_take>(std::move(store), lines), o);
        bool ran = false;
        w.handle(nap, [&](double) -> task<void> {
            ran = true;
            co_return;
        });
        const worker_report report = co_await w.run();
        CHECK(!ran);
        CHECK(report.failed == 1);
        const auto record = co_await handle.record();
        CHECK(record->status == job_status::stopped);
    });
}

TEST_CASE("commands are written as RQ reads them, and read as RQ writes them") {
    using detail::command_text;
    using detail::read_command;
    for (auto kind : {worker_command_kind::kill_horse, worker_command_kind::shutdown})
        CHECK(read_command(command_text(command_of(kind))).kind == kind);
    const worker_command c =
        read_command(command_text(command_of(worker_command_kind::stop_execution, "a", "e")));
    CHECK(c.kind == worker_command_kind::stop_execution);
    CHECK(c.job == "a");
    CHECK(c.execution == "e");
    CHECK(read_command(R"({"command": "stop-job", "job_id": "a"})").job == "a");
    CHECK(read_command(R"({"command": "stop-job", "job_id": 7})").kind == worker_command_kind::unknown);
    const std::string long_one(10'000, 'x');
    CHECK(read_command(long_one).text.size() < 300);
    // A name that JSON cannot hold would end a Python worker's listener.
    CHECK_THROWS_AS(command_text(command_of(worker_command_kind::stop_job, "\xff")), std::system_error);
    CHECK_THROWS_AS(command_text(command_of(worker_command_kind::unknown)), std::system_error);
}
