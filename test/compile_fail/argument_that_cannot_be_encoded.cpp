// An argument of a job goes to another machine, so its type has to say what it consists of.
// expect: declare its fields with SIMUL_FIELDS\(type, ...\)
#include <simul/codec/fields.hpp>
#include <simul/jobs/job.hpp>
#include <simul/jobs/job_queue.hpp>

struct rectangle {
    int width = 0;
    int height = 0;
};
#ifndef SIMUL_BAD
SIMUL_FIELDS(rectangle, width, height)
#endif

inline constexpr simul::job<int(rectangle)> area{"geometry.area"};

simul::task<> caller(simul::job_queue& queue) { co_await queue.enqueue(area, rectangle{}); }
