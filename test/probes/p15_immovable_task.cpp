// P15: an immovable task is returned from a plain function, from a conditional and through a template.
#include <type_traits>
#include <utility>

#include "probe.hpp"

static_assert(!std::is_move_constructible_v<task<int>>);

task<int> one(gate& g) { co_return co_await g; }
task<int> two(gate& g) { co_return 1 + co_await g; }
task<int> forwarded(gate& g) { return one(g); }
task<int> chosen(bool first, gate& g) { return first ? one(g) : two(g); }
template <class F, class... Args>
auto called(F f, Args&&... args) {
    return f(std::forward<Args>(args)...);
}
struct member {
    task<int> held;  // made in place, from a prvalue
};

task<int> parent(gate& g) {
    co_return co_await forwarded(g) + co_await chosen(false, g) + co_await called(two, g);
}

int main() {
    gate g;
    member m{parent(g)};
    m.held.start();
    for (int i = 0; i < 3; ++i) g.open();
    EXPECT(m.held.done() && m.held.result() == 5);
}
