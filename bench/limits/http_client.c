// How fast can an HTTP client on epoll be? N connections, one request in flight on each; it trusts the
// server's Content-Length.
#include <sys/epoll.h>

#include "../common.h"

enum { in_flight_max = 1024 };

struct connection {
    int fd;
    size_t received;  // bytes of the running response in `data`
    char data[8192];
};

static struct connection connections[in_flight_max];
static char request[256];
static size_t request_size;

static void ask(struct connection* c) {
    c->received = 0;
    if (send(c->fd, request, request_size, MSG_NOSIGNAL) != (ssize_t)request_size) die("send");
}

// Whether the response in `c->data` is whole; ends the program where it is no response to a GET of 1 KiB.
static int is_whole(struct connection* c) {
    c->data[c->received] = '\0';
    const char* blank = strstr(c->data, "\r\n\r\n");
    if (blank == NULL) return 0;
    const char* length = strstr(c->data, "Content-Length: ");
    if (strncmp(c->data, "HTTP/1.1 200 ", 13) != 0 || length == NULL) {
        fprintf(stderr, "not the response that was expected: %.40s\n", c->data);
        exit(1);
    }
    const size_t whole = (size_t)(blank - c->data) + 4 + (size_t)atol(length + 16);
    return c->received >= whole;
}

int main(int argc, char** argv) {
    const long port = option(argc, argv, "--port", 0);
    const long count = option(argc, argv, "--in-flight", 64);
    const int64_t warm_up = option(argc, argv, "--warm-up-ms", 100) * 1000000;
    const int64_t measured = option(argc, argv, "--measure-ms", 300) * 1000000;
    if (port == 0 || count < 1 || count > in_flight_max) {
        fprintf(stderr,
                "usage: http_client --port P [--in-flight 1..1024] [--warm-up-ms N] [--measure-ms N]\n");
        return 2;
    }
    request_size = (size_t)snprintf(
        request, sizeof request,
        "GET /1k HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\nAccept: */*\r\nUser-Agent: limit\r\n\r\n", port);

    int queue = epoll_create1(EPOLL_CLOEXEC);
    for (long i = 0; i < count; ++i) {
        connections[i].fd = connect_to_loopback(port);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
        if (epoll_ctl(queue, EPOLL_CTL_ADD, connections[i].fd, &event) != 0) die("epoll_ctl");
        ask(&connections[i]);
    }
    const int64_t begin = now_ns() + warm_up, end = begin + measured;
    int64_t started = 0, cpu = 0;
    long requests = 0;
    for (;;) {
        struct epoll_event events[256];
        int ready = epoll_wait(queue, events, 256, 2000);
        if (ready < 0) die("epoll_wait");
        if (ready == 0) {
            fprintf(stderr, "the server has not answered for 2 s\n");
            return 1;
        }
        const int64_t now = now_ns();
        if (started == 0 && now >= begin) {
            started = now;
            cpu = own_cpu_ns();
            requests = 0;
        }
        if (started != 0 && now >= end) {
            cpu = own_cpu_ns() - cpu;
            printf("{\"requests\": %ld, \"seconds\": %.6f, \"cpu_s\": %.6f}\n", requests,
                   (double)(now - started) / 1e9, (double)cpu / 1e9);
            return 0;
        }
        for (int i = 0; i < ready; ++i) {
            struct connection* c = (struct connection*)events[i].data.ptr;
            ssize_t got = recv(c->fd, c->data + c->received, sizeof c->data - 1 - c->received, 0);
            if (got < 0) die("recv");
            if (got == 0) {
                fprintf(stderr, "the server closed a connection\n");
                return 1;
            }
            c->received += (size_t)got;
            if (!is_whole(c)) continue;
            ++requests;
            ask(c);
        }
    }
}
