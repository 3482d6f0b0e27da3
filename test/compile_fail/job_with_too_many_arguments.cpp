// Options never share a list with the arguments of a call.
// expect: too many arguments for this job
#include <simul/jobs/job_queue.hpp>

#include <string>

inline constexpr simul::job<int(std::string)> count_words{"mymodule.count_words_at_url", {"url"}};

simul::task<> caller(simul::job_queue& queue) {
    simul::call_options often;
    often.retries = 3;
#ifdef SIMUL_BAD
    co_await queue.enqueue(count_words, "http://nvie.com", often);
#else
    co_await queue.with(often).enqueue(count_words, "http://nvie.com");
#endif
}
