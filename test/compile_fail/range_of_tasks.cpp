// Tasks cannot be collected: the message names the two ways that work.
// expect: tasks cannot be collected first and awaited later
// expect: call all\(range, f\) or map\(range, f, limit\)
// expect: with_group
#include <list>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/task.hpp>

simul::task<int> twice(int n) { co_return 2 * n; }

simul::task<> caller(std::vector<int> numbers) {
#ifdef SIMUL_BAD
    std::list<simul::task<int>> tasks;
    co_await simul::all(tasks);
#else
    const std::vector<int> results = co_await simul::all(numbers, twice);
#endif
}
