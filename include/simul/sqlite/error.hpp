#pragma once

#include <simul/base/error.hpp>

#include <string_view>
#include <system_error>

namespace simul::sqlite {

/// What this layer says beside SQLite's own result codes.
enum class errc {
    not_a_database = 1,   ///< The file exists and is something else.
    foreign_database,     ///< A database, but of another program.
    future_version,       ///< Written by a newer simul.
    not_writable,         ///< The file or its folder cannot be written.
    network_file_system,  ///< Locks and shared memory do not work there.
    lock_timed_out,       ///< Another process kept the write lock for too long.
    closed,               ///< The database was closed on this side.
};

/// name(): "simul.sqlite"
const std::error_category& category() noexcept;
/// SQLite's own (extended) result codes. name(): "sqlite"
const std::error_category& result_category() noexcept;

std::error_code make_error_code(errc e) noexcept;

}  // namespace simul::sqlite

template <>
struct std::is_error_code_enum<simul::sqlite::errc> : std::true_type {};
