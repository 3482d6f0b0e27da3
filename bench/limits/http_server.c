// The server that the HTTP clients are measured against: a GET of any path gets 1024 bytes, connections are
// kept. It does as little as it can, so that the client is what is measured: one recv and one send per
// request, no header is read.
#include <sys/epoll.h>

#include "../common.h"

enum { body_size = 1024, descriptors_max = 65536 };

static char response[2048];
static size_t response_size;
static unsigned char matched[descriptors_max];  // bytes of "\r\n\r\n" seen so far on each connection

// How many requests end in `data`; a request (GETs only, so without a body) ends with an empty line.
static int requests_in(int fd, const char* data, ssize_t size) {
    static const char end[4] = {'\r', '\n', '\r', '\n'};
    unsigned char state = matched[fd];
    int requests = 0;
    for (ssize_t i = 0; i < size; ++i) {
        state = data[i] == end[state] ? (unsigned char)(state + 1) : data[i] == '\r' ? 1 : 0;
        if (state == 4) {
            ++requests;
            state = 0;
        }
    }
    matched[fd] = state;
    return requests;
}

int main(void) {
    response_size = (size_t)snprintf(
        response, sizeof response,
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", body_size);
    memset(response + response_size, 'x', body_size);
    response_size += body_size;

    int listener = listen_on_loopback();
    int queue = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = listener};
    if (epoll_ctl(queue, EPOLL_CTL_ADD, listener, &wanted) != 0) die("epoll_ctl");
    for (;;) {
        struct epoll_event events[256];
        int ready = epoll_wait(queue, events, 256, -1);
        if (ready < 0) die("epoll_wait");
        for (int i = 0; i < ready; ++i) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                if (fd < 0 || fd >= descriptors_max) die("accept4");
                no_delay(fd);
                matched[fd] = 0;
                wanted.data.fd = fd;
                if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &wanted) != 0) die("epoll_ctl");
                continue;
            }
            char data[16384];
            ssize_t got = recv(fd, data, sizeof data, 0);
            if (got <= 0) {
                close(fd);
                continue;
            }
            for (int n = requests_in(fd, data, got); n > 0; --n) {
                if (send(fd, response, response_size, MSG_NOSIGNAL) != (ssize_t)response_size) {
                    close(fd);
                    break;
                }
            }
        }
    }
}
