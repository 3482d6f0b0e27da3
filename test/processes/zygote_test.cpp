#include <simul/processes/zygote.hpp>

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <latch>
#include <ostream>
#include <string>
#include <thread>

#include <simul/processes/error.hpp>
#include <simul/processes/process.hpp>
#include "processes/workers.hpp"

using namespace simul;
using namespace simul_test;

namespace {

void sleep_long() { ::sleep(1000); }

/// Runs `body` in a forked copy of this program whose stdout is a pipe; gives what it wrote and how it ended.
struct forked_program {
    explicit forked_program(void (*body)()) {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        std::fflush(nullptr);
        pid = ::fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            ::dup2(ends[1], STDOUT_FILENO);
            ::close(ends[0]);
            ::close(ends[1]);
            body();
            std::fflush(stdout);
            ::_exit(0);
        }
        ::close(ends[1]);
        out = ::fdopen(ends[0], "r");
    }
    ~forked_program() {
        std::fclose(out);
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
    std::string all_output() const {
        std::string text;
        for (int c = 0; (c = std::fgetc(out)) != EOF;) text += static_cast<char>(c);
        return text;
    }
    int number() const {
        int value = 0;
        REQUIRE(std::fscanf(out, "%d", &value) == 1);
        return value;
    }
    pid_t pid;
    FILE* out;
};

void start_two_workers_and_wait() {
    process first(sleep_long);
    process second(sleep_long);
    std::printf("%d %d %d\n", zygote::pid(), first.pid(), second.pid());
    std::fflush(stdout);
    ::sleep(1000);
}

}  // namespace

TEST_CASE("the zygote is made by the first process and serves all that follow") {
    zygote::stop();
    CHECK(!zygote::running());
    CHECK(zygote::pid() == 0);
    CHECK(process([] {}).wait().success());
    CHECK(zygote::running());
    const pid_t pid = zygote::pid();
    CHECK(process([] {}).wait().success());
    zygote::start();  // there is one: nothing happens
    CHECK(zygote::pid() == pid);
}

TEST_CASE("a program that has threads already is told what to do") {
    zygote::stop();
    std::latch done(1);
    std::thread other([&] { done.wait(); });
    std::string text;
    const std::error_code code = code_of([&] {
        try {
            zygote::start();
        } catch (const std::exception& e) {
            text = e.what();
            throw;
        }
    });
    done.count_down();
    other.join();
    CHECK(code == process_errc::threads_exist);
    CHECK(text ==
          "processes: call simul::zygote::start() at the beginning of main, or at least before anything that "
          "starts threads (stores, thread_pool, name look-ups): this program has 2 by now: forking it now "
          "would "
          "not be safe");
    // Without threads it works again.
    CHECK(process([] {}).wait().success());
}

TEST_CASE("threads that are started after the zygote do no harm") {
    zygote::start();
    std::latch done(1);
    std::thread other([&] { done.wait(); });
    CHECK(process([] {}).wait().success());
    done.count_down();
    other.join();
}

TEST_CASE("a program that is killed leaves neither workers nor zygote") {
    forked_program program(&start_two_workers_and_wait);
    const watched_process its_zygote(program.number());
    const watched_process first(program.number());
    const watched_process second(program.number());
    ::kill(program.pid, SIGKILL);
    CHECK(first.ends_within(std::chrono::seconds(5)));
    CHECK(second.ends_within(std::chrono::seconds(5)));
    CHECK(its_zygote.ends_within(std::chrono::seconds(5)));
}

TEST_CASE("a killed zygote takes its workers along, and those who wait are told") {
    zygote::start();
    process worker(sleep_long);
    const watched_process its_end(worker.pid());
    ::kill(zygote::pid(), SIGKILL);
    CHECK(code_of([&] { worker.wait(); }) == process_errc::zygote_died);
    CHECK(its_end.ends_within(std::chrono::seconds(5)));
    CHECK(!zygote::running());
}

TEST_CASE("after the zygote was killed, the next process gets a new one") {
    zygote::start();
    const pid_t before = zygote::pid();
    const watched_process its_end(before);
    ::kill(before, SIGKILL);
    REQUIRE(its_end.ends_within(std::chrono::seconds(5)));
    CHECK(process([] {}).wait().success());
    CHECK(zygote::pid() != before);
}

TEST_CASE("the zygote does not end with the signals that are for the program") {
    // It unblocked all signals for a moment while it started, and one that came then killed it.
    zygote::start();
    const pid_t pid = zygote::pid();
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::kill(pid, number);
    CHECK(process([] {}).wait().success());
    CHECK(zygote::pid() == pid);
    CHECK(::getpgid(pid) == pid);  // Ctrl-C goes to the program's group
}

TEST_CASE("what was printed before the zygote was made is printed once") {
    const forked_program program([] {
        std::printf("before\n");  // stays in the buffer: stdout is a pipe
        process([] { std::printf("child\n"); }).wait();
        process([] { std::printf("child\n"); }).wait();
        std::printf("after\n");
    });
    CHECK(program.all_output() == "before\nchild\nchild\nafter\n");
}

TEST_CASE("stopping the zygote ends its workers") {
    zygote::start();
    process worker(sleep_long);
    const watched_process its_end(worker.pid());
    zygote::stop();
    CHECK(its_end.ends_within(std::chrono::seconds(5)));
    CHECK(code_of([&] { worker.wait(); }) == process_errc::zygote_died);
}
