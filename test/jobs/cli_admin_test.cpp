// What `simul` does with whole queues: info, empty, requeue, suspend, job lists; and how it reads arguments.

#include <simul/codec/json.hpp>

#include "jobs/shell.hpp"
#include "redis/test_server.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

using namespace simul;
using simul::testing::ended;
using simul::testing::shell;
namespace fs = std::filesystem;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

/// Digits of times as '#', so that a text with times in it can be compared as a whole.
std::string without_times(std::string text) {
    // 2026-11-22T07:25:24.154776 and the like: every run of digits around "-", ":" and "T" behind a year.
    for (std::size_t at = 0; at + 10 <= text.size(); ++at) {
        auto digits = [&](std::size_t from, std::size_t n) {
            return from + n <= text.size() &&
                   std::all_of(text.begin() + static_cast<std::ptrdiff_t>(from),
                               text.begin() + static_cast<std::ptrdiff_t>(from + n),
                               [](char c) { return std::isdigit(c) != 0; });
        };
        if (!digits(at, 4) || text[at + 4] != '-' || !digits(at + 5, 2) || text[at + 7] != '-') continue;
        std::size_t end = at;
        while (end < text.size() &&
               (std::isdigit(text[end]) != 0 || contains("-:.TZ+", text.substr(end, 1)) ||
                (text[end] == ' ' && end == at + 10)))
            ++end;
        while (end > at && (text[end - 1] == '.' || text[end - 1] == ' ')) --end;
        text.replace(at, end - at, "TIME");
    }
    return text;
}

/// One failed job of that id.
void fail_one(const shell& sh, const std::string& id, const std::string& store = {},
              const std::string& queue = "default") {
    REQUIRE(sh.run(fmt::format("enqueue -q {} --exec --job-id {} -- false", queue, id), store).status == 0);
    REQUIRE(sh.run(fmt::format("worker --burst --allow-exec {}", queue), store).status == 0);
}

/// The tests that hold for every store run on both.
template <class F>
void on_both_stores(F test) {
    {
        shell sh;
        INFO("on SQLite");
        test(sh, std::string());
    }
    simul::testing::redis_server server;
    shell sh;
    INFO("on Redis");
    test(sh, server.url());
}

std::string status_of(const shell& sh, const std::string& id, const std::string& store = {}) {
    const ended e = sh.run("job --json " + id, store);
    return e.status == 0 ? json::parse(e.output)["status"].as_string() : fmt::format("status {}", e.status);
}

}  // namespace

TEST_CASE("empty removes what waits on the queues that are named, or on all") {
    on_both_stores([](const shell& sh, const std::string& store) {
        auto run = [&](const std::string& words) { return sh.run(words, store); };
        for (const char* id : {"a", "b", "c"}) run(fmt::format("enqueue --job-id {} m.f", id));
        run("enqueue -q high --job-id h m.f");
        run("enqueue --job-id later --schedule-in 1h m.f");
        fail_one(sh, "bad", store, "low");
        CHECK(run("empty default none").output ==
              "3 jobs removed from default queue\n0 jobs removed from none queue\n");
        CHECK(run("job a").status == 4);
        CHECK(status_of(sh, "later", store) == "scheduled");
        CHECK(status_of(sh, "bad", store) == "failed");
        CHECK(status_of(sh, "h", store) == "queued");
        run("enqueue --job-id a m.f");
        const ended all = run("empty --all");
        CHECK(all.status == 0);
        CHECK(all.output ==
              "1 jobs removed from default queue\n1 jobs removed from high queue\n0 jobs removed from low "
              "queue\n");
        CHECK(run("empty default --json").output == "{\"queue\":\"default\",\"removed\":0}\n");
    });
    shell sh;
    CHECK(sh.run("empty -a").output == "Nothing to do\n");
    ended e = sh.run("empty");
    CHECK(e.status == 2);
    CHECK(e.output ==
          "simul: empty needs the names of queues: simul empty QUEUE...; or simul empty --all (simul --help "
          "tells more)\n");
    CHECK(sh.run("empty --all high").status == 2);
    e = sh.run("empty default a,b");
    CHECK(e.status == 2);
    CHECK(contains(e.output, "simul: 'a,b' cannot name a queue"));
}

TEST_CASE("a client that waits for a job whose queue is emptied is told") {
    shell sh;
    ended e =
        sh.run(fmt::format("enqueue --wait --job-id a m.f >wait.log 2>&1 & "
                           "until grep -qs Enqueued wait.log; do sleep 0.05; done; '{}' empty default; "
                           "wait $!; echo status $?; cat wait.log #",
                           sh.program()));
    CHECK(
        e.output ==
        "1 jobs removed from default queue\nstatus 4\nEnqueued m.f() with job-id 'a'.\n"
        "simul: job a has no record any more: it expired, was deleted, or keeps no result (result_ttl 0)\n");
}

TEST_CASE("requeue puts all failed jobs of a queue on it again, or those that are named") {
    on_both_stores([](const shell& sh, const std::string& store) {
        auto run = [&](const std::string& words) { return sh.run(words, store); };
        for (const char* id : {"a", "b", "c"}) run(fmt::format("enqueue --exec --job-id {} -- false", id));
        REQUIRE(run("worker --burst --allow-exec").status == 0);
        fail_one(sh, "other", store, "low");
        run("enqueue --job-id waits m.f");
        // Each that cannot be is told in a line, and the others go on.
        ended e = run("requeue a waits none b");
        CHECK(e.status == 1);
        CHECK(e.output ==
              "Job a requeued.\nsimul: job waits is queued and cannot be requeued\n"
              "simul: there is no job none: it was never made, or its record has expired\nJob b requeued.\n");
        CHECK(run("requeue none").status == 4);
        e = run("requeue --queue low c");
        CHECK(e.status == 1);
        CHECK(e.output == "simul: job c is on the queue default, not low\n");
        CHECK(run("requeue --queue default c").output == "Job c requeued.\n");
        CHECK(run("requeue --all --queue default").output == "Nothing to do\n");
        CHECK(run("requeue --queue default").output == "Nothing to do\n");
        e = run("requeue -a -Q low");
        CHECK(e.status == 0);
        CHECK(e.output == "Requeueing 1 jobs from failed queue\n");
        CHECK(status_of(sh, "other", store) == "queued");
        for (const char* id : {"a", "b", "c"}) CHECK(status_of(sh, id, store) == "queued");
        REQUIRE(run("worker --burst --allow-exec").status == 0);
        CHECK(run("requeue --all --queue default --json").output ==
              fmt::format("{{\"queue\":\"default\",\"requeued\":{}}}\n", store.empty() ? 4 : 3));
        e = run("cancel a none b");
        CHECK(e.status == 4);
        CHECK(contains(e.output, "Job a canceled.\n"));
        CHECK(contains(e.output, "Job b canceled.\n"));
    });
    shell sh;
    CHECK(sh.run("requeue --all").output ==
          "simul: requeue --all needs the queue: simul requeue --all --queue QUEUE (simul --help tells "
          "more)\n");
    CHECK(sh.run("requeue --all --queue default a").status == 2);
}

TEST_CASE("info prints RQ's forms") {
    on_both_stores([](const shell& sh, const std::string& store) {
        auto run = [&](const std::string& words) { return sh.run(words, store); };
        CHECK(without_times(run("info").output) ==
              "0 queues, 0 jobs total\n\n0 workers, 0 queues\n\nUpdated: TIME\n");
        run("enqueue m.f");
        run("enqueue m.f");
        run("enqueue --schedule-in 1h m.f");
        fail_one(sh, "bad", store, "a-longer-queue");
        const std::string queues =
            "a-longer-queue | 0, 0 executing, 0 finished, 1 failed\n"
            "default      |██ 2, 0 executing, 0 finished, 0 failed, 1 scheduled\n"
            "2 queues, 2 jobs total\n";
        CHECK(without_times(run("info").output) == queues + "\n0 workers, 2 queues\n\nUpdated: TIME\n");
        CHECK(run("info -Q").output == queues);
        CHECK(run("info --queues-only").output == queues);
        CHECK(run("info -W").output == "0 workers, 2 queues\n");
        CHECK(run("info --raw").output ==
              "queue a-longer-queue 0, 0 executing, 0 finished, 1 failed\n"
              "queue default 2, 0 executing, 0 finished, 0 failed\n");
        CHECK(run("info -W -R").output == "a-longer-queue: –\ndefault:        –\n0 workers, 2 queues\n");
        CHECK(run("info -Q default nowhere").output ==
              "default      |██ 2, 0 executing, 0 finished, 0 failed, 1 scheduled\n"
              "nowhere      | 0, 0 executing, 0 finished, 0 failed\n2 queues, 2 jobs total\n");
        const value shown = json::parse(run("info --json default").output);
        CHECK(shown["queues"].size() == 1);
        CHECK(shown["queues"][0]["scheduled"].as_int() == 1);
        CHECK(!shown["suspended"].as_bool());
        CHECK(run("info -Q -W").status == 2);
        run("suspend");
        CHECK(contains(run("info").output,
                       "\nWorkers are suspended: `simul resume` lets them go on.\n\nUpdated: "));
    });
}

TEST_CASE("info shows a worker, and who listens where") {
    on_both_stores([](const shell& sh, const std::string& store) {
        sh.run("enqueue -q low m.f", store);
        const ended e = sh.run(
            fmt::format("worker --name w1 high default >worker.log 2>&1 & "
                        "until '{0}' info -W -r | grep -q ' idle high, default'; do sleep 0.05; done; "
                        "'{0}' info -W; '{0}' info -W -r; '{0}' info -W -R high low; '{0}' info -W low; "
                        "kill $!; wait $!; '{0}' info -W #",
                        sh.program()),
            store);
        char host[256] = {};
        REQUIRE(::gethostname(host, sizeof host - 1) == 0);
        std::string shown = e.output;
        const std::size_t pid = shown.find(" unknown ") + 9;
        const std::string number = shown.substr(pid, shown.find(')', pid) - pid);
        REQUIRE_MESSAGE(!number.empty(), shown);
        const std::string worker = fmt::format("w1 ({} unknown {})", host, number);
        // SQLite knows a queue once something was put on it, Redis too.
        CHECK(shown ==
              fmt::format("{0}: idle high, default. jobs: 0 finished, 0 failed\n1 workers, 1 queues\n"
                          "worker {0} idle high, default. jobs: 0 finished, 0 failed\n"
                          "high: w1 (idle)\nlow:  –\n1 workers, 2 queues\n0 workers, 1 queues\n"
                          "0 workers, 1 queues\n",
                          worker));
    });
}

TEST_CASE("info --watch looks again until Ctrl-C, which ends it with status 130") {
    shell sh;
    // Without a terminal: the same text again and again. (A shell's background command ignores SIGINT.)
    ended e =
        sh.run(fmt::format("--version >/dev/null; "
                           "env --default-signal=INT '{}' info -Q -i 0.1 >out 2>&1 & "
                           "until [ $(grep -c total out) -ge 3 ]; do sleep 0.05; done; "
                           "kill -INT $!; wait $!; echo status $?; head -n 4 out #",
                           sh.program()));
    CHECK(e.output == "status 130\n0 queues, 0 jobs total\n\n0 queues, 0 jobs total\n\n");
    e =
        sh.run(fmt::format("--version >/dev/null; '{}' info --json --watch >out 2>&1 & "
                           "until [ -s out ]; do sleep 0.05; done; kill -TERM $!; wait $!; echo status $? #",
                           sh.program()));
    CHECK(e.output == "status 143\n");
    for (const char* word : {"0", "-1", "x", "1e9", "1s"}) {
        e = sh.run(fmt::format("info --interval {}", word));
        CHECK(e.status == 2);
        CHECK(contains(e.output, fmt::format("'{}' is no number of seconds from 0.1 to 86400", word)));
    }
    // A reader that goes ends it.
    CHECK(sh.run("info -Q -i 0.1 | head -n 1 #").output == "0 queues, 0 jobs total\n");
}

TEST_CASE("info --watch on a terminal draws over itself, and Ctrl-C typed there ends it") {
    shell sh;
    const std::string program = sh.program();
    const std::string store = sh.store();
    int terminal = -1;
    const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
    REQUIRE(child >= 0);
    if (child == 0) {
        ::execl(program.c_str(), program.c_str(), "info", "-Q", "-i", "0.1", "-u", store.c_str(), nullptr);
        ::_exit(127);
    }
    std::string drawn;
    auto pictures = [&] {
        int n = 0;
        for (std::size_t at = 0; (at = drawn.find("\x1b[J", at)) != drawn.npos; ++at) ++n;
        return n;
    };
    std::array<char, 4096> chunk;
    while (pictures() < 2) {
        const ssize_t n = ::read(terminal, chunk.data(), chunk.size());
        if (n <= 0) break;  // it has ended: the checks below fail
        drawn.append(chunk.data(), static_cast<std::size_t>(n));
    }
    CHECK(::write(terminal, "\x03", 1) == 1);
    while (::read(terminal, chunk.data(), chunk.size()) > 0) {
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    ::close(terminal);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 130);
    const std::string picture = "\x1b[H0 queues, 0 jobs total\x1b[K\r\n\x1b[J";
    CHECK(drawn.starts_with("\x1b[2J" + picture + picture));
}

TEST_CASE("suspend holds the workers until resume, or for a time") {
    on_both_stores([](const shell& sh, const std::string& store) {
        auto run = [&](const std::string& words) { return sh.run(words, store); };
        run("enqueue --exec --job-id a -- true");
        CHECK(run("suspend").output ==
              "Workers are suspended; `simul resume` lets them go on. What runs ends.\n");
        REQUIRE(run("worker --burst --allow-exec").status == 0);
        CHECK(status_of(sh, "a", store) == "queued");
        CHECK(without_times(run("suspend --duration 1h").output) ==
              "Workers are suspended until TIME, or `simul resume`; what runs ends.\n");
        const value shown = json::parse(run("info --json").output);
        CHECK(shown["suspended"].as_bool());
        CHECK(shown.contains("suspended_until"));
        CHECK(run("resume").output == "Workers take jobs again.\n");
        CHECK(run("suspend --duration 100 --json")
                  .output.find("{\"suspended\":true,\"suspended_until\":\"20") == 0);
        CHECK(run("resume --json").output == "{\"suspended\":false}\n");
        REQUIRE(run("worker --burst --allow-exec").status == 0);
        CHECK(status_of(sh, "a", store) == "finished");
        // It ends by itself: the worker waits for it.
        run("enqueue --exec --job-id b -- true");
        run("suspend --duration 1");
        REQUIRE(run("worker --max-jobs 1 --allow-exec").status == 0);
        CHECK(status_of(sh, "b", store) == "finished");
    });
    shell sh;
    for (const char* word : {"0", "-1", "soon"}) {
        const ended e = sh.run(fmt::format("suspend --duration {}", word));
        CHECK(e.status == 2);
        CHECK_MESSAGE(e.output.starts_with(fmt::format("simul: --duration is '{}'; ", word)), e.output);
    }
    CHECK(!json::parse(sh.run("info --json").output)["suspended"].as_bool());
}

TEST_CASE("a job is scheduled for a time, and it is told how that was understood") {
    shell sh;
    auto run = [&](const std::string& words, const std::string& zone = "TZ=UTC-5:30") {
        return sh.run(words, {}, zone);
    };
    auto due_of = [&](const std::string& id) {
        return json::parse(sh.run("job --json " + id).output)["due_at"].as_string();
    };
    ended e = run("enqueue --job-id local --schedule-at 2085-01-02T03:04:05 m.f");
    CHECK(e.status == 0);
    CHECK(e.output ==
          "Enqueued m.f() with job-id 'local'.\n"
          "It goes to its queue at 2085-01-02T03:04:05+05:30 (2085-01-01T21:34:05.000000Z).\n");
    CHECK(due_of("local") == "2085-01-01T21:34:05.000000Z");
    const std::vector<std::pair<std::string, std::string>> times{
        {"2085-01-02T03:04:05Z", "2085-01-02T03:04:05.000000Z"},
        {"2085-01-02T03:04:05.25+01:00", "2085-01-02T02:04:05.250000Z"},
        {"2085-01-02T03:04-0130", "2085-01-02T04:34:00.000000Z"},
        {"'2085-01-02 03:04+02'", "2085-01-02T01:04:00.000000Z"},
        {"2085-01-02", "2085-01-01T18:30:00.000000Z"},
        {"2084-02-29T00:00:00Z", "2084-02-29T00:00:00.000000Z"},
    };
    int number = 0;
    for (const auto& [written, due] : times) {
        const std::string id = fmt::format("t{}", ++number);
        REQUIRE(run(fmt::format("enqueue --quiet --job-id {} --schedule-at {} m.f", id, written)).output ==
                id + "\n");
        CHECK_MESSAGE(due_of(id) == due, written);
    }
    // Summer time counts where a zone has it.
    REQUIRE(
        run("enqueue --job-id summer --schedule-at 2085-07-01T12:00:00 m.f", "TZ=CET-1CEST,M3.5.0,M10.5.0/3")
            .status == 0);
    CHECK(due_of("summer") == "2085-07-01T10:00:00.000000Z");
    e = run("enqueue --job-id past --schedule-at 2001-02-03T04:05:06Z m.f");
    CHECK(e.output ==
          "Enqueued m.f() with job-id 'past'.\n"
          "2001-02-03T09:35:06+05:30 is past: it went to its queue at once.\n");
    CHECK(status_of(sh, "past") == "queued");
    CHECK(
        json::parse(run("enqueue --json --job-id j --schedule-at 2085-01-02T03:04:05Z m.f").output)["due_at"]
            .as_string() == "2085-01-02T03:04:05.000000Z");
    for (const char* wrong : {"tomorrow", "2085-02-29", "2085-01-02T25:00:00", "2085-01-02T03", "2085-1-2",
                              "2085-01-02T03:04:05+1", "2085-01-02T03:04:05X", "20850102", "''"}) {
        e = run(fmt::format("enqueue --schedule-at {} m.f", wrong));
        if (std::string_view(wrong) == "''") continue;  // as if it had not been given
        CHECK_MESSAGE(e.status == 2, wrong, ": ", e.output);
        CHECK_MESSAGE(
            e.output ==
                fmt::format("simul: --schedule-at is '{}'; write a time as 2026-12-24T18:00:00 (local "
                            "time), or with its offset, 2026-12-24T18:00:00+01:00 or "
                            "2026-12-24T17:00:00Z\n",
                            wrong),
            e.output);
    }
    e = run("enqueue --schedule-at 9999-01-01T00:00:00Z m.f");
    CHECK(e.status == 2);
    CHECK(contains(e.output, "the latest is simul::job_duration_max from now, 100 years"));
    CHECK(run("enqueue --schedule-in 1h --schedule-at 2085-01-01 m.f").status == 2);
    CHECK(run("enqueue --job-timeout 5m --job-id timed m.f").status == 0);
    CHECK(json::parse(sh.run("job --json timed").output)["timeout"].as_int() == 300);
}

TEST_CASE("jobs are listed by state, and one job tells where it is and what it left") {
    on_both_stores([](const shell& sh, const std::string& store) {
        auto run = [&](const std::string& words) { return sh.run(words, store); };
        CHECK(run("job --status failed").output == "");
        run("enqueue --exec --job-id first --retry-max 1 -- sh -c 'echo no >&2; exit 3'");
        run("enqueue --exec --job-id second -- true");
        REQUIRE(run("worker --burst --allow-exec --name w").status == 0);
        run("enqueue --job-id a m.f");
        run("enqueue --job-id bb m.g 5");
        run("enqueue -q low --job-id c --schedule-in 1h m.h");
        CHECK(without_times(run("job --queue default --status queued").output) ==
              "bb  queued     TIME  default  m.g('5')\na   queued     TIME  default  m.f()\n");
        CHECK(without_times(run("jobs --queue default --status queued --limit 1").output) ==
              "bb  queued     TIME  default  m.g('5')\n");
        CHECK(without_times(run("job --status failed").output) ==
              "first  failed     TIME  default  sh -c 'echo no >&2; exit 3'\n");
        CHECK(without_times(run("job -q low").output) == "c  scheduled  TIME  low  m.h()\n");
        const std::string lines = run("job --json --queue default").output;
        CHECK(std::count(lines.begin(), lines.end(), '\n') == 4);
        CHECK(json::parse(lines.substr(0, lines.find('\n')))["id"].as_string() == "bb");
        std::string text = without_times(run("job first").output);
        CHECK_MESSAGE(contains(text,
                               "\nstatus        failed\nwhere         among the failed jobs: simul requeue "
                               "puts it on its queue again; kept"),
                      text);
        CHECK_MESSAGE(contains(text, "\nfailure       TIME\n"), text);
        text = without_times(run("job c").output);
        CHECK_MESSAGE(contains(text, "where         later: goes to its queue at TIME\n"), text);
        text = without_times(run("job a").output);
        CHECK_MESSAGE(contains(text, "where         waits on its queue\n"), text);
        // What runs again leaves its earlier results.
        REQUIRE(run("requeue first").status == 0);
        REQUIRE(run("worker --burst --allow-exec --name w").status == 0);
        const value job = json::parse(run("job --json first").output);
        CHECK(job["results"].size() == 2);
        CHECK(job["results"][1]["type"].as_string() == "failed");
        CHECK(job["retries_left"].as_int() == 0);
        CHECK(job["meta"].size() == 0);
        run("enqueue --job-id again --retry-max 3 --retry-interval 10 --retry-interval 30 m.f");
        CHECK(contains(run("job again").output, "retries left  3, the next one after 10 s\n"));
    });
    shell sh;
    ended e = sh.run("job --status frob");
    CHECK(e.status == 2);
    CHECK(e.output ==
          "simul: --status is 'frob'; write one of: queued, started, scheduled, deferred, failed, stopped, "
          "finished, canceled\n");
    CHECK(sh.run("job --queue a,b").status == 2);
    CHECK(sh.run("job x --queue default").status == 2);
    CHECK(sh.run("job --status failed --limit 0").status == 2);
}

TEST_CASE("arguments may be Python literals and files") {
    shell sh;
    std::ofstream(sh.folder() / "text.txt") << "two\nlines\n";
    std::ofstream(sh.folder() / "data.json") << "{\"a\": [1, 2.5, null]}";
    std::ofstream(sh.folder() / "data.py") << "# made by hand\n{'a': (1, b'\\x00'), 'b': {2}}\n";
    ended e = sh.run(
        "enqueue --job-id a m.f %None '%(1, \"x\", [2.5])' \"%b'\\\\xff'\" @text.txt :@data.json %@data.py "
        "n%=-1_000 "
        "f=@text.txt 'o:=[true]' p%=@data.py");
    CHECK_MESSAGE(e.status == 0, e.output);
    CHECK(
        e.output ==
        R"(Enqueued m.f(None, (1, 'x', [2.5]), b'\xff', 'two\nlines\n', {'a': [1, 2.5, None]}, )"
        R"({'a': (1, b'\x00'), 'b': {2}}, f='two\nlines\n', n=-1000, o=[True], p={'a': (1, b'\x00'), 'b': {2}}))"
        " with job-id 'a'.\n");
    auto refused = [&](const std::string& words, const std::string& message) {
        const ended wrong = sh.run("enqueue m.f " + words);
        CHECK(wrong.status == 2);
        CHECK(wrong.output == "simul: " + message + "\n");
    };
    refused("%x",
            "'x' is no Python literal: python literal: line 1, column 1: the name 'x': a literal has no "
            "names; text stands in quotes");
    refused("n%=true",
            "n: 'true' is no Python literal: python literal: line 1, column 1: 'true' is JSON; Python "
            "writes True");
    refused("%@text.txt",
            "the file text.txt is no Python literal: python literal: line 1, column 1: the name "
            "'two': a literal has no names; text stands in quotes");
    refused("k:=@text.txt",
            "k: the file text.txt is no JSON value: json: line 1, column 1: expected a value");
    refused("@none.txt",
            "'@none.txt' names a file, and none.txt: No such file or directory; a text that begins "
            "with @ is written as JSON, ':\"@none.txt\"'");
    refused("@.",
            "'@.' names a file, and .: it is a folder; a text that begins with @ is written as JSON, "
            "':\"@.\"'");
    refused("k=1 k=2", "the argument 'k' is given twice");
    CHECK(sh.run("enqueue --job-id at m.f ':\"@home\"'").output ==
          "Enqueued m.f('@home') with job-id 'at'.\n");
    fs::resize_file(sh.folder() / "text.txt", 64 * 1024 * 1024 + 1);
    refused("@text.txt",
            "'@text.txt' names a file, and text.txt: it is larger than 67108864 bytes, the most that a "
            "job may carry; a text that begins with @ is written as JSON, ':\"@text.txt\"'");
}

TEST_CASE("the commands of docs/command_line.md print what the page says") {
    std::ifstream in(SIMUL_TEST_DATA "/../../docs/command_line.md");
    shell sh;
    bool in_block = false;
    std::string command;
    std::string expected;
    int commands = 0;
    auto check = [&] {
        if (command.empty()) return;
        ++commands;
        const ended e = sh.run(command, {}, "TZ=UTC");
        CHECK_MESSAGE(without_times(e.output) == without_times(expected), "$ simul ", command);
        command.clear();
        expected.clear();
    };
    for (std::string line; std::getline(in, line);) {
        if (!in_block) {
            in_block = line == "```console";
        } else if (line == "```") {
            check();
            in_block = false;
        } else if (line.starts_with("$ simul ")) {
            check();
            command = line.substr(8);
        } else {
            expected += line + "\n";
        }
    }
    CHECK(commands > 25);
}
