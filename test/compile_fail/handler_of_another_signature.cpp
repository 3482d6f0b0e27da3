// A handler takes what the contract promises to send.
// expect: the function does not take the arguments of the job's contract
#include <simul/jobs/worker.hpp>

#include <string>

inline constexpr simul::job<int(std::string)> count_words{"mymodule.count_words_at_url", {"url"}};

#ifdef SIMUL_BAD
int count(int);
#else
int count(std::string);
#endif

void add_handlers(simul::worker& w) { w.handle(count_words, &count); }
