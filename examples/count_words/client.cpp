// The article's fifth way, the client's side: hands a job to a queue and waits for its result.
//
//   count_words_client STORE URL        STORE: sqlite:///PATH, redis://HOST, unix:///SOCKET
#include <simul/jobs/job_queue.hpp>
#include <simul/loop/run.hpp>

#include <fmt/core.h>

#include <string>

#include "mymodule.hpp"

using simul::task;

task<int> count(std::string store, std::string url) {
    simul::job_queue queue(store);
    auto handle = co_await queue.enqueue(count_words_at_url, url);
    fmt::print("enqueued {}\n", handle.id());
    fmt::print("{} words\n", co_await handle.result());
    co_return 0;
}

int main(int argc, char** argv) {
    if (argc != 3) {
        fmt::print(stderr, "usage: count_words_client STORE URL\n");
        return 2;
    }
    return simul::run_main(count, std::string(argv[1]), std::string(argv[2]));
}
