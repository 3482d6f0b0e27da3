// What a spawned task gives would be lost.
// expect: the result of a spawned task would be lost
#include <simul/core/task_group.hpp>

simul::task<int> twice(int n) { co_return 2 * n; }

simul::task<> caller(int& into) {
    co_await simul::with_group([&](simul::task_group& group) -> simul::task<> {
#ifdef SIMUL_BAD
        group.spawn(twice, 2);
#else
        group.spawn([&]() -> simul::task<> { into = co_await twice(2); });
#endif
        co_return;
    });
}
