// The article's first way: several processes.
//
// Each runs print_continent on its own; the system shares the processors out among them. The first one is
// started without an argument: a default belongs to the function's name and not to its address, so it is
// called in a lambda.
#include <simul/processes/process.hpp>

#include <fmt/core.h>

#include <string>
#include <vector>

void print_continent(const std::string& continent = "Asia") {
    fmt::print("The name of continent is : {}\n", continent);
}

int main() {
    std::vector<simul::process> processes;
    processes.emplace_back([] { print_continent(); });
    for (const char* name : {"America", "Europe", "Africa"}) processes.emplace_back(print_continent, name);
    bool all_printed = true;
    for (simul::process& each : processes) all_printed &= each.wait().success();
    return all_printed ? 0 : 1;
}
