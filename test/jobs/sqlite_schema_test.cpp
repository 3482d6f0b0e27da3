// A file of jobs that another version of simul wrote.

#include <simul/codec/json.hpp>
#include <simul/jobs/store.hpp>
#include <simul/loop/loop.hpp>
#include <simul/sqlite/database.hpp>
#include <simul/sqlite/error.hpp>

#include "jobs/sqlite_engine.hpp"

#include <doctest/doctest.h>

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

using namespace simul;
namespace fs = std::filesystem;

namespace {

class folder {
  public:
    folder() {
        std::string name = (fs::temp_directory_path() / "simul-schema-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    ~folder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    std::string file() const { return (path_ / "jobs.db").string(); }

  private:
    fs::path path_;
};

// The tables as simul made them when they had version 1, word for word.
constexpr const char* version_1 = R"sql(
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

void make_file(const std::string& path, int version) {
    sqlite::database_options o;
    o.application_id = detail::jobs_application_id;
    o.schema_version = version;
    sqlite::database db(path, o);
    db.write([&] {
        db.execute(version_1);
        db.execute(
            "INSERT INTO queues VALUES('default', 0, 1);"
            "INSERT INTO settings VALUES('suspended', '1');"
            "INSERT INTO jobs VALUES(1,'waits','default','queued',1,'data','m.f()',1000000,1000000,NULL,NULL,"
            "NULL,NULL,180,NULL,NULL,NULL,0,'',0,0,'','','',0);"
            "INSERT INTO jobs VALUES(2,'bad','default','failed',NULL,'data','m.g()',1000000,1000000,1000000,"
            "2000000,NULL,NULL,180,NULL,NULL,NULL,2,'10,30',0,0,'','w','',1);"
            "INSERT INTO results(job,type,created_at,worker,execution,return_value,error) "
            "VALUES('bad',2,2000000,'w','e','','Error: no')");
        db.set_schema_version(version);
    });
}

int version_of(const std::string& path) {
    sqlite::database_options o;
    o.application_id = detail::jobs_application_id;
    o.schema_version = 1'000;
    sqlite::database db(path, o);
    return db.schema_version();
}

}  // namespace

TEST_CASE("a file of the first version is brought up, with all that is in it") {
    folder f;
    make_file(f.file(), 1);
    for (int opened = 0; opened < 2; ++opened) {
        loop l;
        l.run([&]() -> task<> {
            std::unique_ptr<job_store> store = open_store("sqlite://" + f.file());
            const store_overview o = co_await store->overview();
            REQUIRE(o.queues.size() == 1);
            CHECK(o.queues[0].name == "default");
            CHECK(o.queues[0].queued == 1);
            CHECK(o.queues[0].failed == 1);
            CHECK(o.suspended);
            CHECK(!o.suspended_until.has_value());
            const auto bad = co_await store->fetch("bad");
            REQUIRE(bad.has_value());
            CHECK(bad->description == "m.g()");
            CHECK(bad->retries_left == 2);
            CHECK(bad->deaths == 1);
            const auto results = co_await store->results("bad", 10);
            REQUIRE(results.size() == 1);
            CHECK(results[0].error == "Error: no");
            const std::vector<std::string> failed = co_await store->list("default", job_status::failed, 10);
            CHECK(failed == std::vector<std::string>{"bad"});
        });
        CHECK(version_of(f.file()) == detail::jobs_schema_version);
    }
}

TEST_CASE("a file of a later version is refused and left as it is") {
    folder f;
    const int later = detail::jobs_schema_version + 1;
    make_file(f.file(), later);
    std::string refusal;
    try {
        loop l;
        l.run([&]() -> task<> {
            open_store("sqlite://" + f.file());
            co_return;
        });
    } catch (const std::system_error& e) {
        CHECK(e.code() == sqlite::errc::future_version);
        refusal = e.what();
    }
    CHECK_MESSAGE(refusal.find("use the newer program, or another file") != refusal.npos, refusal);
    CHECK(version_of(f.file()) == later);
}
