// A task that is stored first and awaited later could outlive what it refers to.
// expect: a task is awaited in the expression that makes it: co_await f\(x\)
// expect: with_group, or all\(f\(x\), g\(y\)\)
#include <simul/core/task.hpp>

simul::task<int> size_of(const char* text) { co_return text[0]; }

simul::task<int> caller() {
#ifdef SIMUL_BAD
    auto later = size_of("text");
    co_return co_await later;
#else
    co_return co_await size_of("text");
#endif
}
