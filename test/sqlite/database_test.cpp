#include <simul/sqlite/database.hpp>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

using namespace simul;
namespace fs = std::filesystem;

namespace {

struct temporary_folder {
    fs::path path;
    temporary_folder() {
        std::string name = (fs::temp_directory_path() / "simul-sqlite-XXXXXX").string();
        path = ::mkdtemp(name.data());
    }
    ~temporary_folder() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
    std::string file(const char* name) const { return (path / name).string(); }
};

std::error_code code_of(auto&& f) {
    try {
        f();
    } catch (const std::system_error& e) {
        return e.code();
    }
    return {};
}
std::string text_of(auto&& f) {
    try {
        f();
    } catch (const std::exception& e) {
        return e.what();
    }
    return {};
}

}  // namespace

TEST_CASE("what was written is read back, and a failed write leaves nothing") {
    temporary_folder dir;
    sqlite::database db(dir.file("a.db"));
    db.write([&] { db.execute("CREATE TABLE t(a, b, c)"); });
    db.write([&] {
        db.run("INSERT INTO t VALUES(?,?,?)", 1, std::string("two\0too", 7), bytes{std::string("\0x", 2)});
    });
    CHECK_THROWS_AS(db.write([&] {
        db.run("INSERT INTO t VALUES(?,?,?)", 2, nullptr, 2.5);
        throw std::runtime_error("no");
    }),
                    std::runtime_error);
    auto s = db.prepare("SELECT a, b, c, count(*) OVER () FROM t");
    REQUIRE(s.step());
    CHECK(s.integer(0) == 1);
    CHECK(s.text(1) == std::string("two\0too", 7));
    CHECK(s.text(2) == std::string("\0x", 2));
    CHECK(s.integer(3) == 1);
    CHECK(!s.step());
}

TEST_CASE("a new database file can be read by its owner only") {
    temporary_folder dir;
    sqlite::database db(dir.file("a.db"));
    db.write([&] { db.execute("CREATE TABLE t(a)"); });
    for (const char* suffix : {"", "-wal", "-shm", "-lock"}) {
        struct stat st{};
        REQUIRE(::stat((dir.file("a.db") + suffix).c_str(), &st) == 0);
        CHECK_MESSAGE((st.st_mode & 0777) == 0600, suffix);
    }
}

TEST_CASE("a file that is no database, a folder and a missing folder are named errors") {
    temporary_folder dir;
    std::ofstream(dir.file("text")) << std::string(5000, 'x');
    CHECK(code_of([&] { sqlite::database db(dir.file("text")); }) == sqlite::errc::not_a_database);
    CHECK(text_of([&] { sqlite::database db(dir.file("text")); }).find(dir.file("text")) !=
          std::string::npos);
    CHECK(code_of([&] { sqlite::database db(dir.path.string()); }) == sqlite::errc::not_a_database);
    CHECK(code_of([&] { sqlite::database db(dir.file("none/a.db")); }) == sqlite::errc::not_writable);
    CHECK(code_of([&] {
              sqlite::database_options o;
              o.create = false;
              sqlite::database db(dir.file("absent.db"), o);
          }) == sqlite::errc::not_writable);
    CHECK(code_of([&] { sqlite::database db(dir.file("text")); }) == condition::invalid);
}

TEST_CASE("a database of another program or of a future version is refused") {
    temporary_folder dir;
    sqlite::database_options mine;
    mine.application_id = 77;
    mine.schema_version = 3;
    {
        sqlite::database db(dir.file("mine.db"), mine);
        db.write([&] {
            db.execute("CREATE TABLE t(a)");
            db.set_schema_version(4);
        });
    }
    CHECK(code_of([&] { sqlite::database db(dir.file("mine.db"), mine); }) == sqlite::errc::future_version);
    auto other = mine;
    other.application_id = 78;
    CHECK(code_of([&] { sqlite::database db(dir.file("mine.db"), other); }) ==
          sqlite::errc::foreign_database);
    mine.schema_version = 4;
    sqlite::database db(dir.file("mine.db"), mine);
    CHECK(db.schema_version() == 4);
}

TEST_CASE("a file that may not be written is a named error") {
    if (::geteuid() == 0) return;  // root may write everything
    temporary_folder dir;
    {
        sqlite::database db(dir.file("a.db"));
    }
    ::chmod(dir.file("a.db").c_str(), 0400);
    CHECK(code_of([&] { sqlite::database db(dir.file("a.db")); }) == sqlite::errc::not_writable);
}

TEST_CASE("several connections that write at once lose nothing") {
    temporary_folder dir;
    std::string path = dir.file("a.db");
    {
        sqlite::database db(path);
        db.write([&] { db.execute("CREATE TABLE t(n INTEGER); INSERT INTO t VALUES(0)"); });
    }
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            sqlite::database_options o;
            o.checkpoint_pages = 4;  // checkpoints race commits as often as they can
            sqlite::database db(path, o);
            for (int k = 0; k < 50; ++k) db.write([&] { db.run("UPDATE t SET n=n+1"); });
        });
    for (auto& t : threads) t.join();
    sqlite::database db(path);
    auto s = db.prepare("SELECT n FROM t");
    REQUIRE(s.step());
    CHECK(s.integer(0) == 200);
    auto check = db.prepare("PRAGMA integrity_check");
    REQUIRE(check.step());
    CHECK(check.text(0) == "ok");
}

TEST_CASE("the write lock of a killed process is free at once") {
    temporary_folder dir;
    std::string path = dir.file("a.db");
    {
        sqlite::database db(path);
        db.write([&] { db.execute("CREATE TABLE t(n)"); });
    }
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        sqlite::database db(path);
        db.write([&] {
            db.run("INSERT INTO t VALUES(1)");
            [[maybe_unused]] auto n = ::write(ready[1], "x", 1);
            ::pause();
        });
        ::_exit(0);
    }
    char c;
    REQUIRE(::read(ready[0], &c, 1) == 1);
    sqlite::database_options impatient;
    impatient.lock_wait_max = std::chrono::milliseconds(50);
    CHECK(code_of([&] { sqlite::database db(path, impatient); }) == sqlite::errc::lock_timed_out);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    sqlite::database db(path);
    db.write([&] { db.run("INSERT INTO t VALUES(2)"); });
    auto s = db.prepare("SELECT group_concat(n) FROM t");
    REQUIRE(s.step());
    CHECK(s.text(0) == "2");
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST_CASE("a checkpoint empties the log into the file") {
    temporary_folder dir;
    sqlite::database db(dir.file("a.db"));
    db.write([&] { db.execute("CREATE TABLE t(n)"); });
    CHECK(fs::file_size(dir.file("a.db-wal")) > 0);
    CHECK(db.checkpoint());
    CHECK(fs::file_size(dir.file("a.db-wal")) == 0);
}
