// An argument that is left out on purpose is written down.
// expect: too few arguments for this job; write simul::use_default for one that its default fills
#include <simul/jobs/job_queue.hpp>

#include <string>

inline constexpr simul::job<int(std::string, int)> fetch{"mymodule.fetch", {"url", {"tries", 3}}};

simul::task<> caller(simul::job_queue& queue) {
#ifdef SIMUL_BAD
    co_await queue.enqueue(fetch, "http://nvie.com");
#else
    co_await queue.enqueue(fetch, "http://nvie.com", simul::use_default);
#endif
}
