// P2: an aggregate temporary as an argument of an awaited call, by value and by reference, to a coroutine and
// to a plain function, is destroyed exactly once.
#include <memory>
#include <string>

#include "probe.hpp"

struct options {
    int n = 0;
    std::string text;
    std::shared_ptr<int> shared;
};

task<int> by_value(options o, gate& g) { co_return co_await g + o.n + int(o.text.size()) + *o.shared; }
task<int> by_reference(const options& o, gate& g) {
    co_return co_await g + o.n + int(o.text.size()) + *o.shared;
}
task<int> plain(const options& o, gate& g) { return by_value(o, g); }

task<int> parent(gate& g, std::shared_ptr<int> p, std::string text) {
    int sum = co_await by_value(options{.n = 1, .text = text, .shared = p}, g);
    sum += co_await by_reference(options{.n = 1, .text = text, .shared = p}, g);
    sum += co_await plain(options{.n = 1, .text = text, .shared = p}, g);
    co_return sum;
}

int main() {
    auto p = std::make_shared<int>(10);
    for (const char* text : {"short", "a text that is too long for the small buffer of std::string"}) {
        gate g;
        auto t = parent(g, p, text);
        t.start();
        for (int i = 0; i < 3; ++i) g.open();
        EXPECT(t.done() && t.result() == 3 * (12 + int(std::string(text).size())));
    }
    EXPECT(p.use_count() == 1);
}
