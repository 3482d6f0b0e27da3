// Keeps one core from halting: a busy loop that runs only when nothing else wants the core (SCHED_IDLE).
//
// On a virtual machine a core that halts takes 30 to 60 microseconds to wake, and rows with many connections
// become bistable. usage: awake CPU; ends with its parent, or on a signal.
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#include "../common.h"

int main(int argc, char** argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: awake CPU\n");
        return 2;
    }
    pid_t parent = getppid();
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) die("prctl");
    if (getppid() != parent) return 0;  // it died before the line above

    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)atoi(argv[1]), &cpus);
    if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) die("sched_setaffinity");
    struct sched_param none = {.sched_priority = 0};
    if (sched_setscheduler(0, SCHED_IDLE, &none) != 0) die("SCHED_IDLE");
    for (;;) {
        for (volatile int i = 0; i < 1000; ++i) {
        }
    }
}
