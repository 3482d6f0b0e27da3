// The command `simul`, as somebody at a shell uses it.

#include <simul/base/version.hpp>
#include <simul/codec/json.hpp>

#include "jobs/shell.hpp"
#include "redis/test_server.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>

using namespace simul;
using simul::testing::ended;
using simul::testing::shell;
namespace fs = std::filesystem;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

/// Root may write everything; without these rights it is a user like any other.
const char* as_plain_user() {
    return ::geteuid() != 0 ? ""
                            : "setpriv --bounding-set=-dac_override,-dac_read_search "
                              "--inh-caps=-dac_override,-dac_read_search";
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif
#else
constexpr bool sanitized = false;
#endif

}  // namespace

TEST_CASE("a command is enqueued, run by a worker, and its output is shown") {
    shell sh;
    ended e = sh.run("enqueue --exec --job-id greeting -- sh -c 'echo hello; pwd'");
    CHECK(e.status == 0);
    CHECK(e.output == "Enqueued sh -c 'echo hello; pwd' with job-id 'greeting'.\n");
    e = sh.run("info");
    CHECK(e.output.find("default      |") == 0);
    CHECK(e.output.find("|█ 1, 0 executing, 0 finished, 0 failed\n1 queues, 1 jobs total\n") !=
          std::string::npos);
    e = sh.run("worker --burst --name w1");
    CHECK(e.status == 0);
    CHECK(e.output.find(fmt::format("simul worker 'w1' started, version {}\n", SIMUL_VERSION)) !=
          std::string::npos);
    CHECK(e.output.find("hello\n") != std::string::npos);
    CHECK(e.output.find("default: Job OK (greeting)\n") != std::string::npos);
    CHECK(e.output.find("Result is kept for 500 seconds\n") != std::string::npos);
    value job = json::parse(sh.run("job greeting --json").output);
    CHECK(job["status"].as_string() == "finished");
    CHECK(job["results"][0]["value"]["status"].as_int() == 0);
    CHECK(job["results"][0]["value"]["stdout"].as_string() == "hello\n" + sh.folder().string() + "\n");
    CHECK(sh.run("job greeting").output.find("status        finished") != std::string::npos);
}

TEST_CASE("a command that fails keeps its status, and may be tried again by hand") {
    shell sh;
    sh.run("enqueue --exec --job-id bad -- sh -c 'echo why >&2; exit 3'");
    ended e = sh.run("worker --burst");
    CHECK(e.status == 0);
    e = sh.run("job bad");
    CHECK(e.output.find("status        failed") != std::string::npos);
    CHECK_MESSAGE(e.output.find("3") != std::string::npos, e.output);
    CHECK_MESSAGE(e.output.find("why") != std::string::npos, e.output);
    e = sh.run("info");
    CHECK_MESSAGE(contains(e.output, "| 0, 0 executing, 0 finished, 1 failed\n1 queues, 0 jobs total\n"),
                  e.output);
    CHECK(sh.run("requeue bad").output == "Job bad requeued.\n");
    CHECK(sh.run("cancel bad").output == "Job bad canceled.\n");
    e = sh.run("cancel bad");
    CHECK(e.status == 1);
    CHECK(e.output == "simul: job bad is canceled and cannot be canceled\n");
}

TEST_CASE("commands are shown as a shell needs them, and no text of others forges a line of the log") {
    shell sh;
    sh.run("enqueue --exec --job-id quoted -- sh -c 'exit 3' \"it's\" '' a=b/c.d");
    CHECK(json::parse(sh.run("job quoted --json").output)["description"].as_string() ==
          R"(sh -c 'exit 3' 'it'\''s' '' a=b/c.d)");
    sh.run("enqueue --exec --job-id forged -- sh -c \"$(printf 'exit 4\\n00:00:00 forged one')\"");
    sh.run("enqueue --job-id described --description \"$(printf 'a\\n00:00:00 forged two \\033[2J')\" m.f");
    ended e = sh.run("worker --burst");
    CHECK_MESSAGE(contains(e.output, R"(exit 4\n00:00:00 forged one' (forged))"), e.output);
    CHECK_MESSAGE(contains(e.output, R"(default: a\n00:00:00 forged two \x1b[2J (described))"), e.output);
    CHECK_MESSAGE(contains(e.output, "\n  Traceback (most recent call last):\n"), e.output);
    CHECK_MESSAGE(!contains(e.output, "\n00:00:00 forged"), e.output);
    CHECK(contains(sh.run("job described").output, R"(a\n00:00:00 forged two \x1b[2J)"));
}

TEST_CASE("arguments are read as RQ's command reads them") {
    shell sh;
    sh.run("enqueue --job-id a m.f text :5 ':[1, null]' http://h/?a=b key=text other:=true");
    value job = json::parse(sh.run("job a --json").output);
    CHECK(job["function"].as_string() == "m.f");
    CHECK(job["args"] == json::parse(R"(["text", 5, [1, null], "http://h/?a=b"])"));
    CHECK(job["kwargs"] == json::parse(R"({"key": "text", "other": true})"));
    CHECK(job["description"].as_string() ==
          "m.f('text', 5, [1, None], 'http://h/?a=b', key='text', other=True)");
}

TEST_CASE("mistakes get one line that says what to do, and a status that means something") {
    shell sh;
    auto check = [&](const std::string& words, int status, const std::string& part,
                     const std::string& store = {}) {
        ended e = sh.run(words, store);
        CHECK_MESSAGE(e.status == status, words, ": ", e.status, " ", e.output);
        CHECK_MESSAGE(e.output.find(part) != std::string::npos, words, ": ", e.output);
        CHECK_MESSAGE(e.output.find("terminate called") == std::string::npos, e.output);
        if (status != 0) CHECK_MESSAGE(std::count(e.output.begin(), e.output.end(), '\n') == 1, e.output);
    };
    check("frob", 2, "simul: 'frob' is no command of simul; it has: worker, enqueue, info, job, ");
    check("--frob", 2, "simul: --frob is no option of simul; write a command (worker, ");
    check("worker --frob", 2, "--frob");
    check("", 2, "a command is missing; write one of: worker, ");
    check("requeue", 2, "requeue needs the ids of jobs");
    check("cancel", 2, "cancel needs the ids of jobs");
    check("stop", 2, "stop needs the ids of jobs");
    check("stop never-made", 4, "simul: there is no job never-made");
    check("shutdown", 2, "shutdown needs the names of workers");
    check("shutdown nobody", 1, "simul: no worker named 'nobody' listens to commands");
    check("kill-horse", 2, "kill-horse needs the names of workers");
    check("kill-horse nobody", 1, "simul: no worker named 'nobody' listens to commands");
    check("job", 2, "job needs the id of a job");
    check("worker --concurrency 0", 2, "--concurrency: '0' is no whole number from 1 to 1000000");
    check("worker --concurrency many", 2, "--concurrency: 'many' is no whole number from 1 to 1000000");
    check("worker --max-jobs -1", 2, "--max-jobs: '-1' is no whole number from 1 to 1000000000000");
    check("enqueue --retry-max 99999999999999 m.f", 2,
          "--retry-max: '99999999999999' is no whole number from 0 to 1000000");
    check("enqueue --retry-max 1 --retry-interval 99999999999999 m.f", 2,
          "--retry-interval is '99999999999999'");
    for (const char* option : {"schedule-in", "timeout", "ttl", "result-ttl", "failure-ttl"})
        check(fmt::format("enqueue --{} 9999999999h m.f", option), 2,
              fmt::format("--{} is '9999999999h'; write seconds, or 90s, 5m, 1h30m, 2d, at most 36500d",
                          option));
    check("enqueue --job-id long --schedule-in 36500d m.f", 0, "Enqueued");
    CHECK(json::parse(sh.run("job long --json").output)["status"].as_string() == "scheduled");
    for (const char* name : {".", "a..b", "'a.b()'", ".a", "a.", "1a", "'a b'", "\"$(printf 'a\\nb')\""})
        check(fmt::format("enqueue {}", name), 2, "cannot name a function: it is identifiers with dots");
    check(fmt::format("enqueue --job-id {} m.f", std::string(256, 'x')), 2, "256 bytes is longer than");
    check("worker --burst --name \"$(printf 'a\\nb')\"", 2, "'a\\nb' cannot name a worker");
    check("enqueue --job-id one m.f x", 0, "Enqueued");
    check("enqueue --job-id one m.f x", 1, "job one is queued; choose another id, or cancel it first");
    check("requeue one", 1, "job one is queued");
    check("enqueue", 2, "enqueue needs the name of a function");
    check("enqueue --exec", 2, "--exec needs a command");
    check("enqueue m.f :{", 2, "simul: '{' is no JSON value");
    check("enqueue m.f k=1 2", 2, "positional ones come first");
    check("enqueue --timeout soon m.f", 2, "simul: --timeout is 'soon'; write seconds");
    check("enqueue --job-id 'a b' m.f", 2, "it may have letters, digits, '_' and '-'");
    check("enqueue -q a,b m.f", 2, "cannot name a queue");
    check("job nothing", 4, "simul: there is no job nothing");
    check("enqueue m.f --store sqlite:x.db", 2, "--store stands behind the function's name");
    check("enqueue -- m.f --store sqlite:x.db", 0, "m.f('--store', 'sqlite:x.db')");
    check("enqueue m.f -5", 0, "m.f('-5')");
    check("--help", 0, "Exit status: 0 done");
    check("--version", 0, fmt::format("simul {}", SIMUL_VERSION));
}

TEST_CASE("a store that cannot be used is told with the reason and what to do, by every command") {
    shell sh;
    const std::string folder = sh.folder().string();
    auto check = [&](const std::string& store, std::string_view part) {
        for (const char* words : {"info", "worker --burst", "enqueue m.f", "job x", "cancel x"}) {
            ended e = sh.run(words, store, as_plain_user());
            CHECK_MESSAGE(e.status == 3, words, " on ", store, ": ", e.status, " ", e.output);
            CHECK_MESSAGE(contains(e.output, part), words, " on ", store, ": ", e.output);
            CHECK_MESSAGE(std::count(e.output.begin(), e.output.end(), '\n') == 1, e.output);
        }
    };
    check("ftp://h/x", "the scheme 'ftp' is not known; write sqlite:///");
    check("jobs.db", "it has no scheme");
    std::ofstream(sh.folder() / "text") << std::string(5000, 'x');
    check("sqlite:text", "text exists and is not a SQLite database; name another file or move it away");
    check("sqlite://" + folder, folder + " is a folder; name a file in it");
    check("sqlite:text/jobs.db", "text is not a folder; name a file in one");
    check("sqlite:none/jobs.db", "the folder none does not exist; make it first");
    fs::create_directory(sh.folder() / "closed");
    CHECK(sh.run("info", "sqlite:closed/old.db").status == 0);
    fs::permissions(sh.folder() / "closed/old.db", fs::perms::owner_read);
    check("sqlite:closed/old.db", "closed/old.db: Permission denied; check its owner and mode");
    fs::permissions(sh.folder() / "closed", fs::perms::owner_read | fs::perms::owner_exec);
    check("sqlite:closed/new.db", "closed/new.db cannot be made: Permission denied");
    fs::permissions(sh.folder() / "closed", fs::perms::owner_all);
    check("unix://" + folder + "/none.sock", "connect unix://" + folder + "/none.sock: No such file");
    check("redis://me:s3cret@127.0.0.1:1", "redis://me:***@127.0.0.1:1: Connection refused");
    check("redis://nobody.invalid", "nobody.invalid");
    check("rediss://127.0.0.1:1", "connect rediss://127.0.0.1:1: Connection refused");
    check("rediss://h?ssl_ca_certs=" + folder + "/none.pem", folder + "/none.pem");
}

TEST_CASE("a Redis that asks for a password is told apart from one that refuses it") {
    simul::testing::redis_server server({"--requirepass", "s3cret"});
    shell sh;
    for (const char* words : {"info", "worker --burst", "enqueue m.f"}) {
        ended e = sh.run(words, server.url());
        CHECK_MESSAGE(e.status == 3, e.output);
        CHECK_MESSAGE(contains(e.output, "the server asks for a password"), e.output);
        e = sh.run(words, server.url() + "?password=guess");
        CHECK_MESSAGE(e.status == 3, e.output);
        CHECK_MESSAGE(contains(e.output, "WRONGPASS"), e.output);
        CHECK_MESSAGE(contains(e.output, "the right user and password belong into the server's URL"),
                      e.output);
        CHECK(!contains(e.output, "guess"));
        CHECK(sh.run(words, server.url() + "?password=s3cret").status == 0);
    }
}

TEST_CASE("a Redis that goes in the middle ends who waits, and a worker when it is told to stop") {
    simul::testing::redis_server server;
    shell sh;
    const std::string in_background = fmt::format(
        "worker --name w >worker.log 2>&1 & echo $! >pid; '{}' enqueue --wait --job-id a m.f >wait.log 2>&1; "
        "echo $? >>wait.log; kill -TERM $(cat pid); wait $(cat pid); echo status $? #",
        (fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "apps" / "simul").string());
    auto text_of = [&](const char* name) {
        std::ifstream in(sh.folder() / name);
        return std::string(std::istreambuf_iterator<char>(in), {});
    };
    std::thread killer([&] {
        // The job is enqueued and both wait. (If that never comes, the test fails below.)
        for (int i = 0; i < 6000; ++i) {
            if (contains(text_of("wait.log"), "Enqueued") &&
                contains(text_of("worker.log"), "'m.f' is not known"))
                break;
            ::usleep(10'000);
        }
        server.stop();
    });
    ended e = sh.run(in_background, server.url());
    killer.join();
    CHECK_MESSAGE(contains(e.output, "status 3"), e.output);
    CHECK_MESSAGE(contains(text_of("wait.log"), "the connection was lost"), text_of("wait.log"));
    CHECK_MESSAGE(text_of("wait.log").ends_with("\n3\n"), text_of("wait.log"));
    CHECK_MESSAGE(contains(text_of("worker.log"), "simul: "), text_of("worker.log"));
}

TEST_CASE("jobs of a module run in every kind of place, and each failure tells what happened") {
    shell sh;
    auto enqueue = [&](const std::string& words) { REQUIRE(sh.run("enqueue " + words).status == 0); };
    auto job = [&](const std::string& id) { return json::parse(sh.run("job --json " + id).output); };
    enqueue("--job-id words mymodule.count_words 'one two three'");
    enqueue("--job-id later mymodule.later :4");
    enqueue("--job-id alone mymodule.alone :4");
    enqueue("--job-id unknown mymodule.coutn_words x");
    enqueue("--job-id missing mymodule.later");
    enqueue("--job-id many mymodule.later :1 :2");
    enqueue("--job-id text mymodule.later four");
    enqueue("--job-id named mymodule.later m:=4");
    enqueue("--job-id throws trouble.throws");
    enqueue("--job-id exits trouble.exits_alone");
    if (!sanitized) enqueue("--job-id overflows trouble.overflows_alone");
    enqueue("--job-id sleeps --timeout 1 trouble.sleeps");
    enqueue("--job-id sleeps_alone --timeout 1 trouble.sleeps_alone");
    ended e = sh.run("worker --burst --module " + sh.module("good"));
    REQUIRE_MESSAGE(e.status == 0, e.output);
    CHECK(job("words")["results"][0]["value"].as_int() == 3);
    CHECK(job("later")["results"][0]["value"].as_int() == 8);
    CHECK(job("alone")["results"][0]["value"].as_int() == 12);
    auto failed_with = [&](const std::string& id, std::string_view part) {
        value record = job(id);
        CHECK_MESSAGE(record["status"].as_string() == "failed", id);
        std::string text = record["results"][0]["error"].as_string();
        CHECK_MESSAGE(contains(text, part), id, ": ", text);
    };
    failed_with(
        "unknown",
        "no handler for 'mymodule.coutn_words'; this worker knows: mymodule.alone, mymodule.count_words");
    failed_with("missing", "mymodule.later() takes 1 argument (n): argument 'n': it is missing");
    failed_with("many", "mymodule.later() takes 1 argument (n): 2 were given");
    failed_with("text", "argument 'n': expected an integer, found str 'four'");
    failed_with("named", "mymodule.later() takes 1 argument (n): there is no parameter 'm'");
    failed_with("throws", "std::runtime_error: the disk is full of eels");
    failed_with("exits", "exited with status 7 before it answered");
    if (!sanitized) failed_with("overflows", "was killed by SIGSEGV");
    failed_with("sleeps", "Task exceeded maximum timeout value (1 seconds)");
    failed_with("sleeps_alone", "Task exceeded maximum timeout value (1 seconds)");
    // The environment names a module too.
    enqueue("--job-id again mymodule.later :5");
    CHECK(sh.run("worker --burst", {}, "SIMUL_MODULE='" + sh.module("good") + "'").status == 0);
    CHECK(job("again")["results"][0]["value"].as_int() == 10);
}

TEST_CASE("a job that ends its worker runs again, and is set aside after the third death") {
    // Burst workers ended before they had looked for dead ones: a job that such a worker had left was never
    // run again.
    shell sh;
    sh.run("enqueue --job-id exits trouble.exits");
    const std::string worker = "worker --burst --module " + sh.module("good");
    for (int death = 1; death <= 3; ++death) {
        ended e = sh.run(worker);
        CHECK_MESSAGE(e.status == 7, e.output);
        sh.run(fmt::format("enqueue --job-id fine{} mymodule.later :1", death));
    }
    ended e = sh.run(worker);
    CHECK_MESSAGE(e.status == 0, e.output);
    CHECK_MESSAGE(contains(e.output, "is dead (its process is gone)"), e.output);
    value job = json::parse(sh.run("job exits --json").output);
    CHECK(job["status"].as_string() == "failed");
    CHECK(contains(job["results"][0]["error"].as_string(), "3 workers died while they ran this job"));
    // The others of those workers lost nothing.
    for (const char* id : {"fine1", "fine2", "fine3"})
        CHECK(json::parse(sh.run(fmt::format("job {} --json", id)).output)["status"].as_string() ==
              "finished");
    if (sanitized) return;  // they end the program in their own way
    sh.run("enqueue --job-id overflows trouble.overflows");
    CHECK(sh.run(worker).status == 128 + 11);
    CHECK(json::parse(sh.run("job overflows --json").output)["status"].as_string() == "started");
}

TEST_CASE("a worker ends although functions hang in its threads, and they are recorded as failed") {
    // It waited for them for ever, whatever it was told.
    shell sh;
    for (const char* id : {"one", "two", "three"})
        REQUIRE(sh.run(fmt::format("enqueue --job-id {} --timeout 1 trouble.hangs", id)).status == 0);
    REQUIRE(sh.run("enqueue --job-id good mymodule.later :4").status == 0);
    ended e = sh.run("worker --burst --concurrency 4 --module " + sh.module("good"));
    CHECK_MESSAGE(e.status == 1, e.output);
    CHECK_MESSAGE(contains(e.output, "trouble.hangs hangs past its timeout of 1 s; it is recorded as failed"),
                  e.output);
    // As many as there are threads; one that never got a thread fails at its timeout.
    CHECK_MESSAGE(contains(e.output, " of the jobs hang in their threads; this worker ends without them"),
                  e.output);
    for (const char* id : {"one", "two", "three"}) {
        value record = json::parse(sh.run(fmt::format("job --json {}", id)).output);
        CHECK(record["status"].as_string() == "failed");
        CHECK(contains(record["results"][0]["error"].as_string(),
                       "Task exceeded maximum timeout value (1 seconds)"));
    }
    CHECK(json::parse(sh.run("job --json good").output)["status"].as_string() == "finished");
}

TEST_CASE("a module that cannot be used is refused with the reason, before anything else happens") {
    shell sh;
    std::ofstream(sh.folder() / "text.so") << "no library";
    auto check = [&](const std::string& file, int status, std::string_view part) {
        ended e = sh.run("worker --burst --module " + file);
        CHECK_MESSAGE(e.status == status, file, ": ", e.status, " ", e.output);
        CHECK_MESSAGE(contains(e.output, part), file, ": ", e.output);
        CHECK(!fs::exists(sh.folder() / "jobs.db"));
    };
    check("none.so", 2, "simul: module none.so: No such file");
    check("./text.so", 2, "simul: module ./text.so: cannot be loaded");
    check(sh.folder().string(), 2, "cannot be loaded");
    check(sh.module("no_entry"), 2, "it has no SIMUL_MODULE(function) line");
    check(sh.module("other_version"), 2,
          fmt::format("was compiled with simul 0.0.1, and this is simul {}", SIMUL_VERSION));
    check(sh.module("other_compiler"), 2, "was compiled by cfront 3, and this program by");
    check(sh.module("own_copy"), 2, "uses a copy of simul that is not this program's");
    check(sh.module("missing_symbol"), 2, "compile the module again with this version");
    ended e = sh.run("worker --burst --module " + sh.module("refuses"));
    CHECK_MESSAGE(e.status == 1, e.output);
    CHECK_MESSAGE(contains(e.output, "refuses.so: /etc/myjobs.conf: no such file"), e.output);
}

TEST_CASE("a closed or full stdout is noticed and ends no worker") {
    shell sh;
    for (const char* words : {"info", "info --json", "--help", "--version"}) {
        CHECK(sh.run(fmt::format("{} 2>/dev/null >&-; echo status $? #", words)).output == "status 1\n");
        CHECK(sh.run(fmt::format("{} 2>&1 >/dev/full; echo status $? #", words)).output ==
              "simul: stdout could not be written\nstatus 1\n");
    }
    // A reader that goes has what it wanted: no message, and no SIGPIPE.
    CHECK(sh.run("info 2>err | true; cat err #").output == "");
    CHECK(sh.run("job x >&- 2>&-; echo status $? #").output == "status 4\n");
    // What was to be done is done, also if it cannot be told.
    CHECK(sh.run("enqueue --exec --job-id a -- echo hello 2>/dev/null >/dev/full; echo status $? #").output ==
          "status 1\n");
    // The log is lost, which the status tells; the job is not.
    CHECK(sh.run("worker --burst 2>/dev/null >&-; echo status $? #").output == "status 1\n");
    CHECK(json::parse(sh.run("job a --json").output)["status"].as_string() == "finished");
}

TEST_CASE("a command that runs is stopped from another shell, and its worker is told to end") {
    simul::testing::redis_server server;
    shell sh;
    for (const std::string& store : {sh.store(), server.url()}) {
        CAPTURE(store);
        auto status_of = [&](const std::string& id) {
            return json::parse(sh.run("job " + id + " --json", store).output)["status"].as_string();
        };
        CHECK(sh.run("enqueue --exec --retry-max 3 --job-id long -- sleep 1000", store).status == 0);
        ended e = sh.run("stop long", store);
        CHECK(e.status == 1);
        CHECK_MESSAGE(contains(e.output, "long is queued and cannot be stopped\n"), e.output);
        ended work;
        std::thread worker([&] { work = sh.run("worker --name w1 --allow-exec", store); });
        for (int i = 0; i < 2000 && status_of("long") != "started"; ++i) ::usleep(20'000);
        e = sh.run("stop long", store);
        CHECK(e.status == 0);
        CHECK(e.output == "Job long told to stop.\n");
        for (int i = 0; i < 2000 && status_of("long") == "started"; ++i) ::usleep(20'000);
        CHECK(status_of("long") == "stopped");
        e = sh.run("stop long", store);
        CHECK(e.status == 1);
        CHECK_MESSAGE(contains(e.output, "long is stopped and cannot be stopped\n"), e.output);
        e = sh.run("job long", store);
        CHECK_MESSAGE(contains(e.output, "Job stopped by user, work-horse terminated.\n"), e.output);
        // The worker goes on; what it runs then fails when it is told to kill it.
        CHECK(sh.run("enqueue --exec --job-id other -- sleep 1000", store).status == 0);
        for (int i = 0; i < 2000 && status_of("other") != "started"; ++i) ::usleep(20'000);
        e = sh.run("kill-horse w1", store);
        CHECK(e.output == "Worker w1 told to kill what it runs.\n");
        for (int i = 0; i < 2000 && status_of("other") == "started"; ++i) ::usleep(20'000);
        CHECK(status_of("other") == "failed");
        e = sh.run("shutdown w1 --json", store);
        CHECK(e.status == 0);
        CHECK(json::parse(e.output) == json::parse(R"({"worker": "w1", "done": "told to shut down"})"));
        worker.join();
        CHECK(work.status == 0);
        CHECK_MESSAGE(contains(work.output, "default: Job stopped by user (long)\n"), work.output);
        CHECK_MESSAGE(contains(work.output, "Received shutdown command\n"), work.output);
    }
}
