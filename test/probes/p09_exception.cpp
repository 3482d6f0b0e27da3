// P9: an exception passes five awaits, destroys what it passes, and is caught by type.
#include <stdexcept>
#include <string>

#include "probe.hpp"

task<int> level(int depth, gate& g) {
    counted local(1);
    if (depth == 0) {
        co_await g;
        throw std::out_of_range("from the bottom");
    }
    co_return co_await level(depth - 1, g) + local.number;
}

task<int> parent(gate& g) {
    std::string seen;
    try {
        co_await level(4, g);
    } catch (const std::logic_error& error) {
        seen = error.what();
    }
    EXPECT(seen == "from the bottom");
    co_return co_await g;
}

int main() {
    gate g;
    auto t = parent(g);
    t.start();
    g.open();
    EXPECT(counted::alive == 0);
    g.open();
    EXPECT(t.done() && t.result() == 1);
}
