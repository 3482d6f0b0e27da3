// A generator does not wait: the message names what does.
// expect: a generator cannot co_await: use async_generator
#include <simul/core/async_generator.hpp>
#include <simul/core/generator.hpp>

simul::task<int> later() { co_return 1; }

#ifdef SIMUL_BAD
simul::generator<int> numbers() { co_yield co_await later(); }
#else
simul::async_generator<int> numbers() { co_yield co_await later(); }
#endif
