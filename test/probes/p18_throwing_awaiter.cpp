// P18: exceptions from await_ready, await_suspend and await_resume arrive in the awaiting coroutine, which is
// then not suspended.
#include <stdexcept>
#include <string>

#include "probe.hpp"

struct throws_in {
    char where;
    counted alive{1};
    void check(char here) const {
        if (here == where) throw std::runtime_error(std::string(1, here));
    }
    bool await_ready() { return check('r'), false; }
    bool await_suspend(std::coroutine_handle<>) { return check('s'), false; }
    int await_resume() { return check('v'), 1; }
};

task<int> parent(gate& g) {
    int caught = 0;
    for (char where : {'r', 's', 'v', '-'}) {
        try {
            caught += 100 * co_await throws_in{where};
        } catch (const std::runtime_error& error) {
            EXPECT(error.what()[0] == where);
            ++caught;
        }
        EXPECT(counted::alive == 0);
    }
    co_return caught + co_await g;
}

int main() {
    gate g;
    auto t = parent(g);
    t.start();
    EXPECT(!t.done());
    g.open();
    EXPECT(t.done() && t.result() == 104);
}
