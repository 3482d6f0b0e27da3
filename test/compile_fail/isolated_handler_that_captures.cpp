// What a handler captures cannot be had in another process.
// expect: isolated\(\) takes a function or a captureless lambda
#include <simul/jobs/worker.hpp>

inline constexpr simul::job<int(int)> scale{"m.scale", {"n"}};

void add_handlers(simul::worker& w, int factor) {
#ifdef SIMUL_BAD
    w.handle(scale, simul::isolated([factor](int n) { return n * factor; }));
#else
    w.handle(scale, [factor](int n) { return n * factor; });
#endif
}
