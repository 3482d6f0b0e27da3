// P13: co_return inside an exception handler.
#include <stdexcept>
#include <string>

#include "probe.hpp"

task<std::string> fails(gate& g) {
    co_await g;
    throw std::runtime_error("the reason");
}

task<std::string> parent(gate& g) {
    counted local(1);
    try {
        co_return co_await fails(g);
    } catch (const std::runtime_error& error) {
        counted inner(2);
        co_return std::string("caught: ") + error.what();
    } catch (...) {
        co_return "of another type";
    }
}

int main() {
    gate g;
    auto t = parent(g);
    t.start();
    g.open();
    EXPECT(t.done() && t.result() == "caught: the reason");
    EXPECT(counted::alive == 0);
}
