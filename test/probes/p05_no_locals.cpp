// P5: coroutines without locals, with only parameters, and with parameters that are moved from.
#include <memory>
#include <string>

#include "probe.hpp"

task<int> nothing() { co_return 1; }
task<int> one_await(gate& g) { co_return co_await g; }
task<int> parameters(counted, std::string text, std::unique_ptr<int> p, gate& g) {
    co_return co_await g + int(text.size()) + *p;
}
task<int> not_awaited_parameter(counted) { co_return 2; }

task<int> parent(gate& g) {
    co_return co_await nothing() + co_await one_await(g) +
        co_await parameters(counted(1), "a text beyond the small buffer", std::make_unique<int>(7), g) +
        co_await not_awaited_parameter(counted(2));
}

int main() {
    gate g;
    {
        auto t = parent(g);
        t.start();
        g.open();
        g.open();
        EXPECT(t.done() && t.result() == 1 + 1 + 38 + 2);
    }
    {
        auto never_started = parameters(counted(3), "text", std::make_unique<int>(1), g);
    }
    EXPECT(counted::alive == 0);
}
