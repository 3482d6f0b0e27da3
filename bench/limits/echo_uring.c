// How little CPU time can an echo server on io_uring use? Multishot accept and receive, buffers lent to the
// kernel, one submit per turn.
#include <liburing.h>

#include "../common.h"

enum { buffers = 1024, buffer_size = 4096, group = 0 };  // 1024 messages may be on their way at once
enum kind { accepted, received, sent };

static struct io_uring ring;
static struct io_uring_buf_ring* lent;
static char* memory;

// What a completion is about, in its 64 bits of user data: kind, buffer, descriptor.
static uint64_t tag(enum kind what, int buffer, int fd) {
    return (uint64_t)what << 56 | (uint64_t)(unsigned)buffer << 32 | (uint32_t)fd;
}

static struct io_uring_sqe* entry(void) {
    struct io_uring_sqe* sqe = io_uring_get_sqe(&ring);
    if (sqe == NULL) {
        io_uring_submit(&ring);
        sqe = io_uring_get_sqe(&ring);
    }
    return sqe;
}

static void lend(int buffer) {
    io_uring_buf_ring_add(lent, memory + buffer * buffer_size, buffer_size, (unsigned short)buffer,
                          io_uring_buf_ring_mask(buffers), 0);
    io_uring_buf_ring_advance(lent, 1);
}

static void arm_receive(int fd) {
    struct io_uring_sqe* sqe = entry();
    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = group;
    sqe->user_data = tag(received, 0, fd);
}

int main(void) {
    int listener = listen_on_loopback();
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
    if ((errno = -io_uring_queue_init_params(1024, &ring, &params)) != 0) die("io_uring_queue_init_params");

    struct io_uring_buf_reg registration = {.ring_entries = buffers, .bgid = group};
    if (posix_memalign((void**)&lent, 4096, buffers * sizeof(struct io_uring_buf)) != 0)
        die("posix_memalign");
    memory = (char*)malloc((size_t)buffers * buffer_size);
    if (memory == NULL) die("malloc");
    registration.ring_addr = (uint64_t)(uintptr_t)lent;
    if ((errno = -io_uring_register_buf_ring(&ring, &registration, 0)) != 0)
        die("io_uring_register_buf_ring");
    io_uring_buf_ring_init(lent);
    for (int i = 0; i < buffers; ++i) lend(i);

    struct io_uring_sqe* sqe = entry();
    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    sqe->user_data = tag(accepted, 0, listener);

    for (;;) {
        int error = io_uring_submit_and_wait(&ring, 1);
        if (error < 0 && error != -EINTR) {
            errno = -error;
            die("io_uring_submit_and_wait");
        }
        struct io_uring_cqe* cqe;
        unsigned head, seen = 0;
        io_uring_for_each_cqe(&ring, head, cqe) {
            ++seen;
            const enum kind what = (enum kind)(cqe->user_data >> 56);
            const int fd = (int)(uint32_t)cqe->user_data;
            if (what == accepted) {
                if (cqe->res < 0) {
                    errno = -cqe->res;
                    die("accept");
                }
                no_delay(cqe->res);
                arm_receive(cqe->res);
            } else if (what == received) {
                if (cqe->res > 0) {
                    const int buffer = (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
                    sqe = entry();
                    io_uring_prep_send(sqe, fd, memory + buffer * buffer_size, (size_t)cqe->res,
                                       MSG_NOSIGNAL | MSG_WAITALL);
                    sqe->user_data = tag(sent, buffer, fd);
                    if ((cqe->flags & IORING_CQE_F_MORE) == 0) arm_receive(fd);
                } else if (cqe->res == -ENOBUFS) {
                    arm_receive(fd);
                } else {
                    close(fd);
                }
            } else {
                lend((int)(cqe->user_data >> 32 & 0xffff));
            }
        }
        io_uring_cq_advance(&ring, seen);
    }
}
