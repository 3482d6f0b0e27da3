// P12: co_await in one arm of ?:, and on the right of && and ||: only what is chosen runs, and its
// temporaries are destroyed once (clang #59181). simul's own code avoids the form; users will write it.
#include <string>

#include "probe.hpp"

task<int> text_size(std::string text, counted, gate& g) { co_return co_await g* int(text.size()); }

task<int> parent(bool yes, gate& g) {
    const std::string text(40, 'x');
    int n = yes ? co_await text_size(text + "1", counted(1), g) : 7;
    n += yes ? 8 : co_await text_size(text + "22", counted(2), g);
    if (yes && co_await text_size(text, counted(3), g) == 40) n += 100;
    if (yes || co_await text_size(text, counted(4), g) == 40) n += 1000;
    co_return n;
}

int main() {
    for (bool yes : {true, false}) {
        gate g;
        auto t = parent(yes, g);
        t.start();
        while (!t.done()) g.open();
        EXPECT(t.result() == (yes ? 41 + 8 + 1100 : 7 + 42 + 1000));
        EXPECT(counted::alive == 0);
    }
}
