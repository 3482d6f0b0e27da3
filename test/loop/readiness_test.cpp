#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <simul/core/all.hpp>
#include <simul/core/race.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/readiness.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>

using namespace simul;
using namespace simul::literals;

namespace {

struct descriptor {
    explicit descriptor(int number) : fd(number) { REQUIRE(fd >= 0); }
    descriptor(descriptor&& other) noexcept : fd(std::exchange(other.fd, -1)) {}
    ~descriptor() { close(); }
    void close() {
        if (fd >= 0) ::close(std::exchange(fd, -1));
    }
    int fd;
};

std::pair<descriptor, descriptor> make_pipe() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    return {descriptor(ends[0]), descriptor(ends[1])};
}

/// A read as a library on top of io_operation writes it.
class read_some final : public detail::io_operation<read_some> {
  public:
    read_some(int descriptor, char* into, std::size_t room) noexcept
        : io_operation(detail::io_kind::read, descriptor) {
        buffer = into;
        size = room;
    }
    int result() const {
        if (io_op::result < 0) detail::throw_io_error(io_op::result, "read");
        return io_op::result;
    }
};

}  // namespace

TEST_CASE("a pipe is readable when something was written, or when its other end is closed") {
    loop on;
    on.run([]() -> task<> {
        auto [reader, writer] = make_pipe();
        auto writes = [&]() -> task<> {
            co_await sleep_for(1ms);
            CHECK(::write(writer.fd, "x", 1) == 1);
        };
        co_await all(wait_readable(reader.fd), writes());
        co_await wait_readable(reader.fd);  // level-triggered: still there
        char c;
        CHECK(::read(reader.fd, &c, 1) == 1);
        CHECK_FALSE(co_await move_on_after(1ms, wait_readable(reader.fd)));
        auto closes = [&]() -> task<> {
            co_await sleep_for(1ms);
            writer.close();
        };
        co_await all(wait_readable(reader.fd), closes());
    });
}

TEST_CASE("a pipe is writable while there is room") {
    loop on;
    on.run([]() -> task<> {
        auto [reader, writer] = make_pipe();
        co_await wait_writable(writer.fd);
        ::fcntl(writer.fd, F_SETFL, O_NONBLOCK);
        const std::string block(4096, 'x');
        while (::write(writer.fd, block.data(), block.size()) > 0) {
        }
        CHECK_FALSE(co_await move_on_after(1ms, wait_writable(writer.fd)));
        auto drains = [&, &from = reader]() -> task<> {
            std::string got(1 << 17, ' ');
            CHECK(::read(from.fd, got.data(), got.size()) > 0);
            co_return;
        };
        co_await all(wait_writable(writer.fd), drains());
    });
}

TEST_CASE("several tasks may wait for one descriptor") {
    loop on;
    on.run([]() -> task<> {
        auto [reader, writer] = make_pipe();
        const int fd = reader.fd;
        auto writes = [&, to = writer.fd]() -> task<> {
            co_await sleep_for(1ms);
            CHECK(::write(to, "x", 1) == 1);
        };
        co_await all(wait_readable(fd), wait_readable(fd), move_on_after(1h, wait_readable(fd)), writes());
    });
}

TEST_CASE("a regular file is always ready") {
    loop on;
    std::FILE* file = std::tmpfile();
    REQUIRE(file != nullptr);
    on.run([&]() -> task<> {
        co_await wait_readable(fileno(file));
        co_await wait_writable(fileno(file));
    });
    std::fclose(file);
}

TEST_CASE("a descriptor that is closed or was never open is an error that names it") {
    loop on;
    on.run([]() -> task<> {
        int closed;
        {
            auto [reader, writer] = make_pipe();
            closed = reader.fd;
        }
        for (const int fd : {closed, -1, 1'000'000}) {
            CAPTURE(fd);
            const auto how = co_await outcome_of(wait_readable(fd));
            REQUIRE(how.has_error());
            std::error_code code;
            try {
                std::rethrow_exception(how.error());
            } catch (const std::system_error& e) {
                code = e.code();
            }
            CHECK(code == std::errc::bad_file_descriptor);
        }
    });
}

TEST_CASE("a number that was closed and opened again is waited for anew") {
    loop on;
    on.run([]() -> task<> {
        for (int i = 0; i < 5; ++i) {
            auto [reader, writer] = make_pipe();
            CHECK_FALSE(co_await move_on_after(100us, wait_readable(reader.fd)));
            auto writes = [&, to = writer.fd]() -> task<> {
                CHECK(::write(to, "x", 1) == 1);
                co_return;
            };
            CHECK(co_await move_on_after(5s, all(wait_readable(reader.fd), writes())));
        }
    });
}

TEST_CASE("waits that are canceled again and again leave nothing in the kernel") {
    loop on;
    on.run([&]() -> task<> {
        auto [reader, writer] = make_pipe();
        for (int i = 0; i < 200; ++i) co_await race(wait_readable(reader.fd), yield());
        CHECK(on.statistics().io_pending == 0);
    });
}

TEST_CASE("a cancel meets a read at any stage, also of a descriptor that must not block") {
    // Bug (io_uring): a cancel between the wait for readiness and the second try of the read was lost.
    loop on;
    on.run([&]() -> task<> {
        for (const int flags : {0, O_NONBLOCK}) {
            for (int i = 0; i < 300; ++i) {
                auto [reader, writer] = make_pipe();
                ::fcntl(reader.fd, F_SETFL, flags);
                char c = ' ';
                auto reads = [&, fd = reader.fd]() -> task<int> { co_return co_await read_some(fd, &c, 1); };
                auto write_and_stop = [&, to = writer.fd]() -> task<> {
                    for (int n = 0; n < i % 5; ++n) co_await sleep_for(0s);
                    if (i % 3 != 0) CHECK(::write(to, "x", 1) == 1);
                    for (int n = 0; n < i % 4; ++n) co_await sleep_for(0s);
                    if (i % 7 == 1) {  // takes it away, so that the second try would block
                        char stolen;
                        ::fcntl(to, F_SETFL, O_NONBLOCK);
                        ::fcntl(reader.fd, F_SETFL, O_NONBLOCK);
                        static_cast<void>(::read(reader.fd, &stolen, 1) == 1);
                    }
                };
                auto won = co_await move_on_after(5s, race(reads(), write_and_stop()));
                REQUIRE(won);
                if (won->index() == 0) CHECK(c == 'x');
                detail::loop_access::io(on).forget(reader.fd);
            }
        }
        CHECK(on.statistics().io_pending == 0);
    });
}

TEST_CASE("more operations at once than the rings of the kernel hold") {
    loop on;
    on.run([&]() -> task<> {
        constexpr int count = 700;
        std::vector<descriptor> events;
        for (int i = 0; i < count; ++i) events.emplace_back(::eventfd(0, EFD_CLOEXEC));
        std::vector<int> done(count);
        auto waits = [&](const descriptor& each) -> task<> {
            co_await wait_readable(each.fd);
            ++done[static_cast<std::size_t>(&each - events.data())];
        };
        auto sets = [&]() -> task<> {
            co_await sleep_for(1ms);
            const std::uint64_t one = 1;
            for (auto& each : events) CHECK(::write(each.fd, &one, sizeof one) == sizeof one);
        };
        co_await all(all(events, waits), sets());
        CHECK(done == std::vector<int>(count, 1));
        std::uint64_t value;
        for (auto& each : events) CHECK(::read(each.fd, &value, sizeof value) == sizeof value);
        CHECK_FALSE(co_await move_on_after(1ms, all(events, waits)));  // as many cancels at once
        CHECK(on.statistics().io_pending == 0);
    });
}
