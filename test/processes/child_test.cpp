#include <simul/processes/child.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <ostream>
#include <string>
#include <utility>

#include <simul/loop/run.hpp>
#include <simul/loop/timeout.hpp>
#include <simul/processes/subprocess.hpp>
#include "processes/workers.hpp"

using namespace simul;
using namespace simul_test;

TEST_CASE("one can talk with a program") {
    run([]() -> task<> {
        child cat = subprocess("cat").input_from(stream_to::pipe).start();
        CHECK(cat.pid() > 0);
        CHECK(!cat.status());
        CHECK(co_await cat.write("question"));
        CHECK(co_await cat.read_output() == "question");
        CHECK(co_await cat.write("another"));
        CHECK(co_await cat.read_output() == "another");
        cat.close_input();
        CHECK((co_await cat.read_output()).empty());
        CHECK((co_await cat.read_errors()).empty());
        CHECK((co_await cat.join()).success());
        CHECK(cat.status() == exit_status::exited(0));
        CHECK((co_await cat.join()).success());  // and once more
    });
}

TEST_CASE("a canceled read loses nothing") {
    run([]() -> task<> {
        child cat = subprocess("cat").input_from(stream_to::pipe).start();
        CHECK(!co_await move_on_after(1ms, cat.read_output()));
        co_await cat.write("x");
        CHECK(co_await cat.read_output() == "x");
    });
}

TEST_CASE("writing to a program that reads no more says so, and raises no signal") {
    run([]() -> task<> {
        child program = subprocess("true").input_from(stream_to::pipe).start();
        co_await program.join();
        CHECK(!co_await program.write("x"));
    });
}

TEST_CASE("a stream that is no pipe is at its end") {
    run([]() -> task<> {
        child program = subprocess("true").output_to(stream_to::nothing).start();
        CHECK((co_await program.read_output()).empty());
        CHECK(!co_await program.write("x"));
        co_await program.join();
    });
}

TEST_CASE("signals reach the program, until it was reaped") {
    run([]() -> task<> {
        child sleeper = subprocess("sleep").arg("1000").start();
        sleeper.terminate();
        CHECK(co_await sleeper.join() == exit_status::killed(SIGTERM));
        sleeper.kill();  // nobody is there any more
        child stopped = subprocess("sleep").arg("1000").start();
        stopped.send_signal(SIGSTOP);
        CHECK(co_await stopped.stop(5s) == exit_status::killed(SIGTERM));
    });
}

TEST_CASE("destroying a child kills and reaps it") {
    pid_t pid = 0;
    {
        child sleeper = subprocess("sleep").arg("1000").start();
        pid = sleeper.pid();
        child moved = std::move(sleeper);
        CHECK(moved.pid() == pid);
    }
    CHECK(::kill(pid, 0) == -1);
}
