#include <simul/processes/process.hpp>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <simul/base/error.hpp>
#include <simul/core/all.hpp>
#include <simul/loop/run.hpp>
#include <simul/loop/sleep.hpp>
#include <simul/loop/timeout.hpp>
#include <simul/processes/error.hpp>
#include "processes/workers.hpp"

using namespace simul;
using namespace simul_test;

namespace {

std::string temporary_file() {
    static int count = 0;
    return (std::filesystem::temp_directory_path() /
            ("simul-process-" + std::to_string(::getpid()) + "-" + std::to_string(++count)))
        .string();
}

std::string contents(const std::string& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    std::filesystem::remove(path);
    return text.str();
}

void write_file(const std::string& path, std::string text = "default") { std::ofstream(path) << text; }
void sleep_long() { ::sleep(1000); }
int nine() { return 9; }
task<> write_later(std::string path) {
    co_await sleep_for(1ms);
    std::ofstream(path) << "later";
}
task<int> eleven() {
    co_await yield();
    co_return 11;
}

}  // namespace

TEST_CASE("a function runs in another process, with its arguments") {
    const std::string path = temporary_file();
    CHECK(process(write_file, path, "argument").wait() == exit_status::exited(0));
    CHECK(contents(path) == "argument");
}

TEST_CASE("a captureless lambda is a function, and the way to default arguments") {
    const std::string path = temporary_file();
    CHECK(process([](std::string to) { write_file(to); }, path).wait().success());
    CHECK(contents(path) == "default");
}

TEST_CASE("a coroutine runs on a loop of the process") {
    const std::string path = temporary_file();
    CHECK(process(write_later, path).wait().success());
    CHECK(contents(path) == "later");
    CHECK(process(eleven).wait() == exit_status::exited(11));
}

TEST_CASE("it is another process, which does not change this one") {
    static int counter = 0;
    const std::string path = temporary_file();
    process child(
        [](std::string to) {
            ++counter;
            write_file(to, std::to_string(::getpid()));
        },
        path);
    const pid_t pid = child.pid();
    CHECK(child.wait().success());
    CHECK(contents(path) == std::to_string(pid));
    CHECK(pid != ::getpid());
    CHECK(counter == 0);
}

TEST_CASE("the status is the code or the signal") {
    CHECK(process(nine).wait() == exit_status::exited(9));
    CHECK(process([] { std::exit(3); }).wait() == exit_status::exited(3));
    CHECK(process([] { ::_exit(4); }).wait() == exit_status::exited(4));
    CHECK(process([] { ::raise(SIGUSR1); }).wait() == exit_status::killed(SIGUSR1));
    CHECK(process([] { std::abort(); }).wait().signal() == SIGABRT);
}

TEST_CASE("an exception that leaves the function is thrown by whoever joins") {
    process failed([] { throw std::out_of_range("too far"); });
    try {
        failed.wait();
        FAIL("nothing thrown");
    } catch (const remote_error& e) {
        CHECK(e.type_name() == "std::out_of_range");
        CHECK(e.message() == "too far");
    }
    process refused([] { throw_errno(ECONNREFUSED, "connect somewhere"); });
    try {
        refused.wait();
        FAIL("nothing thrown");
    } catch (const std::system_error& e) {
        CHECK(e.code() == std::errc::connection_refused);
        CHECK(std::string(e.what()) == text_of([] { throw_errno(ECONNREFUSED, "connect somewhere"); }));
    }
}

TEST_CASE("join waits on the loop while other tasks run") {
    run([]() -> task<> {
        process child([] { ::usleep(3000); });
        int ticks = 0;
        co_await all([&]() -> task<> { CHECK((co_await child.join()).success()); }(),
                     [&]() -> task<> {
                         for (; child.is_alive(); ++ticks) co_await sleep_for(200us);
                     }());
        CHECK(ticks > 0);
        CHECK((co_await child.join()).success());  // and once more
    });
}

TEST_CASE("a limited join leaves the process running") {
    process child(sleep_long);
    CHECK(!child.wait_for(1ms));
    run([&]() -> task<> { CHECK(!co_await move_on_after(1ms, child.join())); });
    CHECK(child.is_alive());
    CHECK(!child.status());
    child.kill();
    CHECK(child.wait_for(5s) == exit_status::killed(SIGKILL));
    CHECK(!child.is_alive());
    CHECK(child.status() == exit_status::killed(SIGKILL));
}

TEST_CASE("terminate is SIGTERM, and a process that has ended is left alone") {
    process child(sleep_long);
    child.terminate();
    CHECK(child.wait() == exit_status::killed(SIGTERM));
    child.terminate();
    child.kill();
    CHECK(child.wait() == exit_status::killed(SIGTERM));
}

TEST_CASE("destroying a process that runs kills it, and what it started in its group") {
    const std::string path = temporary_file();
    pid_t child_pid = 0;
    pid_t grandchild_pid = 0;
    {
        process child(
            [](std::string to) {
                const pid_t forked = ::fork();
                if (forked != 0) write_file(to + ".new", std::to_string(forked));
                if (forked != 0) std::filesystem::rename(to + ".new", to);
                ::sleep(1000);
            },
            path);
        child_pid = child.pid();
        while (!std::filesystem::exists(path)) ::usleep(200);
        grandchild_pid = std::stoi(contents(path));
    }
    CHECK(watched_process(child_pid).ends_within(5s));
    CHECK(watched_process(grandchild_pid).ends_within(5s));
}

TEST_CASE("a moved process is the same process") {
    process first(nine);
    process second(std::move(first));
    first = process(sleep_long);
    const watched_process its_end(first.pid());
    CHECK(second.wait() == exit_status::exited(9));
    first = std::move(second);
    CHECK(its_end.ends_within(5s));
    CHECK(first.status() == exit_status::exited(9));
}

TEST_CASE("a process that was moved from says so") {
    // Bug: a null pointer was followed.
    process first(nine);
    process second(std::move(first));
    CHECK(code_of([&] { first.wait(); }) == errc::wrong_state);
    CHECK(code_of([&] { first.wait_for(1ms); }) == errc::wrong_state);
    CHECK(code_of([&] { first.status(); }) == errc::wrong_state);
    CHECK(code_of([&] { first.is_alive(); }) == errc::wrong_state);
    CHECK(code_of([&] { first.pid(); }) == errc::wrong_state);
    CHECK(code_of([&] { first.kill(); }) == errc::wrong_state);
    CHECK(code_of([&] { run([&]() -> task<> { co_await first.join(); }); }) == errc::wrong_state);
    CHECK(second.wait() == exit_status::exited(9));
}

TEST_CASE("output of a process that cannot be written makes its status 1") {
    const auto prints_into_a_full_disk = [] {
        ::dup2(::open("/dev/full", O_WRONLY), STDOUT_FILENO);
        std::fputs("lost\n", stdout);
    };
    CHECK(process(prints_into_a_full_disk).wait() == exit_status::exited(1));
}

TEST_CASE("a process has default signals, an empty stdin and no descriptor of ours") {
    struct sigaction before{};
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGUSR2, &ignore, &before);
    const int open_file = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC on purpose
    const std::string path = temporary_file();
    process child(
        [](std::string to) {
            struct sigaction now{};
            ::sigaction(SIGUSR2, nullptr, &now);
            sigset_t mask;
            ::sigprocmask(SIG_BLOCK, nullptr, &mask);
            char byte = 0;
            int descriptors = 0;
            for (int fd = 3; fd < 1000; ++fd) descriptors += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
            std::ofstream(to) << (now.sa_handler == SIG_DFL) << ::sigismember(&mask, SIGCHLD)
                              << ::read(STDIN_FILENO, &byte, 1) << descriptors;
        },
        path);
    CHECK(child.wait().success());
    CHECK(contents(path) == "1001");  // the one descriptor is its channel
    ::close(open_file);
    ::sigaction(SIGUSR2, &before, nullptr);
}

TEST_CASE("an argument of several megabytes arrives") {
    const std::string path = temporary_file();
    process child(
        [](std::string to, std::vector<std::string> parts) {
            std::size_t size = 0;
            for (const std::string& each : parts) size += each.size();
            write_file(to, std::to_string(size));
        },
        path, std::vector<std::string>(5, std::string(1'000'000, 'x')));
    CHECK(child.wait().success());
    CHECK(contents(path) == "5000000");
}

TEST_CASE("a process can have processes of its own") {
    const std::string path = temporary_file();
    process child(
        [](std::string to) {
            return process([](std::string inner) { write_file(inner, "inner"); }, to).wait().success() ? 0
                                                                                                       : 1;
        },
        path);
    CHECK(child.wait().success());
    CHECK(contents(path) == "inner");
}

TEST_CASE("a process made inside a running loop can run a loop of its own") {
    // The zygote was forked by the first process object, inside a task; its children found a loop "running"
    // on their thread, and every simul::run in them failed.
    process child([]() -> int {
        return simul::run([]() -> task<int> {
            process inner([]() -> int { return simul::run([]() -> task<int> { co_return 42; }); });
            const exit_status ended = co_await inner.join();
            co_return ended == exit_status::exited(42) ? 0 : 1;
        });
    });
    CHECK(child.wait() == exit_status::exited(0));
}
