// The contract says what a call takes, so a wrong type is found before anything is stored.
// expect: an argument does not convert to the type that the job's signature has at its place
#include <simul/jobs/job_queue.hpp>

#include <string>

inline constexpr simul::job<int(std::string)> count_words{"mymodule.count_words_at_url", {"url"}};

simul::task<> caller(simul::job_queue& queue) {
#ifdef SIMUL_BAD
    co_await queue.enqueue(count_words, 322);
#else
    co_await queue.enqueue(count_words, "http://nvie.com");
#endif
}
