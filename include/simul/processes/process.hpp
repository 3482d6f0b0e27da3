#pragma once

#include <sys/types.h>

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

#include <simul/base/time.hpp>
#include <simul/core/task.hpp>
#include <simul/processes/call.hpp>
#include <simul/processes/exit_status.hpp>

namespace simul {

/// A function that runs in a new process: multiprocessing.Process.
///
///     process child(print_continent, "Europe");
///     exit_status status = co_await child.join();
///
/// The function is a function of the program or a captureless lambda, plain or a coroutine; it gives nothing,
/// or an int: the exit status. Its arguments are copied by codec. A default argument is not known through a
/// function pointer: wrap the call, `process([] { print_continent(); })`.
///
/// The child is a fork of the zygote (zygote.hpp): it sees globals as they were when the zygote was made.
/// Destructors of static objects do not run in it, what it printed is written out; where that fails, a status
/// of 0 becomes 1. An exception that leaves
/// the function ends the child with status 1 and is thrown by whoever joins.
///
/// Lifetime: destroying a process that runs kills it (SIGKILL, and what is left of its group). Join it to let
/// it finish. One that was moved from throws errc::wrong_state. When the program ends, however that happens,
/// its processes are killed. Threads: an object may be used by one thread at a time, on a loop or not.
class process {
  public:
    /// Starts it.
    /// Throws: as zygote::start(); process_errc::zygote_died; process_errc::not_in_an_image.
    template <class F, class... Args>
        requires(!std::same_as<F, process>)
    explicit process(F function, const Args&... args)
        : process(encoded_call{encode(detail::plain_function(function), args...)}) {}

    process(process&&) noexcept;
    process& operator=(process&&) noexcept;
    ~process();

    /// Waits until it has ended; gives how.
    ///
    /// Cancel:  the process goes on; only the waiting ends. `co_await timeout(5s, child.join())` limits it.
    /// Threads: on a loop.
    /// Throws:  what the function threw (std::system_error with its code, or remote_error); what kept the
    /// process from
    ///          starting; process_errc::zygote_died.
    task<exit_status> join();

    /// As join(), without a loop: blocks the thread.
    exit_status wait();
    /// As wait(), for at most `limit`; nothing if it still runs then.
    std::optional<exit_status> wait_for(duration limit);

    /// How it ended, nothing if it runs. Does not wait; throws as join().
    std::optional<exit_status> status();
    bool is_alive() { return !ended("is_alive"); }

    /// Blocks until the process is there (a fraction of a millisecond after it was started).
    /// Throws: what kept it from starting.
    pid_t pid();

    /// Asks it to end (SIGTERM). All three do nothing when it has ended.
    void terminate();
    /// Ends it, and its group (SIGKILL).
    void kill();
    void send_signal(int number);

  private:
    struct encoded_call {
        std::string frame;
    };
    struct state;

    template <class F, class... Args>
    static std::string encode(F function, const Args&... args) {
        using call = decltype(detail::remote_call_for<F, Args...>());
        static_assert(
            std::is_void_v<typename call::result> || std::is_same_v<typename call::result, int>,
            "a process gives an exit status: its function returns nothing or an int; for other results use "
            "process_pool::run");
        return call::encode_call(function, &call::run_as_process, true, args...);
    }

    explicit process(encoded_call call);
    state& get(const char* call) const;
    bool ended(const char* call);

    std::unique_ptr<state> state_;
};

}  // namespace simul
