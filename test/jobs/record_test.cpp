#include <simul/jobs/record.hpp>

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

using namespace simul;
using std::chrono::seconds;

TEST_CASE("times are written and read in RQ's form") {
    wall_time t = wall_time(std::chrono::microseconds(1'795'331'778'901'953));
    CHECK(to_iso(t) == "2026-11-22T07:16:18.901953Z");
    CHECK(from_iso("2026-11-22T07:16:18.901953Z") == t);
    CHECK(from_iso("2026-11-22T07:16:18Z") == wall_time(seconds(1'795'331'778)));
    CHECK(from_iso("2026-11-22T07:16:18.9Z") == wall_time(std::chrono::microseconds(1'795'331'778'900'000)));
    CHECK(to_iso(wall_time(seconds(0))) == "1970-01-01T00:00:00.000000Z");
    CHECK(to_iso(wall_time(seconds(951'782'400))) == "2000-02-29T00:00:00.000000Z");
    for (const char* bad : {"", "2026-11-22T07:16:18.901953", "2026-11-22T07:16:18.9019531Z",
                            "2026-11-22T07:16:18+00:00", "2026-13-22T07:16:18Z", "2026-02-30T07:16:18Z",
                            "2026-11-22T24:16:18Z", "1795331778.9", "2026-11-22T07:16:18.Z"})
        CHECK_MESSAGE(!from_iso(bad).has_value(), bad);
}

TEST_CASE("the pause before a retry follows RQ's rule") {
    std::vector<seconds> three{seconds(10), seconds(30), seconds(60)};
    CHECK(retry_pause(three, 3) == seconds(10));
    CHECK(retry_pause(three, 2) == seconds(30));
    CHECK(retry_pause(three, 1) == seconds(60));
    CHECK(retry_pause(three, 5) == seconds(10));
    CHECK(retry_pause(three, 4) == seconds(10));
    CHECK(retry_pause({}, 2) == seconds(0));
    CHECK(retry_pause({seconds(7)}, 1) == seconds(7));
}

TEST_CASE("ids and queue names that would harm RQ's readers are refused") {
    CHECK(valid_job_id(new_job_id()));
    CHECK(new_job_id().size() == 36);
    CHECK(new_execution_id().size() == 32);
    CHECK(new_job_id() != new_job_id());
    for (const char* bad : {"", "a b", "a:b", "a/b", "\xc3\xa9"}) CHECK_MESSAGE(!valid_job_id(bad), bad);
    CHECK(valid_queue_name("default"));
    CHECK(valid_queue_name("a b:c"));
    for (const char* bad : {"", "a,b", "x:intermediate", "a\nb"}) CHECK_MESSAGE(!valid_queue_name(bad), bad);
}

TEST_CASE("names of functions and workers, and control characters in what is shown") {
    for (const char* good : {"f", "m.f", "_a.b1", "m.\xc3\xa9t\xc3\xa9", "simul.exec"})
        CHECK_MESSAGE(valid_function_name(good), good);
    for (const char* bad : {"", ".", "a.", ".a", "a..b", "a.b()", "a b", "1a", "a.1", "a\nb", "a-b"})
        CHECK_MESSAGE(!valid_function_name(bad), bad);
    CHECK(valid_worker_name("host.17.ab cd"));
    CHECK(valid_worker_name(std::string(worker_name_bytes_max, 'w')));
    CHECK(!valid_worker_name(std::string(worker_name_bytes_max + 1, 'w')));
    for (const char* bad : {"", "a\nb", "\x1b[2J", "\x7f"}) CHECK_MESSAGE(!valid_worker_name(bad), bad);
    CHECK(escape_controls("a\n\r\t\x1b[2J\x7f\xc2\x9b!") == R"(a\n\r\t\x1b[2J\x7f\x9b!)");
    CHECK(escape_controls("\xc3\xa9 \\ \xc2\xa0") == "\xc3\xa9 \\ \xc2\xa0");
    CHECK(escape_controls(std::string_view("\0", 1)) == R"(\x00)");
    CHECK(detail::within_limit(seconds::max()) == job_duration_max);
    CHECK(detail::within_limit(forever) == forever);
}

TEST_CASE("a process is proven dead only where it can be seen") {
    process_identity here = this_process();
    CHECK(!proven_dead(here));
    process_identity other = here;
    other.started += 1;  // the process id was given to another one
    CHECK(proven_dead(other));
    other = here;
    other.boot = "an earlier start of this host";
    CHECK(proven_dead(other));
    other = here;
    other.pid_namespace = "another container";
    other.pid = 999'999'999;
    CHECK(!proven_dead(other));
    other = here;
    other.host = "elsewhere";
    other.pid = 999'999'999;
    CHECK(!proven_dead(other));

    pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) ::pause();
    other = here;
    other.pid = child;
    other.started = 0;
    CHECK(!proven_dead(other));
    ::kill(child, SIGKILL);
    siginfo_t info;
    REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0);
    CHECK(proven_dead(other));  // a zombie runs nothing
    ::waitpid(child, nullptr, 0);
    CHECK(proven_dead(other));
}
