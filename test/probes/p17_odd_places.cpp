// P17: co_await in the initialiser of a range-for, in a switch, in a condition, as an index, and of a call
// whose default arguments are temporaries. (co_await itself is not allowed in a default argument.)
#include <string>
#include <vector>

#include "probe.hpp"

task<std::vector<std::string>> words(gate& g) {
    std::vector<std::string> all = {"one", "two", "a word that is too long for the small buffer"};
    co_await g;
    co_return all;
}
task<int> defaults(gate& g, std::string text = "a default that is too long for the small buffer",
                   counted = counted(1)) {
    co_return co_await g* int(text.size());
}

task<int> parent(gate& g) {
    int sum = 0;
    for (const std::string& word : co_await words(g)) sum += int(word.size()) + co_await g;
    switch (co_await g) {
        case 1:
            sum += co_await g;
            break;
        default:
            sum = -1000;
    }
    while (co_await g + sum < 100) sum += 10;
    sum += (co_await words(g))[static_cast<std::size_t>(co_await g)] == "two" ? 1000 : 0;
    co_return sum + co_await defaults(g);
}

int main() {
    gate g;
    auto t = parent(g);
    t.start();
    while (!t.done()) g.open();
    const int words_and_switch = 3 + 3 + 44 + 3 + 1;  // raised in tens until it is 99 at least
    EXPECT(t.result() == words_and_switch + 50 + 1000 + 47);
    EXPECT(counted::alive == 0);
}
