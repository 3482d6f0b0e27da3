// One function, called in all four places: here, on another core, in another process, on another machine (a
// worker process on an embedded store stands for it). And once it crashes, in a place where that hurts
// nobody.
#include <simul/jobs/job_queue.hpp>
#include <simul/jobs/worker.hpp>
#include <simul/loop/run.hpp>
#include <simul/processes/process.hpp>
#include <simul/processes/process_pool.hpp>
#include <simul/threads/thread_pool.hpp>

#include <fmt/core.h>
#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>

using simul::task;

int count_words(std::string text) {
    if (text == "crash") std::abort();
    std::istringstream words(text);
    int count = 0;
    for (std::string word; words >> word;) ++count;
    return count;
}

// The name by which another machine knows it, bound to the function, so that it can be called in every place.
inline constexpr simul::job count_words_job{"four_places.count_words", &count_words};

// The other machine: takes one job and ends.
int work(std::string store) {
    simul::worker_options options;
    options.max_jobs = 1;
    options.log = [](std::string_view) {};
    simul::worker worker(store, options);
    worker.handle(count_words_job);
    return simul::worker_main(worker);
}

task<> four_places(std::string store) {
    simul::process_pool processes;  // first: processes are forked while there is one thread
    simul::process machine(work, store);
    simul::thread_pool threads;
    simul::job_queue queue(store);
    const std::string text = "A good chess player does not start playing chess faster";

    fmt::print("here:               {}\n", co_await count_words_job(text));
    fmt::print("on another core:    {}\n", co_await threads.run(count_words, text));
    fmt::print("in another process: {}\n", co_await processes.run(count_words, text));
    fmt::print("on another machine: {}\n", co_await queue.run(count_words_job, text));

    try {
        co_await processes.run(count_words, "crash");
    } catch (const simul::worker_died& death) {
        fmt::print("a crash there:      worker_died, {}\n", to_string(death.status()));
    }
    fmt::print("and the next call:  {}\n", co_await processes.run(count_words, text));
    co_await machine.join();
}

int main() {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);  // the crash is meant

    std::string folder = std::filesystem::temp_directory_path() / "four_places.XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) {
        fmt::print(stderr, "error: no folder can be made in the temporary directory\n");
        return 1;
    }
    const int status = simul::run_main(four_places, "sqlite://" + folder + "/jobs.db");
    std::filesystem::remove_all(folder);
    return status;
}
