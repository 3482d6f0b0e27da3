#include <simul/core/scopes.hpp>
#include <simul/core/task_group.hpp>
#include <simul/jobs/worker.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/signals.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

namespace simul {

worker_report run_until_signaled(worker& w) {
    return simul::run([&]() -> task<worker_report> {
        worker_report done;
        // Not in the body of the group: where run() throws, the body's locals are gone before the children.
        signal_stream signals({SIGINT, SIGTERM});
        co_await with_group([&](task_group& group) -> task<void> {
            group.spawn([&w, &signals]() -> task<void> {
                for (;;) {
                    co_await signals.next();
                    w.stop();
                }
            });
            done = co_await w.run();
            group.cancel("the worker has ended");
            co_await group.join();
        });
        co_return done;
    });
}

void exit_if_slots_were_lost(const worker& w, int status) noexcept {
    if (w.lost_slots() == 0) return;
    std::fflush(nullptr);
    std::_Exit(status == 0 ? 1 : status);
}

int worker_main(worker& w) {
    int status = 0;
    try {
        run_until_signaled(w);
    } catch (const std::exception& e) {  // the edge of the program: reported here
        std::fputs(fmt::format("simul: {}\n", e.what()).c_str(), stderr);
        status = 1;
    }
    exit_if_slots_were_lost(w, status);
    return status;
}

}  // namespace simul
