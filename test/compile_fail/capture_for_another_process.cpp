// What a lambda captures stays in this process: the message says how to send it along.
// expect: cannot capture: pass the values as arguments
#include <simul/processes/process_pool.hpp>

simul::task<int> caller(simul::process_pool& processes, int factor) {
#ifdef SIMUL_BAD
    co_return co_await processes.run([factor](int n) { return n * factor; }, 21);
#else
    co_return co_await processes.run([](int n, int by) { return n * by; }, 21, factor);
#endif
}
