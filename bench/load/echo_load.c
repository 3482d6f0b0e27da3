// Load for the echo servers: N connections, each sends a message, waits for it to come back whole, and sends
// the next.
//
// Prints one JSON line: round trips and seconds of the measured part, and the CPU time that the server
// process (--server PID) and this program used in it. The reply is compared byte by byte, so a server that
// answers early or wrongly ends the run.
#include <fcntl.h>
#include <sys/epoll.h>

#include "../common.h"

enum { size_max = 64 * 1024, connections_max = 4096 };

struct connection {
    int fd;
    long received;  // bytes of the running reply
};

static struct connection connections[connections_max];
static char message[size_max];
static char reply[size_max];

static void send_message(int fd, long size) {
    ssize_t sent = send(fd, message, (size_t)size, MSG_NOSIGNAL);
    if (sent < 0) die("send");
    if (sent != size) {
        fprintf(stderr, "a message of %ld bytes did not fit the socket buffer\n", size);
        exit(1);
    }
}

int main(int argc, char** argv) {
    const long port = option(argc, argv, "--port", 0);
    const long server = option(argc, argv, "--server", 0);
    const long count = option(argc, argv, "--connections", 64);
    const long size = option(argc, argv, "--size", 64);
    const int64_t warm_up = option(argc, argv, "--warm-up-ms", 50) * 1000000;
    const int64_t measured = option(argc, argv, "--measure-ms", 250) * 1000000;
    if (port == 0 || server == 0 || count < 1 || count > connections_max || size < 1 || size > size_max) {
        fprintf(stderr,
                "usage: echo_load --port P --server PID [--connections 1..4096] [--size 1..65536] "
                "[--warm-up-ms N] [--measure-ms N]\n");
        return 2;
    }
    for (long i = 0; i < size; ++i) message[i] = (char)('a' + i % 26);

    int queue = epoll_create1(EPOLL_CLOEXEC);
    for (long i = 0; i < count; ++i) {
        connections[i].fd = connect_to_loopback(port);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
        if (epoll_ctl(queue, EPOLL_CTL_ADD, connections[i].fd, &event) != 0) die("epoll_ctl");
    }
    for (long i = 0; i < count; ++i) send_message(connections[i].fd, size);

    int64_t begin = now_ns() + warm_up, end = begin + measured;
    int64_t server_cpu = 0, client_cpu = 0, started = 0;
    long round_trips = 0;
    for (;;) {
        struct epoll_event events[256];
        int ready = epoll_wait(queue, events, 256, 2000);
        if (ready < 0) die("epoll_wait");
        if (ready == 0) {
            fprintf(stderr, "the server has not answered for 2 s\n");
            return 1;
        }
        int64_t now = now_ns();
        if (started == 0 && now >= begin) {
            started = now;
            round_trips = 0;
            server_cpu = cpu_ns_of((pid_t)server);
            client_cpu = own_cpu_ns();
        }
        if (now >= end && started != 0) {
            server_cpu = cpu_ns_of((pid_t)server) - server_cpu;
            client_cpu = own_cpu_ns() - client_cpu;
            printf(
                "{\"round_trips\": %ld, \"seconds\": %.6f, \"server_cpu_s\": %.6f, \"client_cpu_s\": %.6f}\n",
                round_trips, (double)(now - started) / 1e9, (double)server_cpu / 1e9,
                (double)client_cpu / 1e9);
            return 0;
        }
        for (int i = 0; i < ready; ++i) {
            struct connection* c = (struct connection*)events[i].data.ptr;
            ssize_t got = recv(c->fd, reply, (size_t)(size - c->received), 0);
            if (got < 0) die("recv");
            if (got == 0) {
                fprintf(stderr, "the server closed a connection\n");
                return 1;
            }
            if (memcmp(reply, message + c->received, (size_t)got) != 0) {
                fprintf(stderr, "the server sent other bytes than it got\n");
                return 1;
            }
            c->received += got;
            if (c->received < size) continue;
            c->received = 0;
            ++round_trips;
            send_message(c->fd, size);
        }
    }
}
