// What the small C and C++ programs of the measurements share: clocks, sockets on loopback, and errors that
// end the program.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static inline void die(const char* what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

/// Monotonic time in nanoseconds.
static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/// User and system time of this process in nanoseconds.
static inline int64_t own_cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/// User and system time of another process, all of its threads, in nanoseconds. (/proc/PID/stat counts in
/// steps of 10 ms.)
static inline int64_t cpu_ns_of(pid_t pid) {
    clockid_t clock;
    struct timespec t;
    if ((errno = clock_getcpuclockid(pid, &clock)) != 0 || clock_gettime(clock, &t) != 0)
        die("clock_getcpuclockid");
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/// Bytes of memory this process has in RAM now.
static inline int64_t resident_bytes(void) {
    long long size = 0, resident = 0;
    FILE* file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%lld %lld", &size, &resident) != 2) die("/proc/self/statm");
    fclose(file);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

/// The value after `name` on the command line, or `otherwise`.
static inline long option(int argc, char** argv, const char* name, long otherwise) {
    for (int i = 1; i + 1 < argc; ++i) {
        if (strcmp(argv[i], name) == 0) return strtol(argv[i + 1], NULL, 10);
    }
    return otherwise;
}

static inline void no_delay(int fd) {
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) die("TCP_NODELAY");
}

/// Listens on a free port of 127.0.0.1 and tells it on stdout as "port N".
static inline int listen_on_loopback(void) {
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    if (bind(fd, (struct sockaddr*)&address, sizeof address) != 0) die("bind 127.0.0.1");
    if (listen(fd, 1024) != 0) die("listen");
    if (getsockname(fd, (struct sockaddr*)&address, &length) != 0) die("getsockname");
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static inline int connect_to_loopback(long port) {
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    if (connect(fd, (struct sockaddr*)&address, sizeof address) != 0) die("connect 127.0.0.1");
    no_delay(fd);
    return fd;
}
