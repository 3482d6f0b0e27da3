// P8: a suspended chain of five frames, destroyed from the top while the leaf waits.
#include <optional>
#include <string>
#include <vector>

#include "probe.hpp"

task<int> level(int depth, gate& g, std::string text) {
    std::vector<counted> locals(3, counted(1));
    std::optional<counted> maybe(std::in_place, 2);
    if (depth == 0) co_return co_await g;
    const auto both = [](const counted& c, int n) { return c.number + n; };
    const int n = both(counted(3), co_await level(depth - 1, g, text + std::string(30, 'x')));
    co_return n + int(locals.size()) + maybe->number;
}

int main() {
    gate g;
    {
        auto t = level(4, g, "destroyed while the leaf waits");
        t.start();
        EXPECT(!t.done() && counted::alive >= 5 * 4);
    }
    EXPECT(counted::alive == 0);
    {
        auto t = level(4, g, "runs to its end");
        t.start();
        g.open();
        EXPECT(t.done() && t.result() == 1 + 4 * (3 + 3 + 2));
    }
    EXPECT(counted::alive == 0);
}
