#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>

#include <simul/base/log.hpp>
#include <simul/core/all.hpp>
#include <simul/core/attached_errors.hpp>
#include <simul/core/race.hpp>
#include <simul/core/scopes.hpp>
#include <simul/loop/finally.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/signals.hpp>
#include <simul/loop/sleep.hpp>

// Each program here runs in a child of this process, whose stdout and stderr are pipes.
using namespace simul;
using namespace simul::literals;

namespace {

class program {
  public:
    /// `prepare` runs in the child before it.
    explicit program(const std::function<int()>& main, const std::function<void()>& prepare = [] {}) {
        std::fflush(nullptr);
        REQUIRE(::pipe2(out_.data(), O_CLOEXEC) == 0);
        REQUIRE(::pipe2(err_.data(), O_CLOEXEC) == 0);
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            ::alarm(20);
            ::dup2(out_[1], STDOUT_FILENO);
            ::dup2(err_[1], STDERR_FILENO);
            for (int fd : {out_[0], out_[1], err_[0], err_[1]}) ::close(fd);
            prepare();
            const int status = main();
            std::fflush(stdout);
            ::_exit(status);
        }
        ::close(out_[1]);
        ::close(err_[1]);
    }
    program(const program&) = delete;
    program& operator=(const program&) = delete;
    ~program() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
        ::close(out_[0]);
        ::close(err_[0]);
    }

    void signal(int number) const { REQUIRE(::kill(pid_, number) == 0); }

    /// Waits until it has written `text` to stdout.
    void wait_for(const std::string& text) {
        while (output.find(text) == std::string::npos) {
            std::array<char, 256> buffer;
            const auto got = ::read(out_[0], buffer.data(), buffer.size());
            REQUIRE(got > 0);
            output.append(buffer.data(), static_cast<std::size_t>(got));
        }
    }

    /// Waits for its end; its exit status, or minus the signal that ended it.
    int wait() {
        output += rest_of(out_[0]);
        errors += rest_of(err_[0]);
        int status = 0;
        REQUIRE(::waitpid(pid_, &status, 0) == pid_);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

    std::string output;
    std::string errors;

  private:
    static std::string rest_of(int fd) {
        std::string text;
        std::array<char, 256> buffer;
        for (ssize_t got; (got = ::read(fd, buffer.data(), buffer.size())) > 0;)
            text.append(buffer.data(), static_cast<std::size_t>(got));
        return text;
    }

    std::array<int, 2> out_{};
    std::array<int, 2> err_{};
    pid_t pid_ = -1;
};

void say(const char* text) {
    std::fputs(text, stdout);
    std::fflush(stdout);
}

task<> serve_until_canceled() {
    auto cleanup = []() -> task<> {
        co_await sleep_for(1ms);
        say("cleaned up\n");
    };
    auto serve = []() -> task<> {
        say("ready\n");
        co_await sleep_for(1h);
    };
    co_await finally(serve(), cleanup);
    say("not reached\n");
}

}  // namespace

TEST_CASE("run_main gives 0, or what the task gives") {
    CHECK(program([] { return run_main([]() -> task<> { co_return; }); }).wait() == 0);
    CHECK(program([] { return run_main([](int n) -> task<int> { co_return n; }, 7); }).wait() == 7);
}

TEST_CASE("an error is printed once, with what caused it and what came after it, and the status is 1") {
    program p([] {
        return run_main([]() -> task<> {
            try {
                throw std::runtime_error("the cause");
            } catch (...) {
                auto error = [] {
                    try {
                        std::throw_with_nested(std::logic_error("the error"));
                    } catch (...) {
                        return std::current_exception();
                    }
                }();
                attach_error(error, std::make_exception_ptr(std::runtime_error("one more")));
                std::rethrow_exception(error);
            }
            co_return;
        });
    });
    CHECK(p.wait() == 1);
    CHECK(p.errors == "error: the error\n  because: the cause\n  and then: one more\n");
    CHECK(p.output.empty());
    program odd([] {
        return run_main([]() -> task<> {
            throw 5;
            co_return;
        });
    });
    CHECK(odd.wait() == 1);
    CHECK(odd.errors.find("not a std::exception") != std::string::npos);
}

TEST_CASE("SIGINT and SIGTERM cancel the task, whose clean-up runs; the status is 130 or 143") {
    for (const int number : {SIGINT, SIGTERM}) {
        program p([] { return run_main(serve_until_canceled); });
        p.wait_for("ready\n");
        p.signal(number);
        CHECK(p.wait() == 128 + number);
        CHECK(p.output == "ready\ncleaned up\n");
        CHECK(p.errors.empty());
    }
}

TEST_CASE("a signal that was ignored when the program started stays ignored") {
    // Bug: what a shell runs in the background was ended by the Ctrl-C that was meant for another.
    for (const int number : {SIGINT, SIGTERM}) {
        program p([] { return run_main(serve_until_canceled); }, [number] { ::signal(number, SIG_IGN); });
        p.wait_for("ready\n");
        p.signal(number);
        p.signal(number);
        p.signal(number == SIGINT ? SIGTERM : SIGINT);
        CHECK(p.wait() == 128 + (number == SIGINT ? SIGTERM : SIGINT));
        CHECK(p.output == "ready\ncleaned up\n");
    }
}

TEST_CASE("warnings and errors of the library go to stderr, unless a log hook is set") {
    const auto complain = []() -> task<> {
        log(log_level::info, "test: all is well");
        log(log_level::warning, "test: {} left", 1);
        log(log_level::error, "test: none left");
        co_return;
    };
    program heard([&] { return run_main(complain); });
    CHECK(heard.wait() == 0);
    CHECK(heard.errors == "simul: warning: test: 1 left\nsimul: error: test: none left\n");
    program hooked([&] { return run_main(complain); },
                   [] { set_log_hook([](const log_record& r) { say(std::string(r.message).c_str()); }); });
    CHECK(hooked.wait() == 0);
    CHECK(hooked.errors.empty());
    CHECK(hooked.output == "test: all is welltest: 1 lefttest: none left");
}

TEST_CASE("an error that nobody is left to be thrown at is written to stderr") {
    const auto abandoned = []() -> task<> {
        const auto fails_late = []() -> task<> {
            co_await shield(sleep_for(20ms));
            throw std::runtime_error("unheard");
        };
        CHECK(co_await race(fails_late(), sleep_for(1ms)) == 1);
    };
    const std::string line = "simul: error: loop: a race's loser failed: unheard\n";
    program in_main([&] { return run_main(abandoned); });
    CHECK(in_main.wait() == 0);
    CHECK(in_main.errors == line);
    program plain([&] {
        run(abandoned);
        return 0;
    });
    CHECK(plain.wait() == 0);
    CHECK(plain.errors == line);
    const auto with_handler = [&] {
        loop on{
            {.on_error = [](std::exception_ptr, std::string_view what) { say(std::string(what).c_str()); }}};
        on.run(abandoned);
        return 0;
    };
    program handled(with_handler);
    CHECK(handled.wait() == 0);
    CHECK(handled.errors.empty());
    CHECK(handled.output == "a race's loser failed");
}

TEST_CASE("a second signal ends the process at once") {
    program p([] {
        return run_main([]() -> task<> {
            say("ready\n");
            co_await finally(
                sleep_for(1h),
                []() -> task<> {
                    say("cleaning\n");
                    co_await sleep_for(1h);
                },
                2h);
        });
    });
    p.wait_for("ready\n");
    p.signal(SIGINT);
    p.wait_for("cleaning\n");
    p.signal(SIGINT);
    CHECK(p.wait() == 130);
}

TEST_CASE("a signal that comes before the task begins is not lost") {
    // Bug: it found no scope to cancel, and the next one ended the process.
    program p([] { return run_main(serve_until_canceled); },
              [] {
                  // Pending until run_main has taken over the disposition; raised by the first thing that
                  // unblocks it.
                  ::signal(SIGTERM, SIG_DFL);
              });
    p.wait_for("ready\n");
    p.signal(SIGTERM);
    CHECK(p.wait() == 143);
    program early([] {
        return run_main([] {
            ::raise(SIGTERM);  // in the call that makes the task
            return serve_until_canceled();
        });
    });
    CHECK(early.wait() == 143);
    CHECK(early.errors.empty());
}

TEST_CASE("a signal at the very end harms nothing") {
    // Bug: its message was found in the inbox of the loop after the scope and the receiver were gone.
    for (int i = 0; i < 10; ++i) {
        program p([] {
            return run_main([]() -> task<> {
                struct last_moment {
                    ~last_moment() { ::raise(SIGINT); }
                } raises;
                co_return;
            });
        });
        const int status = p.wait();
        CHECK((status == 0 || status == 130));
        CHECK(p.errors.empty());
    }
}

TEST_CASE("a stream for SIGINT takes it away from run_main") {
    program p([] {
        return run_main([]() -> task<int> {
            signal_stream stream{SIGINT};
            say("ready\n");
            co_return co_await stream.next() == SIGINT ? 3 : 4;
        });
    });
    p.wait_for("ready\n");
    p.signal(SIGINT);
    CHECK(p.wait() == 3);
}

TEST_CASE("output that cannot be written makes the status 1, and says so") {
    program closed(
        [] {
            return run_main([]() -> task<> {
                std::fputs("lost\n", stdout);
                co_return;
            });
        },
        [] { ::close(STDOUT_FILENO); });
    CHECK(closed.wait() == 1);
    CHECK(closed.errors.find("stdout could not be written") != std::string::npos);
    program full(
        [] {
            return run_main([]() -> task<> {
                std::fputs("lost\n", stdout);
                co_return;
            });
        },
        [] { ::dup2(::open("/dev/full", O_WRONLY), STDOUT_FILENO); });
    CHECK(full.wait() == 1);
    CHECK(full.errors.find("No space left") != std::string::npos);
    program silent([] { return run_main([]() -> task<> { co_return; }); }, [] { ::close(STDOUT_FILENO); });
    CHECK(silent.wait() == 0);
}

TEST_CASE("a closed stderr does not change the status of an error") {
    // Bug: printing threw, and the process ended by SIGABRT.
    program p(
        [] {
            return run_main([]() -> task<> {
                throw std::runtime_error("unheard");
                co_return;
            });
        },
        [] { ::close(STDERR_FILENO); });
    CHECK(p.wait() == 1);
}

TEST_CASE("a reader of stdout that has gone is an error of writing, not a silent death by SIGPIPE") {
    program p(
        [] {
            return run_main([]() -> task<> {
                std::fputs("nobody reads this\n", stdout);
                co_return;
            });
        },
        [] {
            int ends[2];
            if (::pipe(ends) != 0) ::_exit(99);
            ::dup2(ends[1], STDOUT_FILENO);
            ::close(ends[0]);
        });
    CHECK(p.wait() == 1);
    CHECK(p.errors.find("Broken pipe") != std::string::npos);
}

TEST_CASE("a deadlock is an error of the program that names what waits") {
    program p([] { return run_main([]() -> task<> { co_await sleep_forever(); }); });
    CHECK(p.wait() == 1);
    CHECK(p.errors.find("error: deadlock") == 0);
    CHECK(p.errors.find("sleep") != std::string::npos);
}

TEST_CASE("run_main leaves the signal dispositions as it found them") {
    program p([] {
        ::signal(SIGTERM, SIG_IGN);
        ::signal(SIGPIPE, SIG_DFL);
        ::signal(SIGINT, SIG_DFL);
        run_main([]() -> task<> { co_return; });
        struct sigaction pipe_now{}, term_now{}, int_now{};
        ::sigaction(SIGPIPE, nullptr, &pipe_now);
        ::sigaction(SIGTERM, nullptr, &term_now);
        ::sigaction(SIGINT, nullptr, &int_now);
        return pipe_now.sa_handler == SIG_DFL && term_now.sa_handler == SIG_IGN &&
                       int_now.sa_handler == SIG_DFL
                   ? 0
                   : 1;
    });
    CHECK(p.wait() == 0);
}
