#include <simul/sqlite/database.hpp>

#include <fmt/format.h>
#include <sqlite3.h>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <thread>
#include <unordered_map>
#include <vector>

namespace simul::sqlite {
namespace {

constexpr int magic_cifs = static_cast<int>(0xFF534D42);
constexpr int magic_smb2 = static_cast<int>(0xFE534D42);
constexpr int magic_9p = 0x01021997;
constexpr int magic_ceph = 0x00C36400;
constexpr int magic_gpfs = 0x47504653;
constexpr int magic_lustre = 0x0BD00BD0;

bool is_network_file_system(long type) {
    switch (static_cast<int>(type)) {
        case NFS_SUPER_MAGIC:
        case SMB_SUPER_MAGIC:
        case AFS_SUPER_MAGIC:
        case CODA_SUPER_MAGIC:
        case magic_cifs:
        case magic_smb2:
        case magic_9p:
        case magic_ceph:
        case magic_gpfs:
        case magic_lustre:
            return true;
        default:
            return false;
    }
}

[[noreturn]] void fail_with(errc code, std::string text) {
    throw std::system_error(make_error_code(code), std::move(text));
}

/// A lock between processes that the kernel gives back when its owner dies: an open-file-description lock,
/// so that two connections of one process exclude each other too.
class file_lock {
  public:
    explicit file_lock(const std::string& path) : path_(path) {
        fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd_ < 0) {
            int err = errno;
            if (err == EACCES || err == EROFS || err == EPERM)
                fail_with(errc::not_writable,
                          fmt::format("{} cannot be made: {}; the database's folder must be writable", path,
                                      std::strerror(err)));
            throw_errno(err, "open " + path);
        }
    }
    ~file_lock() { ::close(fd_); }
    file_lock(const file_lock&) = delete;
    file_lock& operator=(const file_lock&) = delete;

    // There is no waiting lock call with a time limit, so this asks again, at first at once and then every
    // millisecond. Writers hold the lock for tens of microseconds.
    void lock(std::chrono::milliseconds wait_max) {
        using std::chrono::steady_clock;
        steady_clock::time_point give_up{};
        for (int attempt = 0; !set(F_WRLCK); ++attempt) {
            if (attempt == 0) give_up = steady_clock::now() + wait_max;
            if (attempt > 64 && steady_clock::now() >= give_up)
                fail_with(
                    errc::lock_timed_out,
                    fmt::format("{} was held by another process for {} ms (lock_wait_max); a stopped or "
                                "hanging process may hold it: see `fuser {}`",
                                path_, wait_max.count(), path_));
            if (attempt < 8) {
                std::this_thread::yield();
            } else {
                std::this_thread::sleep_for(std::chrono::microseconds(std::min(1000, 10 << (attempt / 8))));
            }
        }
    }
    void unlock() noexcept { set(F_UNLCK); }

  private:
    bool set(short type) {
        struct flock l{};
        l.l_type = type;
        l.l_whence = SEEK_SET;
        while (::fcntl(fd_, F_OFD_SETLK, &l) != 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN || errno == EACCES) return false;
            throw_errno(errno, "lock " + path_);
        }
        return true;
    }

    std::string path_;
    int fd_ = -1;
};

std::string folder_of(const std::string& path) {
    auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

struct database::impl {
    sqlite3* db = nullptr;
    std::unique_ptr<file_lock> lock;
    int wal_pages = 0;
    int reads = 0;
    // Statements not in use, by their text; a statement goes back here when it is destroyed.
    std::unordered_map<std::string, std::vector<sqlite3_stmt*>> idle;
    std::size_t idle_count = 0;

    ~impl() {
        for (auto& [sql, list] : idle)
            for (sqlite3_stmt* s : list) sqlite3_finalize(s);
        if (db != nullptr) sqlite3_close_v2(db);
    }
    [[noreturn]] void fail(int code, std::string_view what, const std::string& path) const {
        std::string detail = db != nullptr ? sqlite3_errmsg(db) : "";
        int base = code & 0xff;
        if (base == SQLITE_NOTADB)
            fail_with(errc::not_a_database,
                      fmt::format("{} exists and is not a SQLite database; name another file or move it away",
                                  path));
        if (base == SQLITE_READONLY || base == SQLITE_CANTOPEN || base == SQLITE_PERM)
            fail_with(errc::not_writable,
                      fmt::format("{} {}: {}; the file and its folder must be writable", what, path, detail));
        throw std::system_error(std::error_code(code, result_category()),
                                fmt::format("{} {}: {}", what, path, detail));
    }
};

// ----------------------------------------------------------------------------------------------- statement

namespace {
sqlite3_stmt* raw(void* handle) { return static_cast<sqlite3_stmt*>(handle); }
}  // namespace

statement::~statement() {
    if (handle_ == nullptr) return;
    sqlite3_stmt* s = raw(handle_);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    auto& cache = *owner_->impl_;
    if (cache.idle_count >= owner_->options_.statements_max) {
        sqlite3_finalize(s);
        return;
    }
    cache.idle[sqlite3_sql(s)].push_back(s);
    ++cache.idle_count;
}

void statement::fail(const char* what) const {
    owner_->impl_->fail(sqlite3_extended_errcode(owner_->impl_->db), what, owner_->path_);
}

statement& statement::bind(std::nullptr_t) {
    if (sqlite3_bind_null(raw(handle_), next_++) != SQLITE_OK) fail("bind");
    return *this;
}
statement& statement::bind(std::int64_t v) {
    if (sqlite3_bind_int64(raw(handle_), next_++, v) != SQLITE_OK) fail("bind");
    return *this;
}
statement& statement::bind(double v) {
    if (sqlite3_bind_double(raw(handle_), next_++, v) != SQLITE_OK) fail("bind");
    return *this;
}
statement& statement::bind(std::string_view text) {
    if (sqlite3_bind_text64(raw(handle_), next_++, text.data() != nullptr ? text.data() : "", text.size(),
                            SQLITE_TRANSIENT, SQLITE_UTF8) != SQLITE_OK)
        fail("bind");
    return *this;
}
statement& statement::bind(const bytes& blob) {
    if (sqlite3_bind_blob64(raw(handle_), next_++, blob.data.data(), blob.data.size(), SQLITE_TRANSIENT) !=
        SQLITE_OK)
        fail("bind");
    return *this;
}

bool statement::step() {
    int code = sqlite3_step(raw(handle_));
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    fail("query");
}

int statement::run() {
    while (step()) {
    }
    return sqlite3_changes(owner_->impl_->db);
}

bool statement::is_null(int column) const { return sqlite3_column_type(raw(handle_), column) == SQLITE_NULL; }
std::int64_t statement::integer(int column) const { return sqlite3_column_int64(raw(handle_), column); }
double statement::real(int column) const { return sqlite3_column_double(raw(handle_), column); }
std::string statement::text(int column) const {
    const void* data = sqlite3_column_blob(raw(handle_), column);
    int size = sqlite3_column_bytes(raw(handle_), column);
    return data == nullptr ? std::string()
                           : std::string(static_cast<const char*>(data), static_cast<std::size_t>(size));
}
std::optional<std::int64_t> statement::optional_integer(int column) const {
    if (is_null(column)) return std::nullopt;
    return integer(column);
}

// ------------------------------------------------------------------------------------------------ database

database::database(std::string path, database_options options)
    : path_(std::move(path)), options_(options), impl_(std::make_unique<impl>()) {
    if (path_.empty()) fail_with(errc::not_writable, "the path of the database is empty");
    check_open_rules();
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    int code = sqlite3_open_v2(path_.c_str(), &impl_->db, flags, nullptr);
    if (code != SQLITE_OK) impl_->fail(code, "open", path_);
    sqlite3_extended_result_codes(impl_->db, 1);
    sqlite3_busy_timeout(impl_->db, static_cast<int>(options_.lock_wait_max.count()));
    sqlite3_db_config(impl_->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    impl_->lock = std::make_unique<file_lock>(path_ + "-lock");

    // SQLite opens lazily: the first statement finds out whether this is a database.
    impl_->lock->lock(options_.lock_wait_max);
    try {
        execute("PRAGMA wal_autocheckpoint=0");
        std::int64_t application = 0;
        std::int64_t tables = 0;
        {
            statement s = prepare("PRAGMA application_id");
            if (s.step()) application = s.integer(0);
        }
        {
            statement s = prepare("SELECT count(*) FROM sqlite_master");
            if (s.step()) tables = s.integer(0);
        }
        if (options_.application_id != 0 && tables > 0 && application != options_.application_id)
            fail_with(errc::foreign_database,
                      path_ + " is a SQLite database of another program; name another file");
        if (int found = schema_version(); found > options_.schema_version && tables > 0)
            fail_with(errc::future_version,
                      fmt::format(
                          "{} has schema version {}, and this program knows versions up to {}; use the newer "
                          "program, or another file",
                          path_, found, options_.schema_version));
        if (tables == 0 && sqlite3_db_readonly(impl_->db, "main") != 1) {
            execute("PRAGMA page_size=4096");
            if (options_.application_id != 0)
                execute(fmt::format("PRAGMA application_id={}", options_.application_id).c_str());
        }
        if (sqlite3_db_readonly(impl_->db, "main") == 1)
            fail_with(errc::not_writable, path_ + " cannot be written; check its owner and mode");
        execute("PRAGMA journal_mode=WAL");
        execute(options_.durable == durability::power_cut ? "PRAGMA synchronous=FULL"
                                                          : "PRAGMA synchronous=NORMAL");
        execute("PRAGMA secure_delete=OFF");
        execute("PRAGMA foreign_keys=OFF");
        execute("PRAGMA temp_store=MEMORY");
    } catch (...) {
        impl_->lock->unlock();
        throw;
    }
    impl_->lock->unlock();

    sqlite3_wal_hook(
        impl_->db,
        [](void* self, sqlite3*, const char*, int pages) {
            static_cast<impl*>(self)->wal_pages = pages;
            return SQLITE_OK;
        },
        impl_.get());
#ifndef NDEBUG
    sqlite3_commit_hook(
        impl_->db,
        [](void* self) {
            assert(static_cast<database*>(self)->writing_ &&
                   "a commit outside write(): see sqlite/database.hpp");
            return 0;
        },
        this);
#endif
}

database::~database() = default;

void database::check_open_rules() {
    std::string folder = folder_of(path_);
    struct statfs fs{};
    if (::statfs(folder.c_str(), &fs) != 0) {
        if (errno == ENOENT)
            fail_with(errc::not_writable, fmt::format("the folder {} does not exist; make it first", folder));
        throw_errno(errno, "statfs " + folder);
    }
    if (is_network_file_system(fs.f_type))
        fail_with(errc::network_file_system,
                  fmt::format(
                      "{} lies on a network file system (type {:#x}); put it on a local disk, or use a Redis "
                      "store to share work between hosts",
                      path_, static_cast<unsigned long>(fs.f_type)));
    struct stat st{};
    if (::stat(path_.c_str(), &st) != 0) {
        if (errno == ENOTDIR)
            fail_with(errc::not_writable, fmt::format("{} is not a folder; name a file in one", folder));
        if (errno != ENOENT) throw_errno(errno, "stat " + path_);
        if (!options_.create) fail_with(errc::not_writable, fmt::format("{} does not exist", path_));
        // Made here and not by SQLite, so that nobody else can ever read it. -wal and -shm take its mode.
        int fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) {
            int err = errno;
            if (err == EACCES || err == EROFS || err == EPERM)
                fail_with(errc::not_writable,
                          fmt::format("{} cannot be made: {}", path_, std::strerror(err)));
            throw_errno(err, "open " + path_);
        }
        ::close(fd);
        return;
    }
    if (S_ISDIR(st.st_mode)) fail_with(errc::not_a_database, path_ + " is a folder; name a file in it");
    if (!S_ISREG(st.st_mode)) fail_with(errc::not_a_database, path_ + " is not a regular file");
    if (::access(path_.c_str(), R_OK | W_OK) != 0)
        fail_with(errc::not_writable,
                  fmt::format("{}: {}; check its owner and mode", path_, std::strerror(errno)));
}

statement database::prepare(std::string_view sql) {
    auto found = impl_->idle.find(std::string(sql));
    if (found != impl_->idle.end() && !found->second.empty()) {
        sqlite3_stmt* s = found->second.back();
        found->second.pop_back();
        --impl_->idle_count;
        return statement(s, this);
    }
    sqlite3_stmt* s = nullptr;
    int code = sqlite3_prepare_v3(impl_->db, sql.data(), static_cast<int>(sql.size()),
                                  SQLITE_PREPARE_PERSISTENT, &s, nullptr);
    if (code != SQLITE_OK) impl_->fail(code, "prepare a statement on", path_);
    return statement(s, this);
}

void database::execute(const char* sql) {
    int code = sqlite3_exec(impl_->db, sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) impl_->fail(sqlite3_extended_errcode(impl_->db), "execute on", path_);
}

void database::begin_write() {
    assert(!writing_ && "write() must not be nested");
    impl_->lock->lock(options_.lock_wait_max);
    writing_ = true;
    try {
        run("BEGIN IMMEDIATE");
    } catch (...) {
        writing_ = false;
        impl_->lock->unlock();
        throw;
    }
}

void database::commit_write() {
    try {
        run("COMMIT");
    } catch (...) {
        roll_back();
        throw;
    }
    if (impl_->wal_pages >= options_.checkpoint_pages) {
        int log = 0;
        int moved = 0;
        // Readers may hold it back; then the next write tries again.
        sqlite3_wal_checkpoint_v2(impl_->db, nullptr, SQLITE_CHECKPOINT_PASSIVE, &log, &moved);
        if (log == moved) impl_->wal_pages = 0;
    }
    writing_ = false;
    impl_->lock->unlock();
}

void database::roll_back() noexcept {
    if (sqlite3_get_autocommit(impl_->db) == 0)
        sqlite3_exec(impl_->db, "ROLLBACK", nullptr, nullptr, nullptr);
    writing_ = false;
    impl_->lock->unlock();
}

void database::begin_read() { run("BEGIN"); }
void database::end_read() noexcept {
    // Nothing was written, so this cannot fail in a way that matters; a commit hook would not run either.
    sqlite3_exec(impl_->db, "ROLLBACK", nullptr, nullptr, nullptr);
}

int database::schema_version() {
    statement s = prepare("PRAGMA user_version");
    return s.step() ? static_cast<int>(s.integer(0)) : 0;
}

void database::set_schema_version(int version) {
    execute(fmt::format("PRAGMA user_version={}", version).c_str());
}

bool database::checkpoint() {
    impl_->lock->lock(options_.lock_wait_max);
    writing_ = true;
    int log = 0;
    int moved = 0;
    int code = sqlite3_wal_checkpoint_v2(impl_->db, nullptr, SQLITE_CHECKPOINT_TRUNCATE, &log, &moved);
    writing_ = false;
    impl_->lock->unlock();
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) impl_->fail(code, "checkpoint", path_);
    return code == SQLITE_OK;
}

}  // namespace simul::sqlite
