#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include <simul/base/error.hpp>
#include <simul/loop/io.hpp>

namespace simul::detail {
namespace {

/// Time without a kernel: it stands still while anything runs and jumps to the next timer when nothing can.
class virtual_backend final : public backend {
  public:
    virtual_backend() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        if (event_ < 0) throw_errno(errno, "eventfd");
    }
    ~virtual_backend() override { ::close(event_); }

    const char* name() const noexcept override { return "virtual"; }
    bool submit(io_op& op) noexcept override {
        op.result = -ENOTSUP;
        return true;
    }
    void cancel(io_op&) noexcept override {}
    void wait(std::optional<time_point> until, bool hope) noexcept override {
        if (until && *until <= now_) return;
        if (hope) {  // another thread is at work for us: its time is real
            pollfd poll_event{event_, POLLIN, 0};
            ::poll(&poll_event, 1, -1);
            std::uint64_t count = 0;
            [[maybe_unused]] auto got = ::read(event_, &count, sizeof count);
            return;
        }
        if (until) now_ = *until;
    }
    void wake() noexcept override {
        const std::uint64_t one = 1;
        [[maybe_unused]] auto put = ::write(event_, &one, sizeof one);
    }
    void forget(int) noexcept override {}
    std::size_t pending() const noexcept override { return 0; }
    int descriptor() const noexcept override { return event_; }
    time_point now() const noexcept override { return now_; }
    bool is_virtual() const noexcept override { return true; }

  private:
    int event_;
    time_point now_{std::chrono::hours(24)};  // not zero: code that subtracts from now stays in range
};

}  // namespace

std::unique_ptr<backend> make_virtual_backend() { return std::make_unique<virtual_backend>(); }

}  // namespace simul::detail
