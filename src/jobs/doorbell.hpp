#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

// How processes that share a SQLite file wake each other.
//
// Beside the database lies a small file that all of them map: one counter per kind of news. To ring is to
// raise the counter and to wake the futex on it; to wait is to remember the counter, look into the database,
// and sleep while the counter is what it was. Looking after remembering is what loses no ring.
// A process has at most one thread per kind that sleeps, and only while somebody waits; it passes the news on
// to the loops. A ring can get lost only with a process that is killed between its commit and the ring: then
// the waiters' own time limit ends the wait (they look every few seconds).

namespace simul::detail {

enum class bell { work, results, commands };

class doorbell {
  public:
    /// Maps (and makes, mode 0600) the file at `path`.
    explicit doorbell(const std::string& path);
    ~doorbell();
    doorbell(const doorbell&) = delete;
    doorbell& operator=(const doorbell&) = delete;

    /// What to remember before looking.
    std::uint32_t value(bell b) const noexcept;
    void ring(bell b) noexcept;

    /// Calls `rung` once on another thread when the counter is not `seen` any more. Destroying the ticket
    /// ends the wait: afterwards `rung` is not called and does not run.
    class ticket {
      public:
        ticket() = default;
        ticket(ticket&& other) noexcept
            : owner_(std::exchange(other.owner_, nullptr)), b_(other.b_), at_(other.at_) {}
        ticket& operator=(ticket&& other) noexcept {
            std::swap(owner_, other.owner_);
            std::swap(b_, other.b_);
            std::swap(at_, other.at_);
            return *this;
        }
        ~ticket();

      private:
        friend doorbell;
        struct entry;
        ticket(doorbell* owner, bell b, std::uint64_t at) : owner_(owner), b_(b), at_(at) {}
        doorbell* owner_ = nullptr;
        bell b_ = bell::work;
        std::uint64_t at_ = 0;
    };
    ticket wait(bell b, std::uint32_t seen, std::function<void()> rung);

  private:
    struct waiter {
        std::uint64_t number;
        std::uint32_t seen;
        std::function<void()> rung;
    };
    struct side {
        std::mutex mutex;
        std::condition_variable someone_waits;
        std::list<waiter> waiters;
        std::thread thread;
        bool stopping = false;
    };
    std::atomic<std::uint32_t>& word(bell b) const noexcept;
    side& of(bell b) noexcept { return sides_[static_cast<int>(b)]; }
    void watch(bell b);

    void* map_ = nullptr;
    side sides_[3];
    std::uint64_t next_number_ = 1;
};

}  // namespace simul::detail
