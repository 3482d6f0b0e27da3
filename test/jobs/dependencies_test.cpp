// Jobs that wait for other jobs, as a program that enqueues and runs them sees it.

#include <simul/jobs/error.hpp>
#include <simul/jobs/job_queue.hpp>
#include <simul/jobs/worker.hpp>
#include <simul/loop/loop.hpp>
#include <simul/sqlite/database.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

using namespace simul;
using std::chrono::seconds;
namespace fs = std::filesystem;

namespace {

inline constexpr job<int(int)> twice{"m.twice", {"n"}};
inline constexpr job<std::string(std::string)> shout{"m.shout", {"text"}};
inline constexpr job<void()> fails{"m.fails"};

class folder {
  public:
    folder() {
        std::string name = (fs::temp_directory_path() / "simul-dependencies-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    ~folder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    std::string file() const { return (path_ / "jobs.db").string(); }
    std::string url() const { return "sqlite://" + file(); }

  private:
    fs::path path_;
};

/// Runs what waits to the end, and tells the order.
task<std::vector<std::string>> work(std::string url, std::size_t concurrency = 1) {
    std::vector<std::string> order;
    worker_options o;
    o.burst = true;
    o.concurrency = concurrency;
    o.log = [](std::string_view) {};
    worker w(url, o);
    w.handle(twice, [&order](int n) -> task<int> {
        order.push_back("twice " + std::to_string(n));
        co_return 2 * n;
    });
    w.handle(shout, [&order](std::string text) -> task<std::string> {
        order.push_back("shout " + text);
        co_return text + "!";
    });
    w.handle(fails, [&order]() -> task<> {
        order.emplace_back("fails");
        throw std::runtime_error("no");
        co_return;
    });
    co_await w.run();
    co_return order;
}

using words = std::vector<std::string>;

/// The words between the commas. (g++ 14 does not compile a braced list of strings in an expression with
/// co_await.)
words listed(std::string_view text) {
    words all;
    for (;;) {
        const std::size_t end = text.find(',');
        all.emplace_back(text.substr(0, end));
        if (end == text.npos) return all;
        text.remove_prefix(end + 1);
    }
}

template <class F>
void in_folder(F f) {
    folder place;
    loop l;
    l.run([&]() -> task<> {
        job_queue queue(place.url());
        co_await f(queue, place);
    });
}

/// What `f` throws: its code, and in `said` its words.
template <class F>
std::error_code code_of(F f, std::string& said) {
    try {
        f();
    } catch (const std::system_error& e) {
        said = e.what();
        return e.code();
    }
    return {};
}

}  // namespace

TEST_CASE("a job runs when those it depends on have finished, and each handle gives its result") {
    in_folder([](job_queue& queue, folder& place) -> task<> {
        auto four = co_await queue.enqueue(twice, 2);
        auto six = co_await queue.enqueue(twice, 3);
        job_queue afterwards = queue.with({.depends_on = {four.id(), six.id()}});
        auto done = co_await afterwards.enqueue(shout, "done");
        auto record = co_await done.record();
        REQUIRE(record.has_value());
        CHECK(record->status == job_status::deferred);
        CHECK(record->depends_on == listed(four.id() + "," + six.id()));
        CHECK(co_await work(place.url()) == listed("twice 2,twice 3,shout done"));
        CHECK(co_await four.result() == 4);
        CHECK(co_await done.result() == "done!");
    });
}

TEST_CASE("jobs of several types are enqueued in one step, each waiting for the one before") {
    in_folder([](job_queue& queue, folder& place) -> task<> {
        auto first = queue.prepare(shout, "first");
        auto second = queue.with({.depends_on = {first.id()}}).prepare(twice, 21);
        auto third = queue.with({.depends_on = {second.id()}}).prepare(fails);
        auto fourth = queue.with({.depends_on = {third.id()}, .allow_dependency_failures = true})
                          .prepare_call(shout.call("fourth"));
        CHECK(!(co_await queue.find(first.id()).record()).has_value());
        auto [a, b, c, d] = co_await queue.enqueue_many(first, second, third, fourth);
        static_assert(std::is_same_v<decltype(b), job_handle<int>>);
        CHECK(a.id() == first.id());
        CHECK(co_await work(place.url()) == listed("shout first,twice 21,fails,shout fourth"));
        CHECK(co_await a.result() == "first!");
        CHECK(co_await b.result() == 42);
        CHECK_THROWS_AS(co_await c.result(), job_failed);
        CHECK((co_await d.result()).as_string() == "fourth!");
    });
}

TEST_CASE("a burst worker does not end while a job that has just ended lets another one go") {
    in_folder([](job_queue& queue, folder& place) -> task<> {
        std::vector<prepared_job<int>> chain;
        for (int n = 0; n < 300; ++n) {
            call_options o;
            if (n != 0) o.depends_on = {chain.back().id()};
            chain.push_back(queue.with(o).prepare(twice, n));
        }
        co_await queue.enqueue_many(chain);
        // With a second slot it looks for more while a job runs.
        const words order = co_await work(place.url(), 2);
        CHECK(order.size() == 300);
    });
}

TEST_CASE("many jobs of one type are enqueued in one step, all or none") {
    in_folder([](job_queue& queue, folder& place) -> task<> {
        std::vector<prepared_job<int>> jobs;
        for (int n = 0; n < 100; ++n) jobs.push_back(queue.prepare(twice, n));
        auto handles = co_await queue.enqueue_many(jobs);
        REQUIRE(handles.size() == 100);
        CHECK(value(static_cast<std::int64_t>((co_await work(place.url())).size())) == value(100));
        CHECK(co_await handles[99].result() == 198);
        CHECK((co_await queue.enqueue_many(std::vector<prepared_job<int>>())).empty());

        std::vector<prepared_job<int>> wrong;
        wrong.push_back(queue.prepare(twice, 1));
        wrong.push_back(queue.with({.depends_on = {"never"}}).prepare(twice, 2));
        std::error_code code;
        std::string said;
        try {
            co_await queue.enqueue_many(wrong);
        } catch (const std::system_error& e) {
            code = e.code();
            said = e.what();
        }
        CHECK(code == job_errc::no_such_job);
        CHECK_MESSAGE(said.find("depends on never, of which there is no record") != said.npos, said);
        CHECK(!(co_await queue.find(wrong[0].id()).record()).has_value());

        std::vector<prepared_job<int>> too_many(enqueue_many_max + 1, queue.prepare(twice, 1));
        code.clear();
        try {
            co_await queue.enqueue_many(std::move(too_many));
        } catch (const std::system_error& e) {
            code = e.code();
        }
        CHECK(code == job_errc::invalid_option);
    });
}

TEST_CASE("a job at the front comes before what waited while it was deferred") {
    in_folder([](job_queue& queue, folder& place) -> task<> {
        auto first = co_await queue.enqueue(twice, 1);
        job_queue urgent = queue.with({.at_front = true, .depends_on = {first.id()}});
        co_await urgent.enqueue(shout, "front");
        co_await queue.enqueue(twice, 2);
        CHECK(co_await work(place.url()) == listed("twice 1,shout front,twice 2"));
    });
}

TEST_CASE("dependencies that cannot be are refused before anything is stored") {
    folder place;
    job_queue queue(place.url());
    std::string said;
    auto attempt = [&](const call_options& o) {
        return code_of([&] { (void)queue.with(o).prepare(twice, 1); }, said);
    };
    call_options o;
    o.depends_on = {"a b"};
    CHECK(attempt(o) == job_errc::invalid_id);
    CHECK_MESSAGE(said.find("'a b'") != said.npos, said);
    o.depends_on = {std::string(job_id_bytes_max + 1, 'x')};
    CHECK(attempt(o) == job_errc::invalid_id);
    o.depends_on = {""};
    CHECK(attempt(o) == job_errc::invalid_id);
    o.depends_on = {"self"};
    o.id = "self";
    CHECK(attempt(o) == job_errc::dependency_cycle);
    CHECK_MESSAGE(said.find("self -> self") != said.npos, said);
    o.id.clear();
    o.delay = seconds(1);
    CHECK(attempt(o) == job_errc::invalid_option);
    CHECK_MESSAGE(said.find("is delayed and depends on other jobs") != said.npos, said);
    o.delay.reset();
    o.depends_on.assign(job_dependencies_max + 1, "same");
    CHECK(attempt(o) == job_errc::invalid_option);
    CHECK_MESSAGE(said.find("job_dependencies_max, 1000") != said.npos, said);
    o.depends_on = {"same", "same"};
    CHECK(!attempt(o));  // named twice is named once
}

TEST_CASE("more jobs than can be released in one step cannot wait for one job") {
    in_folder([](job_queue& queue, folder&) -> task<> {
        auto first = co_await queue.enqueue(twice, 1);
        job_queue after = queue.with({.depends_on = {first.id()}});
        // The store knows one that waits already, so the whole of the largest enqueue is one too many.
        co_await after.enqueue(twice, 2);
        std::vector<prepared_job<int>> jobs;
        jobs.reserve(job_dependents_max);
        for (std::size_t i = 0; i < job_dependents_max; ++i) jobs.push_back(after.prepare(twice, 3));
        std::string said;
        std::error_code code;
        try {
            co_await queue.enqueue_many(std::move(jobs));
        } catch (const std::system_error& e) {
            code = e.code();
            said = e.what();
        }
        CHECK(code == job_errc::invalid_option);
        CHECK_MESSAGE(said.find("10000 jobs wait for " + first.id() + " already") != said.npos, said);
    });
}

// What the first version of simul made.
constexpr const char* schema_of_version_1 = R"sql(
CREATE TABLE jobs(
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    queue TEXT NOT NULL,
    status TEXT NOT NULL,
    position INTEGER,
    data BLOB NOT NULL,
    description TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    enqueued_at INTEGER,
    started_at INTEGER,
    ended_at INTEGER,
    due_at INTEGER,
    expires_at INTEGER,
    timeout INTEGER NOT NULL,
    ttl INTEGER,
    result_ttl INTEGER,
    failure_ttl INTEGER,
    retries_left INTEGER NOT NULL,
    retry_intervals TEXT NOT NULL,
    at_front INTEGER NOT NULL,
    at_front_on_retry INTEGER NOT NULL,
    meta BLOB NOT NULL,
    worker TEXT NOT NULL,
    execution TEXT NOT NULL,
    deaths INTEGER NOT NULL);
CREATE INDEX jobs_waiting ON jobs(queue, position) WHERE status = 'queued';
CREATE INDEX jobs_due ON jobs(due_at) WHERE status = 'scheduled';
CREATE INDEX jobs_running ON jobs(worker) WHERE status = 'started';
CREATE INDEX jobs_expiring ON jobs(expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX jobs_by_status ON jobs(queue, status);
CREATE TABLE results(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    type INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    worker TEXT NOT NULL,
    execution TEXT NOT NULL,
    return_value BLOB NOT NULL,
    error TEXT NOT NULL,
    started_at INTEGER,
    ended_at INTEGER);
CREATE INDEX results_of_job ON results(job, number);
CREATE TABLE queues(
    name TEXT PRIMARY KEY,
    head INTEGER NOT NULL,
    tail INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE workers(
    name TEXT PRIMARY KEY,
    queues TEXT NOT NULL,
    host TEXT NOT NULL,
    boot TEXT NOT NULL,
    pid_namespace TEXT NOT NULL,
    pid INTEGER NOT NULL,
    process_started INTEGER NOT NULL,
    version TEXT NOT NULL,
    state TEXT NOT NULL,
    birth INTEGER NOT NULL,
    last_heartbeat INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    successful INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    working_seconds REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
)sql";

TEST_CASE("a file of the first version keeps its jobs, and they can be waited for") {
    folder place;
    {
        sqlite::database_options o;
        o.application_id = 0x73696d75;
        o.schema_version = 1;
        sqlite::database db(place.file(), o);
        job_call call;
        call.function = "m.twice";
        call.args.emplace_back(4);
        const std::string data = encode_call(call, payload_format::pickle);
        db.write([&] {
            db.execute(schema_of_version_1);
            for (const char* id : {"waits", "finished"}) {
                const bool ended = std::string_view(id) == "finished";
                db.run(
                    "INSERT INTO jobs(id, queue, status, position, data, description, created_at, timeout, "
                    "retries_left, retry_intervals, at_front, at_front_on_retry, meta, worker, execution, "
                    "deaths) VALUES(?, 'default', ?, ?, ?, 'm.twice(4)', 1, 180, 0, '', 0, 0, x'', '', '', "
                    "0)",
                    id, ended ? "finished" : "queued",
                    ended ? std::optional<std::int64_t>() : std::optional<std::int64_t>(0), bytes{data});
            }
            db.run("INSERT INTO queues(name, head, tail) VALUES('default', 0, 0)");
            db.set_schema_version(1);
        });
    }
    loop l;
    l.run([&]() -> task<> {
        job_queue queue(place.url());
        auto old = co_await queue.find("waits").record();
        REQUIRE(old.has_value());
        CHECK(old->status == job_status::queued);
        CHECK(old->depends_on.empty());
        job_queue after = queue.with({.depends_on = {"finished", "waits"}});
        auto next = co_await after.enqueue(shout, "next");
        job_queue again(place.url());  // the second opening finds the new version
        CHECK((co_await again.find(next.id()).record())->status == job_status::deferred);
        CHECK(co_await work(place.url()) == listed("twice 4,shout next"));
    });
    sqlite::database_options newer;
    newer.application_id = 0x73696d75;
    newer.schema_version = 1'000;
    {
        sqlite::database db(place.file(), newer);
        db.write([&] { db.set_schema_version(1'000); });
    }
    std::string said;
    const std::error_code code = code_of([&] { (void)open_store(place.url()); }, said);
    CHECK(code == sqlite::errc::future_version);
    CHECK_MESSAGE(said.find("schema version 1000") != said.npos, said);
}
