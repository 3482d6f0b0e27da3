#pragma once

#include <functional>
#include <type_traits>
#include <utility>

#include <simul/loop/loop.hpp>

namespace simul {

/// Runs `f(args...)`, which gives a task, on a loop of its own, until it has ended; gives its result.
///
/// The way from ordinary code into tasks. Touches no signals and prints nothing, but for errors that nobody
/// is left to be thrown at (loop_options::on_error). Errors: see loop::run. Elsewhere: asyncio.run, trio.run,
/// sync_wait.
template <class F, class... Args>
auto run(F&& f, Args&&... args) {
    loop l;
    return l.run(std::forward<F>(f), std::forward<Args>(args)...);
}

namespace detail {
int run_main_loop(const std::function<task<int>()>& body);

template <class F, class... Args>
task<int> main_body(F& f, Args&... args) {
    if constexpr (std::is_void_v<await_result_t<std::invoke_result_t<F&, Args&...>>>) {
        co_await std::invoke(f, args...);
        co_return 0;
    } else {
        co_return co_await std::invoke(f, args...);
    }
}
}  // namespace detail

/// `int main() { return run_main(app); }`: runs `f(args...)`, reports its error once, and gives the exit
/// status.
///
/// 0, or the int that the task gives; 1 for an error, which is printed on stderr with the ones attached to
/// it, or if stdout could not be written; 130 and 143 after SIGINT and SIGTERM: the first one cancels the
/// task (clean-up runs), a second one ends the process at once. Either stays ignored if the program was
/// started so (`trap "" INT`, nohup-like tools). SIGPIPE is ignored: a reader that has gone is an error of
/// whoever writes, and of the last flush of stdout. Signal dispositions are restored before it returns.
///
/// Where no log hook is set, it sets one that stays: warnings and errors of the library, an HTTP handler that
/// throws among them, go to stderr as lines "simul: LEVEL: TEXT" (set_log_hook).
template <class F, class... Args>
int run_main(F&& f, Args&&... args) {
    return detail::run_main_loop([&] { return detail::main_body(f, args...); });
}

}  // namespace simul
