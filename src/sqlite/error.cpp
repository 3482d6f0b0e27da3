#include <simul/sqlite/error.hpp>

#include <sqlite3.h>

#include <string>

namespace simul::sqlite {
namespace {

class module_category final : public std::error_category {
  public:
    const char* name() const noexcept override { return "simul.sqlite"; }
    std::string message(int code) const override {
        switch (static_cast<errc>(code)) {
            case errc::not_a_database:
                return "the file is not a SQLite database";
            case errc::foreign_database:
                return "the database belongs to another program";
            case errc::future_version:
                return "the database was written by a newer version";
            case errc::not_writable:
                return "the database cannot be written";
            case errc::network_file_system:
                return "SQLite databases do not work on network file systems";
            case errc::lock_timed_out:
                return "another process holds the write lock";
            case errc::closed:
                return "the database was closed";
        }
        return "unknown error";
    }
    std::error_condition default_error_condition(int code) const noexcept override {
        switch (static_cast<errc>(code)) {
            case errc::not_a_database:
            case errc::foreign_database:
                return condition::invalid;
            case errc::future_version:
            case errc::network_file_system:
                return condition::unsupported;
            case errc::lock_timed_out:
                return condition::retry_later;
            case errc::closed:
                return condition::disconnected;
            case errc::not_writable:
                break;
        }
        return {code, *this};
    }
};

class sqlite_category final : public std::error_category {
  public:
    const char* name() const noexcept override { return "sqlite"; }
    std::string message(int code) const override { return sqlite3_errstr(code); }
    std::error_condition default_error_condition(int code) const noexcept override {
        switch (code & 0xff) {
            case SQLITE_BUSY:
            case SQLITE_LOCKED:
            case SQLITE_NOMEM:
            case SQLITE_FULL:
                return condition::retry_later;
            case SQLITE_NOTADB:
            case SQLITE_CORRUPT:
            case SQLITE_MISMATCH:
            case SQLITE_TOOBIG:
            case SQLITE_CONSTRAINT:
                return condition::invalid;
            default:
                return {code, *this};
        }
    }
};

}  // namespace

const std::error_category& category() noexcept {
    static const module_category instance;
    return instance;
}

const std::error_category& result_category() noexcept {
    static const sqlite_category instance;
    return instance;
}

std::error_code make_error_code(errc e) noexcept { return {static_cast<int>(e), category()}; }

}  // namespace simul::sqlite
