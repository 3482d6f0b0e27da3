// A task that nobody awaits never runs: the compiler says so.
// expect: (ignoring return|nodiscard)
// expect: co_await
#include <simul/core/task.hpp>

simul::task<> work() { co_return; }

simul::task<> caller() {
#ifdef SIMUL_BAD
    work();
#else
    co_await work();
#endif
    co_return;
}
