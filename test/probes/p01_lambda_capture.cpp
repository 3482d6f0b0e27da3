// P1: a lambda temporary with a by-value capture in an awaited expression is destroyed exactly once.
#include <memory>

#include "probe.hpp"

template <class F>
task<int> scope(F body) {
    co_return co_await body();
}

template <class F>
task<int> scope_by_reference(F&& body) {
    co_return co_await body();
}

task<int> parent(gate& g, std::shared_ptr<int> p) {
    int sum = co_await scope([p, &g]() -> task<int> { co_return co_await g + *p; });
    sum += co_await scope_by_reference([p, &g]() -> task<int> { co_return co_await g + *p; });
    EXPECT(p.use_count() == 2);  // this parameter and main's
    co_return sum;
}

int main() {
    auto p = std::make_shared<int>(20);
    {
        gate g;
        auto t = parent(g, p);
        t.start();
        g.open();
        g.open();
        EXPECT(t.done() && t.result() == 42);
    }
    EXPECT(p.use_count() == 1);
}
