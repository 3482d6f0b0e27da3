// Runs a command and reports what it used: wall time, CPU time (with the children it waited for), peak memory
// of its largest process.
//
// usage: launch REPORT_FD COMMAND [ARGS...]; writes one JSON line to REPORT_FD and exits with the command's
// status. A program of its own because the kernel counts the memory of the process that calls exec as the new
// program's peak: started from a Python runner, every program would seem to need what Python needs. SIGTERM
// to the group ends the command only.
#include <signal.h>
#include <sys/wait.h>

#include "../common.h"

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

int main(int argc, char** argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: launch REPORT_FD COMMAND [ARGS...]\n");
        return 2;
    }
    const int report = atoi(argv[1]);
    const int64_t begin = now_ns();
    pid_t child = fork();
    if (child < 0) die("fork");
    if (child == 0) {
        close(report);
        execvp(argv[2], argv + 2);
        fprintf(stderr, "exec %s: %s\n", argv[2], strerror(errno));
        _exit(127);
    }
    int status = 0;
    struct rusage used;
    signal(SIGTERM, SIG_IGN);  // meant for the command; this one has to live to report
    while (wait4(child, &status, 0, &used) < 0) {
        if (errno != EINTR) die("wait4");
    }
    const int64_t end = now_ns();
    dprintf(report, "{\"wall_s\": %.6f, \"cpu_s\": %.6f, \"peak_kib\": %ld}\n", (double)(end - begin) / 1e9,
            seconds(used.ru_utime) + seconds(used.ru_stime), used.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
