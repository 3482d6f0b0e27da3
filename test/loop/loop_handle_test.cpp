#include <doctest/doctest.h>

#include <simul/core/task.hpp>
#include <simul/loop/loop.hpp>

using namespace simul;

TEST_CASE("run returns when its task has ended, though a handle could still bring work") {
    // The loop went to sleep in the kernel after the last step, because the handle was a reason to wait.
    loop l;
    const loop_handle handle = l.handle();
    CHECK(l.run([]() -> task<int> { co_return 7; }) == 7);
    CHECK(handle.post([] {}));
}
