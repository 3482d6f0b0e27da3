// A combinator takes what it waits for as it is made, not an object that has a name.
// expect: combinators take what they wait for as it is made
#include <simul/core/all.hpp>
#include <simul/core/task.hpp>

simul::task<int> twice(int n) { co_return 2 * n; }

simul::task<> caller() {
#ifdef SIMUL_BAD
    auto one = twice(1);
    co_await simul::all(one, twice(2));
#else
    const auto [two, four] = co_await simul::all(twice(1), twice(2));
    static_cast<void>(two + four);
#endif
}
