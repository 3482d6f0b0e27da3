// The article's second way: several threads, and here they do run at the same time.
#include <simul/core/all.hpp>
#include <simul/loop/run.hpp>
#include <simul/threads/thread_pool.hpp>

#include <fmt/core.h>

void print_cube(int number) { fmt::print("Cube: {}\n", number * number * number); }
void print_square(int number) { fmt::print("Square: {}\n", number * number); }

simul::task<> app() {
    simul::thread_pool threads;
    co_await simul::all(threads.run(print_square, 10), threads.run(print_cube, 10));
    fmt::print("Done!\n");
}

int main() { return simul::run_main(app); }
