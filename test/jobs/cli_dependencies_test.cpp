// The command `simul` with jobs that wait for others.

#include <simul/codec/json.hpp>

#include "jobs/shell.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace simul;
using simul::testing::ended;
using simul::testing::shell;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

std::string status_of(const shell& sh, const std::string& id) {
    return json::parse(sh.run("job --json " + id).output)["status"].as_string();
}

}  // namespace

TEST_CASE("commands wait for others at the command line, and run in that order") {
    shell sh;
    sh.run("enqueue --exec --job-id first -- sh -c 'echo 1 >> order'");
    sh.run("enqueue --exec --job-id second --depends-on first -- sh -c 'echo 2 >> order'");
    ended e = sh.run(
        "enqueue --exec --at-front --job-id third --depends-on first --depends-on second "
        "-- sh -c 'echo 3 >> order'");
    CHECK_MESSAGE(e.status == 0, e.output);
    e = sh.run("info");
    CHECK_MESSAGE(contains(e.output, " 1, 0 executing, 0 finished, 0 failed, 2 deferred\n"), e.output);
    CHECK(json::parse(sh.run("info --json").output)["queues"][0]["deferred"].as_int() == 2);
    e = sh.run("job third");
    CHECK_MESSAGE(contains(e.output, "\nstatus        deferred\n"), e.output);
    CHECK_MESSAGE(contains(e.output, "\ndepends on    first (queued), second (deferred)\n"), e.output);
    CHECK_MESSAGE(!contains(e.output, "dependents"), e.output);
    e = sh.run("job first");
    CHECK_MESSAGE(contains(e.output, "\ndependents    second, third\n"), e.output);
    value third = json::parse(sh.run("job third --json").output);
    CHECK(third["depends_on"] == json::parse(R"(["first", "second"])"));
    CHECK(!third["allow_dependency_failures"].as_bool());
    CHECK(json::parse(sh.run("job first --json").output)["dependents"].size() == 2);
    sh.run("worker --burst");
    e = sh.run("info", {}, "cat order;");
    CHECK_MESSAGE(contains(e.output, "1\n2\n3\n"), e.output);
    CHECK_MESSAGE(contains(e.output, " 0, 0 executing, 3 finished, 0 failed\n"), e.output);
}

TEST_CASE("after a failure those go on that allow it, and the others when it was requeued") {
    shell sh;
    sh.run("enqueue --exec --job-id shaky -- sh -c 'test -e there'");
    sh.run("enqueue --exec --job-id strict --depends-on shaky -- true");
    sh.run("enqueue --exec --job-id lenient --depends-on shaky --allow-dependency-failures -- true");
    ended e = sh.run("job lenient");
    CHECK_MESSAGE(contains(e.output, "\ndepends on    shaky (queued); failures are allowed\n"), e.output);
    sh.run("worker --burst");
    CHECK(status_of(sh, "shaky") == "failed");
    CHECK(status_of(sh, "strict") == "deferred");
    CHECK(status_of(sh, "lenient") == "finished");
    sh.run("requeue shaky", {}, "touch there;");
    sh.run("worker --burst");
    CHECK(status_of(sh, "strict") == "finished");
}

TEST_CASE("a cancel leaves those deferred that wait for it, or lets them go") {
    shell sh;
    for (const char* id : {"a", "b"}) {
        sh.run(std::string("enqueue --exec --job-id ") + id + " -- true");
        sh.run(std::string("enqueue --exec --job-id after-") + id + " --depends-on " + id + " -- true");
    }
    CHECK(sh.run("cancel a").output == "Job a canceled.\n");
    CHECK(sh.run("cancel --enqueue-dependents b").output == "Job b canceled.\n");
    CHECK(status_of(sh, "after-a") == "deferred");
    CHECK(status_of(sh, "after-b") == "queued");
    CHECK(sh.run("cancel --enqueue-dependents a").status == 0);
    CHECK(status_of(sh, "after-a") == "queued");
    CHECK(status_of(sh, "a") == "canceled");
}

TEST_CASE("dependencies that cannot be get one line that says what to do") {
    shell sh;
    auto check = [&](const std::string& words, int status, const std::string& part) {
        ended e = sh.run("enqueue " + words);
        CHECK_MESSAGE(e.status == status, words, ": ", e.status, " ", e.output);
        CHECK_MESSAGE(contains(e.output, part), words, ": ", e.output);
        CHECK_MESSAGE(std::count(e.output.begin(), e.output.end(), '\n') == 1, e.output);
    };
    check("--job-id a --depends-on never m.f", 4,
          "simul: job a depends on never, of which there is no record: it was never enqueued");
    check("--job-id a --depends-on a m.f", 2, "simul: job a would wait for itself: a -> a");
    check("--job-id a --depends-on 'a b' m.f", 2, "depends_on names 'a b', which cannot be a job's id");
    check("--job-id a --depends-on b --schedule-in 1h m.f", 2, "is delayed and depends on other jobs");
    check("m.f --depends-on b", 2, "--depends-on stands behind the function's name");
    CHECK(sh.run("job a").status == 4);
}
