// A shared library like any other: no module of simul.
extern "C" int answer() { return 42; }
