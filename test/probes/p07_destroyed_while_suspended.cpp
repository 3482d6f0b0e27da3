// P7: a frame destroyed while suspended destroys its locals, its temporaries, an array, an optional and a
// structured binding: each once, in the reverse order of construction.
#include <optional>
#include <tuple>

#include "probe.hpp"

std::tuple<counted, counted> pair_of() { return {counted(4), counted(5)}; }
int with(const counted&, int n) { return n; }

task<int> parent(gate& g) {
    counted a(1);
    counted array[2] = {counted(2), counted(3)};
    auto [b, c] = pair_of();
    std::optional<counted> maybe(std::in_place, 6);
    const int n = with(counted(7), with(counted(8), co_await g));
    co_return n + a.number + array[0].number + b.number + c.number + maybe->number;
}

task<int> binds(gate& g) {
    auto [x, y] = co_await [](gate& in) -> task<std::tuple<counted, int>> {
        co_return std::tuple<counted, int>(counted(9), co_await in);
    }(g);
    co_return co_await g + x.number + y;
}

int main() {
    gate g;
    {
        auto t = parent(g);
        t.start();
        EXPECT(!t.done() && counted::alive >= 7);
        counted::order = 0;
    }
    EXPECT(counted::alive == 0);
    // 7 and 8 are arguments of two calls in one expression: only the order of the locals is promised.
    EXPECT(counted::order == 654321 || counted::order == 645321);
    for (int opened : {0, 1}) {
        auto t = binds(g);
        t.start();
        if (opened) g.open();
    }
    EXPECT(counted::alive == 0);
}
