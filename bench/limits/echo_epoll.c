// How little CPU time can an echo server on epoll use? One recv and one send per message, nothing else.
#include <sys/epoll.h>

#include "../common.h"

int main(void) {
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
                if (fd < 0) die("accept4");
                no_delay(fd);
                wanted.data.fd = fd;
                if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &wanted) != 0) die("epoll_ctl");
                continue;
            }
            char data[4096];
            ssize_t got = recv(fd, data, sizeof data, 0);
            if (got <= 0 || send(fd, data, (size_t)got, MSG_NOSIGNAL) != got) close(fd);
        }
    }
}
