// A job names all of its parameters, or none.
// expect: a job names all of its parameters or none
#include <simul/jobs/job.hpp>

#ifdef SIMUL_BAD
inline constexpr simul::job<double(double, double)> add{"m.add", {"a"}};
#else
inline constexpr simul::job<double(double, double)> add{"m.add", {"a", "b"}};
#endif

static_assert(add.name() == "m.add");
