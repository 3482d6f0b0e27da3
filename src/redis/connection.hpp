#pragma once

#include <simul/core/async_event.hpp>
#include <simul/core/task.hpp>
#include <simul/net/stream.hpp>
#include <simul/redis/client.hpp>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// One connection that several tasks use at once, without a task of its own.
//
// Whoever waits for an answer does the work that all need: if commands wait to be sent and nobody sends, it
// sends; else if nobody reads, it reads and gives out answers, also those of others; else it sleeps until its
// answer is there or a role is free. A task that leaves (it has its answer, or was canceled) wakes the next
// one, so there is always somebody at work as long as anybody waits. Invariants:
//   1. answers come in the order of the commands: `in_flight_` is that order;
//   2. a canceled caller stays in `in_flight_` until its answers have come, and drops them;
//   3. after a failure `broken_` is set and everybody in `in_flight_` gets that error.

namespace simul::redis::detail {

class connection : public std::enable_shared_from_this<connection> {
  public:
    /// Connects, authenticates, selects the database.
    static task<std::shared_ptr<connection>> open(client_options options);
    ~connection();

    /// Sends `commands` and waits for all answers, at most `limit`.
    task<std::vector<reply>> exchange(pipeline commands, std::chrono::milliseconds limit);
    /// Sends `commands`, whose answers receive() will give.
    task<void> send_only(pipeline commands);
    /// Waits for one answer that no command asked for (a published message).
    task<reply> receive();

    bool broken() const noexcept { return broken_ != nullptr; }
    std::int64_t id() const noexcept { return id_; }
    std::size_t pending() const noexcept { return in_flight_.size(); }

  private:
    struct waiting {
        std::size_t missing = 0;
        std::vector<reply> replies;
        std::exception_ptr error;
        async_event wake;
        bool done() const noexcept { return missing == 0 || error != nullptr; }
    };

    connection(client_options options, std::unique_ptr<stream> bytes)
        : options_(std::move(options)), stream_(std::move(bytes)), parser_(options_.limits) {}
    static task<reply> ask_sentinel(const client_options& options, sentinel_options::address whom);
    static task<client_options> where_now(client_options options);
    task<void> drive(std::shared_ptr<waiting> mine);
    task<void> write_some();
    task<void> read_some();
    void give_out(reply r);
    void fail(std::exception_ptr error);
    void wake_next();
    std::exception_ptr lost(std::string_view why) const;

    client_options options_;
    std::unique_ptr<stream> stream_;
    resp_parser parser_;
    std::string out_;
    std::deque<std::shared_ptr<waiting>> in_flight_;
    std::vector<char> buffer_ = std::vector<char>(64 * 1024);
    std::deque<reply> unasked_;
    static constexpr std::size_t unasked_max = 10'000;
    std::exception_ptr broken_;
    bool writing_ = false;
    bool reading_ = false;
    std::int64_t id_ = 0;
};

}  // namespace simul::redis::detail
