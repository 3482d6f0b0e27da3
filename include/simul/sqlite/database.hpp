#pragma once

#include <simul/base/bytes.hpp>
#include <simul/sqlite/error.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

// One SQLite file that several processes write.
//
// SQLite 3.7.0 to 3.51.2 can corrupt a database in WAL mode when one connection checkpoints while another
// commits (3.44.6 and 3.50.7 are repaired). Debian 12 and 13 ship such versions. So a rule holds for everyone
// who uses this class: *every write transaction and every checkpoint is made under one lock between
// processes*, a lock on the file PATH-lock. SQLite's own automatic checkpoints are off, also the one at the
// last close. Invariants:
//   1. a commit that writes happens only inside write(), which holds the lock (a commit hook asserts it in
//      debug builds);
//   2. a checkpoint is made only by write(), after its commit and before it lets go of the lock;
//   3. readers need no lock: WAL gives them a snapshot.
// Programs that write the file through other means are outside this rule.

namespace simul::sqlite {

class database;

/// One prepared statement, ready to be bound and stepped. Belongs to its database and its thread.
class statement {
  public:
    statement(statement&& other) noexcept
        : handle_(std::exchange(other.handle_, nullptr)), next_(other.next_), owner_(other.owner_) {}
    statement& operator=(statement&&) = delete;
    ~statement();

    /// Binds the next parameter; bind_all() binds them from the first.
    statement& bind(std::nullptr_t);
    statement& bind(std::int64_t v);
    statement& bind(int v) { return bind(static_cast<std::int64_t>(v)); }
    statement& bind(bool v) { return bind(static_cast<std::int64_t>(v)); }
    statement& bind(double v);
    statement& bind(std::string_view text);
    statement& bind(const std::string& text) { return bind(std::string_view(text)); }
    statement& bind(const char* text) { return bind(std::string_view(text)); }
    statement& bind(const bytes& blob);
    template <class T>
    statement& bind(const std::optional<T>& v) {
        return v ? bind(*v) : bind(nullptr);
    }
    template <class... Args>
    statement& bind_all(const Args&... args) {
        (bind(args), ...);
        return *this;
    }

    /// Goes to the next row; false when there is none.
    bool step();
    /// Steps to the end and returns the number of rows the statement changed.
    int run();

    bool is_null(int column) const;
    std::int64_t integer(int column) const;
    double real(int column) const;
    std::string text(int column) const;  ///< Text or blob; empty for null.
    std::optional<std::int64_t> optional_integer(int column) const;

  private:
    friend class database;
    statement(void* handle, database* owner) : handle_(handle), owner_(owner) {}
    [[noreturn]] void fail(const char* what) const;

    void* handle_;
    int next_ = 1;
    database* owner_;
};

/// Against what a commit is safe once write() has returned.
enum class durability {
    killed_process,  ///< The default: the death of any process. A power cut may take the last commits.
    power_cut,       ///< Also a power cut: one fsync per commit, about a hundred times slower on disks.
};

struct database_options {
    std::int32_t application_id = 0;  ///< Written into a new file, demanded of an old one; 0: not checked.
    int schema_version = 1;           ///< Newer files are refused.
    durability durable = durability::killed_process;
    bool create = true;                               ///< Make the file if there is none.
    std::chrono::milliseconds lock_wait_max{10'000};  ///< Waiting for another process's write.
    int checkpoint_pages = 1000;                      ///< WAL pages (4 KiB) that make a write checkpoint.
    std::size_t statements_max = 128;                 ///< Prepared statements that are kept.
};

/// A connection to one database file, for one thread at a time.
///
/// A new file gets mode 0600. Throws std::system_error with sqlite::errc where the file is no database, of
/// another program, of a newer version, not writable or on a network file system; the message names the file
/// and what to do.
class database {
  public:
    explicit database(std::string path, database_options options = {});
    ~database();
    database(const database&) = delete;
    database& operator=(const database&) = delete;

    /// A prepared statement, from the cache where it was used before. One text may be in use once at a time.
    statement prepare(std::string_view sql);
    template <class... Args>
    int run(std::string_view sql, const Args&... args) {
        statement s = prepare(sql);
        return s.bind_all(args...).run();
    }
    /// Executes statements without parameters, one after the other.
    void execute(const char* sql);

    /// Runs `body` as one write transaction under the lock between processes: committed when it returns,
    /// undone when it throws. Not to be nested.
    template <class F>
    auto write(F&& body) {
        write_guard guard(*this);
        if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
            body();
            guard.commit();
        } else {
            auto result = body();
            guard.commit();
            return result;
        }
    }

    /// Runs `body` on one snapshot of the file.
    template <class F>
    auto read(F&& body) {
        read_guard guard(*this);
        return body();
    }

    /// The schema version in the file: 0 for a new one.
    int schema_version();
    /// Inside write(): records the version after the tables were made.
    void set_schema_version(int version);

    /// Copies the write-ahead log into the file, under the lock. Returns false if readers prevented the end.
    bool checkpoint();

    const std::string& path() const noexcept { return path_; }
    bool writing() const noexcept { return writing_; }

  private:
    friend class statement;
    struct impl;
    class write_guard {
      public:
        explicit write_guard(database& db) : db_(db) { db_.begin_write(); }
        ~write_guard() {
            if (!done_) db_.roll_back();
        }
        write_guard(const write_guard&) = delete;
        void commit() {
            done_ = true;
            db_.commit_write();
        }

      private:
        database& db_;
        bool done_ = false;
    };
    class read_guard {
      public:
        explicit read_guard(database& db) : db_(db) { db_.begin_read(); }
        ~read_guard() { db_.end_read(); }
        read_guard(const read_guard&) = delete;

      private:
        database& db_;
    };
    void begin_write();
    void commit_write();
    void roll_back() noexcept;
    void begin_read();
    void end_read() noexcept;
    void check_open_rules();

    std::string path_;
    database_options options_;
    std::unique_ptr<impl> impl_;
    bool writing_ = false;
};

}  // namespace simul::sqlite
