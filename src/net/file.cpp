#include <simul/net/file.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>

#include <simul/base/error.hpp>
#include <simul/base/limits.hpp>
#include <simul/loop/blocking.hpp>

namespace simul {
namespace {

namespace fs = std::filesystem;

// All of this runs on threads of the pool.

class handle {
  public:
    explicit handle(int fd) noexcept : fd_(fd) {}
    handle(handle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    handle& operator=(handle&&) = delete;
    ~handle() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const noexcept { return fd_; }
    int release() noexcept { return std::exchange(fd_, -1); }

  private:
    int fd_;
};

handle open_file(const fs::path& path, int flags, mode_t mode) {
    if (path.native().find('\0') != std::string::npos)
        throw data_error("open a file: its path has a zero byte");
    int fd = -1;
    do {
        fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) throw_errno(errno, "open " + path.string());
    return handle(fd);
}

std::string read_some_at(int fd, const fs::path& path, std::uint64_t offset, std::size_t count) {
    std::string data;
    constexpr std::size_t step = 1024 * 1024;  // so a wrong count does not cost memory
    while (data.size() < count) {
        const std::size_t before = data.size();
        data.resize(before + std::min(step, count - before));
        const ssize_t got =
            ::pread(fd, data.data() + before, data.size() - before, static_cast<off_t>(offset + before));
        if (got < 0 && errno != EINTR) throw_errno(errno, "read " + path.string());
        data.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (got == 0) break;
    }
    return data;
}

void write_all_at(int fd, const fs::path& path, std::uint64_t offset, std::string_view data) {
    while (!data.empty()) {
        const ssize_t put = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
        if (put < 0) {
            if (errno == EINTR) continue;
            throw_errno(errno, "write " + path.string());
        }
        data.remove_prefix(static_cast<std::size_t>(put));
        offset += static_cast<std::uint64_t>(put);
    }
}

void sync_file(int fd, const fs::path& path) {
    if (::fsync(fd) != 0) throw_errno(errno, "sync " + path.string());
}

std::string read_whole(const fs::path& path, std::size_t limit) {
    const handle opened = open_file(path, O_RDONLY, 0);
    std::string data;
    // read, not pread: pipes and the files of /proc have no positions or sizes.
    constexpr std::size_t step = 256 * 1024;
    for (;;) {
        const std::size_t before = data.size();
        if (before > limit) throw_limit_exceeded("read " + path.string(), "limit", limit);
        data.resize(before + std::min(step, limit - before + 1));
        const ssize_t got = ::read(opened.get(), data.data() + before, data.size() - before);
        if (got < 0 && errno != EINTR) throw_errno(errno, "read " + path.string());
        data.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (got == 0) return data;
    }
}

void replace_file(const fs::path& named, const std::string& data, const write_file_options& options) {
    // The file that a symbolic link names is replaced, not the link.
    std::error_code missing;
    const fs::path resolved = fs::canonical(named, missing);
    const fs::path& path = missing ? named : resolved;
    static std::atomic<unsigned> counter{0};
    fs::path beside;
    int fd = -1;
    for (int attempt = 0; fd < 0; ++attempt) {
        beside = path.parent_path() /
                 fmt::format(".{}.{}.{}", path.filename().string(), ::getpid(), counter.fetch_add(1));
        fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, options.mode);
        // Left over by a program that was killed and had our number.
        if (fd < 0 && (errno != EEXIST || attempt == 100))
            throw_errno(errno, fmt::format("write {} (as {})", named.string(), beside.string()));
    }
    handle made(fd);
    try {
        struct stat old{};
        if (!missing && ::stat(path.c_str(), &old) == 0 && ::fchmod(fd, old.st_mode & 07777) != 0)
            throw_errno(errno, "set the permissions of " + beside.string());
        write_all_at(fd, named, 0, data);
        if (options.sync) sync_file(fd, named);
        if (::close(made.release()) != 0) throw_errno(errno, "write " + named.string());
        if (::rename(beside.c_str(), path.c_str()) != 0) throw_errno(errno, "replace " + named.string());
    } catch (...) {
        ::unlink(beside.c_str());
        throw;
    }
    if (!options.sync) return;
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    sync_file(open_file(folder, O_RDONLY | O_DIRECTORY, 0).get(), folder);
}

void write_whole(const fs::path& path, const std::string& data, const write_file_options& options) {
    if (path.native().find('\0') != std::string::npos)
        throw data_error("write a file: its path has a zero byte");
    struct stat old{};
    const bool special = ::stat(path.c_str(), &old) == 0 && !S_ISREG(old.st_mode);  // /dev/stdout, a pipe
    if (options.replace && !special) {
        replace_file(path, data, options);
        return;
    }
    const handle opened = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, options.mode);
    std::string_view rest = data;
    while (!rest.empty()) {
        const ssize_t put = ::write(opened.get(), rest.data(), rest.size());
        if (put < 0 && errno != EINTR) throw_errno(errno, "write " + path.string());
        rest.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(put, 0)));
    }
    if (options.sync) sync_file(opened.get(), path);
}

}  // namespace

struct file::state {
    state(int descriptor, fs::path name) : fd(descriptor), path(std::move(name)) {}
    state(const state&) = delete;
    state& operator=(const state&) = delete;
    ~state() { ::close(fd); }
    int fd;
    fs::path path;
};

task<std::string> read_file(fs::path path, std::size_t limit) {
    co_return co_await blocking(read_whole, std::move(path), limit);
}

task<> write_file(fs::path path, std::string data, write_file_options options) {
    co_await blocking(write_whole, std::move(path), std::move(data), options);
}

task<file> file::open(fs::path path, file_mode mode, mode_t mode_bits) {
    int flags = O_RDWR;
    if (mode == file_mode::read) flags = O_RDONLY;
    if (mode == file_mode::create) flags |= O_CREAT;
    if (mode == file_mode::create_new) flags |= O_CREAT | O_EXCL;
    if (mode == file_mode::truncate) flags |= O_CREAT | O_TRUNC;
    auto opened = co_await blocking(
        [](const fs::path& name, int how, mode_t bits) {
            handle h = open_file(name, how, bits);
            auto made = std::make_shared<const state>(h.get(), name);
            h.release();
            return made;
        },
        std::move(path), flags, mode_bits);
    co_return file(std::move(opened));
}

task<std::string> file::read_at(std::uint64_t offset, std::size_t count) const {
    co_return co_await blocking([](const std::shared_ptr<const state>& f, std::uint64_t at,
                                   std::size_t size) { return read_some_at(f->fd, f->path, at, size); },
                                state_, offset, count);
}

task<> file::write_at(std::uint64_t offset, std::string data) const {
    co_await blocking([](const std::shared_ptr<const state>& f, std::uint64_t at,
                         const std::string& bytes) { write_all_at(f->fd, f->path, at, bytes); },
                      state_, offset, std::move(data));
}

task<std::uint64_t> file::size() const {
    co_return co_await blocking(
        [](const std::shared_ptr<const state>& f) {
            struct stat now{};
            if (::fstat(f->fd, &now) != 0) throw_errno(errno, "stat " + f->path.string());
            return static_cast<std::uint64_t>(now.st_size);
        },
        state_);
}

task<> file::resize(std::uint64_t size) const {
    co_await blocking(
        [](const std::shared_ptr<const state>& f, std::uint64_t to) {
            if (::ftruncate(f->fd, static_cast<off_t>(to)) != 0)
                throw_errno(errno, "resize " + f->path.string());
        },
        state_, size);
}

task<> file::sync() const {
    co_await blocking([](const std::shared_ptr<const state>& f) { sync_file(f->fd, f->path); }, state_);
}

const fs::path& file::path() const noexcept { return state_->path; }
int file::native_handle() const noexcept { return state_->fd; }

}  // namespace simul
