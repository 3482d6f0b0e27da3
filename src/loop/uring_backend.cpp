#include <linux/io_uring.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include <simul/base/error.hpp>
#include <simul/loop/io.hpp>

/// io_uring, over the bare system calls (the packaged liburing of Debian 12 is older than the flags used
/// here).
///
/// Theory. Submissions are written into a ring shared with the kernel and handed over with one io_uring_enter
/// per turn, which also waits and lets the kernel post completions (DEFER_TASKRUN: only then, on this thread,
/// so nothing interrupts us). The address of the io_op is the completion's user_data; its lowest bit marks a
/// poll that stands in for an operation on a descriptor that must not block: such a descriptor makes io_uring
/// answer EAGAIN instead of waiting, so we wait for readiness and submit the operation again. Memory order:
/// the kernel reads the submission tail we release and releases the completion tail we acquire. Source:
/// io_uring(7), io_uring_setup(2), io_uring_enter(2).
namespace simul::detail {
namespace {

#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

int setup(unsigned entries, io_uring_params* params) noexcept {
    return static_cast<int>(::syscall(__NR_io_uring_setup, entries, params));
}
int enter(int ring, unsigned submit, unsigned wanted, unsigned flags, void* argument,
          std::size_t size) noexcept {
    return static_cast<int>(::syscall(__NR_io_uring_enter, ring, submit, wanted, flags, argument, size));
}
int register_probe(int ring, io_uring_probe* probe, unsigned count) noexcept {
    return static_cast<int>(::syscall(__NR_io_uring_register, ring, IORING_REGISTER_PROBE, probe, count));
}

constexpr unsigned submission_entries = 256;
constexpr unsigned completion_entries = 4096;
constexpr std::uint64_t tag_internal = 0;  ///< a completion nobody waits for (of a cancel request)
constexpr std::uint64_t tag_wake = 2;      ///< the read of the wake-up descriptor
constexpr std::uint64_t bit_poll = 1;

class mapping {
  public:
    mapping() = default;
    mapping(const mapping&) = delete;
    mapping& operator=(const mapping&) = delete;
    ~mapping() {
        if (address_ != nullptr) ::munmap(address_, size_);
    }
    bool map(int ring, std::size_t size, std::uint64_t offset) noexcept {
        void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
                          static_cast<off_t>(offset));
        if (at == MAP_FAILED) return false;
        address_ = at;
        size_ = size;
        return true;
    }
    template <class T>
    T* at(std::size_t offset) const noexcept {
        return reinterpret_cast<T*>(static_cast<char*>(address_) + offset);
    }

  private:
    void* address_ = nullptr;
    std::size_t size_ = 0;
};

class uring_backend final : public backend {
  public:
    uring_backend() {
        io_uring_params params{};
        constexpr unsigned tries[] = {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
                                      IORING_SETUP_COOP_TASKRUN, 0};
        int error = 0;
        for (unsigned flags : tries) {
            params = {};
            params.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
            params.cq_entries = completion_entries;
            ring_ = setup(submission_entries, &params);
            if (ring_ >= 0) break;
            error = errno;
            if (error != EINVAL) break;
        }
        if (ring_ < 0)
            throw_errno(
                error,
                "io_uring_setup (a container or kernel.io_uring_disabled may forbid it; SIMUL_IO=epoll "
                "does without)");
        try {
            open(params);
        } catch (...) {
            close_all();
            throw;
        }
    }
    ~uring_backend() override { close_all(); }

    const char* name() const noexcept override { return "uring"; }

    bool submit(io_op& op) noexcept override {
        ++pending_;
        prepare(op);
        return false;
    }

    void cancel(io_op& op) noexcept override {
        op.cancel_sent = true;
        // It may be the operation or the poll that stands in for it.
        for (const std::uint64_t bit : {std::uint64_t{0}, bit_poll}) {
            io_uring_sqe& entry = next_entry();
            entry.opcode = IORING_OP_ASYNC_CANCEL;
            entry.fd = -1;
            entry.addr = reinterpret_cast<std::uint64_t>(&op) | bit;
            entry.user_data = tag_internal;
        }
    }

    void wait(std::optional<time_point> until, bool) noexcept override {
        if (collect()) {
            flush();
            return;
        }
        bool blocks = true;
        __kernel_timespec time{};
        if (until) {
            const duration left = *until == time_point::min() ? duration::zero() : *until - clock::now();
            blocks = left > duration::zero();
            const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
            time.tv_sec = seconds.count();
            time.tv_nsec = (left - seconds).count();
        }
        io_uring_getevents_arg argument{};
        if (until) argument.ts = reinterpret_cast<std::uint64_t>(&time);
        for (;;) {
            const int done = enter(ring_, unsubmitted_, blocks ? 1 : 0,
                                   IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
            if (done >= 0) {
                unsubmitted_ -= std::min(unsubmitted_, static_cast<unsigned>(done));
                if (unsubmitted_ == 0) break;
                continue;
            }
            if (errno == ETIME) {
                unsubmitted_ = 0;  // what was to be submitted was, before the waiting
                break;
            }
            // EINTR: the caller knows how much of the time is left. EAGAIN, EBUSY: out of memory or of room
            // for completions, so these are collected first.
            break;
        }
        unsubmitted_ = pending_submissions();
        collect();
    }

    void wake() noexcept override {
        const std::uint64_t one = 1;
        [[maybe_unused]] auto put = ::write(event_, &one, sizeof one);
    }

    void forget(int) noexcept override {}
    std::size_t pending() const noexcept override { return pending_; }
    int descriptor() const noexcept override { return ring_; }
    time_point now() const noexcept override { return clock::now(); }

  private:
    void open(const io_uring_params& params) {
        constexpr unsigned needed = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG |
                                    IORING_FEAT_FAST_POLL | IORING_FEAT_SUBMIT_STABLE;
        if ((params.features & needed) != needed)
            throw_errno(ENOSYS, "io_uring: this kernel is too old (Linux 5.11 is needed)");
        check_operations();

        const std::size_t submission_size = params.sq_off.array + params.sq_entries * sizeof(unsigned);
        const std::size_t completion_size = params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe);
        if (!rings_.map(ring_, std::max(submission_size, completion_size), IORING_OFF_SQ_RING) ||
            !entries_.map(ring_, params.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES))
            throw_errno(errno, "io_uring: mmap");
        sq_head_ = rings_.at<unsigned>(params.sq_off.head);
        sq_tail_ = rings_.at<unsigned>(params.sq_off.tail);
        sq_mask_ = *rings_.at<unsigned>(params.sq_off.ring_mask);
        sq_size_ = params.sq_entries;
        cq_head_ = rings_.at<unsigned>(params.cq_off.head);
        cq_tail_ = rings_.at<unsigned>(params.cq_off.tail);
        cq_mask_ = *rings_.at<unsigned>(params.cq_off.ring_mask);
        completions_ = rings_.at<io_uring_cqe>(params.cq_off.cqes);
        unsigned* order = rings_.at<unsigned>(params.sq_off.array);
        for (unsigned i = 0; i < params.sq_entries; ++i) order[i] = i;

        event_ = ::eventfd(0, EFD_CLOEXEC);
        if (event_ < 0) throw_errno(errno, "eventfd");
        read_wake();
    }

    void check_operations() const {
        constexpr unsigned count = 64;
        alignas(io_uring_probe) unsigned char
            buffer[sizeof(io_uring_probe) + count * sizeof(io_uring_probe_op)] = {};
        auto* probe = reinterpret_cast<io_uring_probe*>(buffer);
        const auto* known = reinterpret_cast<const io_uring_probe_op*>(buffer + sizeof(io_uring_probe));
        if (register_probe(ring_, probe, count) < 0) throw_errno(errno, "io_uring: probe");
        for (int operation :
             {IORING_OP_RECV, IORING_OP_SEND, IORING_OP_RECVMSG, IORING_OP_SENDMSG, IORING_OP_ACCEPT,
              IORING_OP_CONNECT, IORING_OP_READ, IORING_OP_WRITE, IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL})
            if (operation > probe->last_op || (known[operation].flags & IO_URING_OP_SUPPORTED) == 0)
                throw_errno(ENOSYS, "io_uring: this kernel lacks an operation that is needed");
    }

    void close_all() noexcept {
        if (ring_ >= 0) ::close(ring_);
        if (event_ >= 0) ::close(event_);
    }

    unsigned pending_submissions() const noexcept {
        return *sq_tail_ - std::atomic_ref<unsigned>(*sq_head_).load(std::memory_order_acquire);
    }

    /// Hands over what is written, without waiting.
    void flush() noexcept {
        while ((unsubmitted_ = pending_submissions()) > 0) {
            const int done = enter(ring_, unsubmitted_, 0, IORING_ENTER_GETEVENTS, nullptr, 0);
            if (done < 0 && errno != EINTR) return;  // EAGAIN, EBUSY: the next wait() tries again
        }
    }

    io_uring_sqe& next_entry() noexcept {
        while (pending_submissions() == sq_size_) {
            flush();
            if (pending_submissions() == sq_size_) collect();  // the kernel wants room for completions first
        }
        const unsigned tail = *sq_tail_;
        io_uring_sqe& entry = entries_.at<io_uring_sqe>(0)[tail & sq_mask_];
        std::memset(&entry, 0, sizeof entry);
        std::atomic_ref<unsigned>(*sq_tail_).store(tail + 1, std::memory_order_release);
        unsubmitted_ = tail + 1 - std::atomic_ref<unsigned>(*sq_head_).load(std::memory_order_acquire);
        return entry;
    }

    void prepare(io_op& op) noexcept {
        io_uring_sqe& entry = next_entry();
        entry.fd = op.fd;
        entry.addr = reinterpret_cast<std::uint64_t>(op.buffer);
        entry.user_data = reinterpret_cast<std::uint64_t>(&op);
        switch (op.kind) {
            case io_kind::recv:
                entry.opcode = IORING_OP_RECV;
                entry.len = static_cast<unsigned>(std::min<std::size_t>(op.size, 1u << 30));
                entry.msg_flags = static_cast<unsigned>(op.flags);
                break;
            case io_kind::send:
                entry.opcode = IORING_OP_SEND;
                entry.len = static_cast<unsigned>(std::min<std::size_t>(op.size, 1u << 30));
                entry.msg_flags = static_cast<unsigned>(op.flags | MSG_NOSIGNAL);
                break;
            case io_kind::recvmsg:
                entry.opcode = IORING_OP_RECVMSG;
                entry.len = 1;
                entry.msg_flags = static_cast<unsigned>(op.flags);
                break;
            case io_kind::sendmsg:
                entry.opcode = IORING_OP_SENDMSG;
                entry.len = 1;
                entry.msg_flags = static_cast<unsigned>(op.flags | MSG_NOSIGNAL);
                break;
            case io_kind::accept:
                entry.opcode = IORING_OP_ACCEPT;
                entry.addr = 0;
                entry.accept_flags = SOCK_CLOEXEC;
                break;
            case io_kind::connect:
                entry.opcode = IORING_OP_CONNECT;
                entry.off = op.size;
                break;
            case io_kind::read:
            case io_kind::write:
                entry.opcode = op.kind == io_kind::read ? IORING_OP_READ : IORING_OP_WRITE;
                entry.len = static_cast<unsigned>(std::min<std::size_t>(op.size, 1u << 30));
                entry.off = ~std::uint64_t{0};  // the current position
                break;
            case io_kind::poll:
                prepare_poll(entry, op.flags);
                break;
        }
    }

    static void prepare_poll(io_uring_sqe& entry, int events) noexcept {
        entry.opcode = IORING_OP_POLL_ADD;
        entry.addr = 0;
        entry.poll32_events = static_cast<unsigned>(events);
    }

    void poll_instead(io_op& op) noexcept {
        int events = POLLIN;
        if (op.kind == io_kind::send || op.kind == io_kind::sendmsg || op.kind == io_kind::write ||
            op.kind == io_kind::connect)
            events = POLLOUT;
        io_uring_sqe& entry = next_entry();
        entry.fd = op.fd;
        prepare_poll(entry, events);
        entry.user_data = reinterpret_cast<std::uint64_t>(&op) | bit_poll;
    }

    void read_wake() noexcept {
        io_uring_sqe& entry = next_entry();
        entry.opcode = IORING_OP_READ;
        entry.fd = event_;
        entry.addr = reinterpret_cast<std::uint64_t>(&wake_count_);
        entry.len = sizeof wake_count_;
        entry.user_data = tag_wake;
    }

    /// Takes all completions that are there. True if there was one.
    bool collect() noexcept {
        const unsigned tail = std::atomic_ref<unsigned>(*cq_tail_).load(std::memory_order_acquire);
        if (*cq_head_ == tail) return false;
        // completed() may submit, and submitting may collect when there is no room: the head is read again.
        while (static_cast<int>(tail - *cq_head_) > 0) {
            const unsigned head = *cq_head_;
            const io_uring_cqe completion = completions_[head & cq_mask_];
            std::atomic_ref<unsigned>(*cq_head_).store(head + 1, std::memory_order_release);
            take(completion.user_data, completion.res);
        }
        return true;
    }

    void take(std::uint64_t user_data, int result) noexcept {
        if (user_data == tag_internal) return;
        if (user_data == tag_wake) {
            read_wake();
            return;
        }
        io_op& op = *reinterpret_cast<io_op*>(user_data & ~bit_poll);
        const bool ready = (user_data & bit_poll) != 0 && result >= 0;  // what stood in for it
        const bool blocks = (user_data & bit_poll) == 0 && result == -EAGAIN && op.kind != io_kind::poll;
        if (op.kind == io_kind::connect) {
            // A Unix socket whose backlog is full says EAGAIN once and tells nothing later.
            if (blocks) result = -ECONNREFUSED;
        } else if (ready || blocks || result == -EINTR) {
            // A cancel between two submissions finds nothing in the kernel, so it takes effect here.
            if (!op.cancel_sent) return blocks ? poll_instead(op) : prepare(op);
            result = -ECANCELED;
        }
        --pending_;
        op.result = result;
        op.completed();
    }

    int ring_ = -1;
    int event_ = -1;
    std::uint64_t wake_count_ = 0;
    std::size_t pending_ = 0;
    unsigned unsubmitted_ = 0;
    mapping rings_;
    mapping entries_;
    unsigned* sq_head_ = nullptr;
    unsigned* sq_tail_ = nullptr;
    unsigned* cq_head_ = nullptr;
    unsigned* cq_tail_ = nullptr;
    unsigned sq_mask_ = 0;
    unsigned sq_size_ = 0;
    unsigned cq_mask_ = 0;
    io_uring_cqe* completions_ = nullptr;
};

}  // namespace

std::unique_ptr<backend> make_uring_backend() { return std::make_unique<uring_backend>(); }

}  // namespace simul::detail
