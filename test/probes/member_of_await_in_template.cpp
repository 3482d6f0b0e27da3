// `(co_await f()).member` in a lambda in a function template: g++ 14 refuses it ("insufficient contextual
// information to determine type"). Through a name or a function it works everywhere, and so does `->`. A test
// knows what each compiler does with it.
#include <string>

#include "probe.hpp"

task<std::string> text() { co_return "abc"; }

template <class F>
int result_of(F f) {
    auto t = f();
    t.start();
    return t.result();
}

template <class T>
int in_a_template() {
    return result_of([&]() -> task<int> { co_return int((co_await text()).size()); });
}

int main() { EXPECT(in_a_template<int>() == 3); }
