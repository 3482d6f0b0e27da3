// The article's third way: a coroutine that takes values as well as giving control back.
//
// It is told a prefix, and then names, one at a time; it prints those that contain the prefix.
#include <simul/core/generator.hpp>

#include <fmt/core.h>

#include <cstdio>
#include <string>

using simul::generator;
using simul::generator_exit;

generator<void, std::string> print_name(std::string prefix) {
    fmt::print("Searching prefix:{}\n", prefix);
    try {
        for (;;) {
            std::string name = co_yield {};
            if (name.find(prefix) != name.npos) fmt::print("{}\n", name);
        }
    } catch (generator_exit) {
        fmt::print("Closing coroutine!!\n");
        throw;
    }
}

int main() {
    auto corou = print_name("Dear");
    corou.next();
    corou.send("James");
    corou.send("Dear James");
    corou.close();
    return std::fflush(stdout) == 0 ? 0 : 1;  // a full disk
}
