#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include <simul/core/task.hpp>

/// Files, read and written on the loop's threads for blocking calls: a disk has no readiness to wait for.
namespace simul {

struct write_file_options {
    /// Write a new file beside it and put that in its place in one step: who reads sees the old content or
    /// the new one, and an error or a crash leaves the old. Keeps the permissions of the old one.
    bool replace = true;
    /// Return only when the content is on the disk; without it, a power cut may lose it.
    bool sync = false;
    /// Permissions of a file that did not exist, less the umask.
    mode_t mode = 0666;
};

/// The whole content of the file at `path`.
///
/// Cancel:  goes on at once; what is being read is dropped.
/// Throws:  std::system_error ("open notes.txt: No such file or directory"); errc::limit_exceeded if it is
///          larger than `limit` bytes, also if it is endless (/dev/zero).
task<std::string> read_file(std::filesystem::path path, std::size_t limit = 64 * 1024 * 1024);

/// Makes `data` the content of the file at `path`.
///
/// Cancel:  goes on at once; the file then has the old content or the new one (without `replace`: or a part).
task<> write_file(std::filesystem::path path, std::string data, write_file_options options = {});

enum class file_mode {
    read,        ///< must exist
    read_write,  ///< must exist
    create,      ///< read and write; made if it does not exist
    create_new,  ///< read and write; must not exist
    truncate     ///< read and write; made, or emptied
};

/// An open file, read and written at positions.
///
/// In flight: any number of calls; overlapping writes end in any order. Threads: one loop. The descriptor is
/// closed when the file and every call under way are gone.
class file {
  public:
    /// `mode_bits`: permissions of a file that is made, less the umask.
    static task<file> open(std::filesystem::path path, file_mode mode = file_mode::read,
                           mode_t mode_bits = 0666);

    file(file&&) noexcept = default;
    file& operator=(file&&) noexcept = default;

    /// Up to `count` bytes at `offset`; fewer only at the end of the file, none beyond it.
    /// Cancel: goes on at once. (The bytes are returned, not written into a buffer of the caller's, since a
    /// call that was canceled may still run.)
    task<std::string> read_at(std::uint64_t offset, std::size_t count) const;
    /// Writes all of `data` at `offset`; beyond the end, the gap reads as zeros.
    /// Cancel: goes on at once; the write may happen or not, or in part.
    task<> write_at(std::uint64_t offset, std::string data) const;
    task<std::uint64_t> size() const;
    /// Cuts or extends it (with zeros).
    task<> resize(std::uint64_t size) const;
    /// Waits until what was written is on the disk.
    task<> sync() const;

    const std::filesystem::path& path() const noexcept;
    int native_handle() const noexcept;

  private:
    struct state;
    explicit file(std::shared_ptr<const state> opened) noexcept : state_(std::move(opened)) {}
    std::shared_ptr<const state> state_;
};

}  // namespace simul
