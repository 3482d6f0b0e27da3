#include "jobs/doorbell.hpp"

#include <simul/base/error.hpp>

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <new>

namespace simul::detail {
namespace {

constexpr std::size_t map_size = 4096;
constexpr std::size_t word_distance = 128;  // a cache line pair each

static_assert(sizeof(std::atomic<std::uint32_t>) == 4 && std::atomic<std::uint32_t>::is_always_lock_free);

void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected) {
    ::syscall(SYS_futex, &word, FUTEX_WAIT, expected, nullptr, nullptr, 0);
}
void futex_wake_all(const std::atomic<std::uint32_t>& word) {
    ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace

doorbell::doorbell(const std::string& path) {
    int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) throw_errno(errno, "open " + path);
    // ftruncate to the size it has changes nothing, so several processes may do this at once.
    if (::ftruncate(fd, map_size) != 0) {
        int err = errno;
        ::close(fd);
        throw_errno(err, "resize " + path);
    }
    map_ = ::mmap(nullptr, map_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int err = errno;
    ::close(fd);
    if (map_ == MAP_FAILED) throw_errno(err, "map " + path);
}

doorbell::~doorbell() {
    for (bell b : {bell::work, bell::results, bell::commands}) {
        side& s = of(b);
        {
            std::lock_guard lock(s.mutex);
            s.stopping = true;
            s.someone_waits.notify_all();
        }
        if (s.thread.joinable()) {
            ring(b);  // others wake for nothing once, and look
            s.thread.join();
        }
    }
    ::munmap(map_, map_size);
}

std::atomic<std::uint32_t>& doorbell::word(bell b) const noexcept {
    char* at = static_cast<char*>(map_) + static_cast<std::size_t>(b) * word_distance;
    return *std::launder(reinterpret_cast<std::atomic<std::uint32_t>*>(at));
}

std::uint32_t doorbell::value(bell b) const noexcept { return word(b).load(std::memory_order_acquire); }

void doorbell::ring(bell b) noexcept {
    word(b).fetch_add(1, std::memory_order_release);
    futex_wake_all(word(b));
}

doorbell::ticket doorbell::wait(bell b, std::uint32_t seen, std::function<void()> rung) {
    side& s = of(b);
    std::lock_guard lock(s.mutex);
    std::uint64_t number = next_number_++;
    s.waiters.push_back({number, seen, std::move(rung)});
    if (!s.thread.joinable()) s.thread = std::thread([this, b] { watch(b); });
    s.someone_waits.notify_one();
    return {this, b, number};
}

doorbell::ticket::~ticket() {
    if (owner_ == nullptr) return;
    side& s = owner_->of(b_);
    std::lock_guard lock(s.mutex);  // the callback runs under this lock: it is over, or will never begin
    s.waiters.remove_if([this](const waiter& w) { return w.number == at_; });
}

void doorbell::watch(bell b) {
    side& s = of(b);
    std::unique_lock lock(s.mutex);
    for (;;) {
        s.someone_waits.wait(lock, [&] { return s.stopping || !s.waiters.empty(); });
        if (s.stopping) return;
        std::uint32_t now = value(b);
        s.waiters.remove_if([&](waiter& w) {
            if (w.seen == now) return false;
            w.rung();
            return true;
        });
        if (s.waiters.empty()) continue;
        lock.unlock();
        futex_wait(word(b), now);
        lock.lock();
    }
}

}  // namespace simul::detail
