// What goes to another process is encoded: a pointer means nothing there.
// expect: a pointer means nothing in another process: pass the value itself
#include <simul/processes/process_pool.hpp>

#ifdef SIMUL_BAD
int length(const char*);
#else
int length(std::string);
#endif

simul::task<int> caller(simul::process_pool& processes) { co_return co_await processes.run(&length, "four"); }
