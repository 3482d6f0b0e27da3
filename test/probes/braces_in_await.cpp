// Nested braced lists in an awaited expression: g++ 14 stops with an internal error (gimple_add_tmp_var), so
// no public function of simul is meant to be called this way. This file is compiled by a test that knows what
// each compiler does with it.
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "probe.hpp"

struct options {
    std::vector<std::pair<std::string, std::string>> query;
};

task<int> list(std::initializer_list<std::string> words, gate& g) {
    co_return int(words.size()) + co_await g;
}
task<int> with(options o, gate& g) { co_return int(o.query.size()) + co_await g; }

task<int> parent(gate& g) {
    co_return co_await list({"a", "b"}, g) + co_await with({.query = {{"a", "b"}}}, g);
}

int main() {
    gate g;
    auto t = parent(g);
    t.start();
    g.open();
    g.open();
    EXPECT(t.done() && t.result() == 5);
}
