#include <simul/processes/exit_status.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <ostream>

using namespace simul;

TEST_CASE("a status is a code or a signal, never both") {
    const exit_status done = exit_status::exited(0);
    CHECK(done.success());
    CHECK(done.code() == 0);
    CHECK(!done.signal());

    const exit_status failed = exit_status::exited(3);
    CHECK(!failed.success());
    CHECK(failed.code() == 3);

    const exit_status crashed = exit_status::killed(SIGSEGV, true);
    CHECK(!crashed.success());
    CHECK(!crashed.code());
    CHECK(crashed.signal() == SIGSEGV);
    CHECK(crashed.core_dumped());
    CHECK(crashed != exit_status::killed(SIGSEGV));
}

TEST_CASE("a status says what happened in words") {
    CHECK(to_string(exit_status::exited(3)) == "exited with status 3");
    CHECK(to_string(exit_status::killed(SIGKILL)) == "killed by SIGKILL (Killed)");
    CHECK(to_string(exit_status::killed(SIGSEGV, true)) ==
          "killed by SIGSEGV (Segmentation fault, core dumped)");
    CHECK(signal_name(SIGTERM) == "SIGTERM");
    CHECK(signal_name(SIGRTMIN + 1) == "signal " + std::to_string(SIGRTMIN + 1));
}
