// What `rq info`, `rq empty` and `rq requeue` of Python and ours see and do on one Redis is the same.

#include <simul/jobs/job_queue.hpp>
#include <simul/jobs/store.hpp>
#include <simul/loop/loop.hpp>
#include <simul/redis/client.hpp>

#include "jobs/shell.hpp"
#include "redis/test_server.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

using namespace simul;
using simul::testing::redis_server;
using simul::testing::shell;

namespace {

std::string rq(const redis_server& server, const std::string& words) {
    const char* chosen = std::getenv("SIMUL_RQ_PYTHON");
    FILE* pipe = ::popen(
        fmt::format("RQ_COLORS=0 PYTHONPATH='{}/rq_tasks' '{}' -m rq.cli {} -u 'unix://{}' 2>&1",
                    SIMUL_TEST_DATA, chosen != nullptr ? chosen : "/usr/bin/python3", words, server.socket())
            .c_str(),
        "r");
    REQUIRE(pipe != nullptr);
    std::string out;
    std::array<char, 4096> chunk;
    while (std::size_t n = std::fread(chunk.data(), 1, chunk.size(), pipe)) out.append(chunk.data(), n);
    CHECK_MESSAGE(::pclose(pipe) == 0, words, "\n", out);
    return out;
}

std::vector<std::string> keys(const redis_server& server) {
    std::vector<std::string> names;
    loop l;
    l.run([&]() -> task<> {
        redis::client_options o;
        o.socket = server.socket();
        redis::client client(o);
        redis::reply all = co_await client.command("KEYS", "*");
        for (const redis::reply& key : all.as_array()) names.push_back(key.as_string());
    });
    std::sort(names.begin(), names.end());
    return names;
}

/// Four jobs of rq_tasks that fail, two on each queue, in a worker of Python; and three that wait on "high".
void prepare(const redis_server& server, const shell& sh) {
    for (const char* words : {"-q high --job-id f1 rq_tasks.fail no", "-q low --job-id f2 rq_tasks.fail no",
                              "-q high --job-id f3 rq_tasks.fail no", "-q low --job-id f4 rq_tasks.fail no"})
        REQUIRE(sh.run(std::string("enqueue ") + words, server.url()).status == 0);
    rq(server, "worker --burst high low");
    rq(server, "enqueue -q high --job-id p1 rq_tasks.add 1 2");
    REQUIRE(sh.run("enqueue -q high --job-id s1 rq_tasks.add :1 :2", server.url()).status == 0);
    REQUIRE(sh.run("enqueue -q high --job-id s2 rq_tasks.add :1 :2", server.url()).status == 0);
}

}  // namespace

TEST_CASE("both commands count the same jobs, whoever empties and requeues") {
    redis_server server;
    shell sh;
    prepare(server, sh);
    auto ours = [&](const std::string& words) { return sh.run(words, server.url()).output; };
    auto counts = [&](const std::string& raw) {  // "queue high 3" of both forms
        std::string lines;
        for (std::size_t at = 0; at < raw.size();) {
            std::string line = raw.substr(at, raw.find('\n', at) - at);
            at += line.size() + 1;
            if (line.starts_with("queue ")) lines += line.substr(0, line.find(',')) + "\n";
        }
        return lines;
    };
    auto sorted = [&](const std::string& lines) {
        std::vector<std::string> list;
        for (std::size_t at = 0; at < lines.size();) {
            list.push_back(lines.substr(at, lines.find('\n', at) - at));
            at += list.back().size() + 1;
        }
        std::sort(list.begin(), list.end());
        return list;
    };
    CHECK(
        ours("info -r") ==
        "queue high 3, 0 executing, 0 finished, 2 failed\nqueue low 0, 0 executing, 0 finished, 2 failed\n");
    CHECK(sorted(counts(rq(server, "info -r"))) == sorted(counts(ours("info -r"))));
    // Ours empties: nothing is left for RQ.
    CHECK(ours("empty high") == "3 jobs removed from high queue\n");
    CHECK(sorted(counts(rq(server, "info -r"))) == std::vector<std::string>{"queue high 0", "queue low 0"});
    for (const std::string& key : keys(server))
        for (const char* id : {"p1", "s1", "s2"}) CHECK_MESSAGE(key.find(id) == key.npos, key);
    CHECK(rq(server, "empty high") == "0 jobs removed from high queue\n");
    // Ours requeues what failed in Python; its worker takes it again.
    CHECK(ours("requeue -a -Q high") == "Requeueing 2 jobs from failed queue\n");
    CHECK(sorted(counts(rq(server, "info -r"))) == std::vector<std::string>{"queue high 2", "queue low 0"});
    CHECK(rq(server, "requeue -a --queue high") == "Nothing to do\n");
    const std::string log = rq(server, "worker --burst high");
    CHECK_MESSAGE(log.find("(f1)") != log.npos, log);
    CHECK_MESSAGE(log.find("(f3)") != log.npos, log);
    CHECK(ours("info -r high") == "queue high 0, 0 executing, 0 finished, 2 failed\n");
    // RQ requeues and empties: nothing is left for ours.
    CHECK(rq(server, "requeue -a --queue low").starts_with("Requeueing 2 jobs from failed queue\n"));
    CHECK(ours("requeue -a -Q low") == "Nothing to do\n");
    CHECK(ours("info -r low") == "queue low 2, 0 executing, 0 finished, 0 failed\n");
    CHECK(rq(server, "empty --all").find("2 jobs removed from low queue\n") != std::string::npos);
    CHECK(ours("empty low") == "0 jobs removed from low queue\n");
}

TEST_CASE("info of ours changes nothing in Redis") {
    redis_server server;
    shell sh;
    prepare(server, sh);
    const std::vector<std::string> before = keys(server);
    for (const char* words : {"info", "info -r", "info -R", "info --json", "job --status failed", "job f1"})
        REQUIRE(sh.run(words, server.url()).status == 0);
    CHECK(keys(server) == before);
}

TEST_CASE("workers of both wait while the other's command has suspended them") {
    redis_server server;
    shell sh;
    REQUIRE(sh.run("suspend --duration 1h", server.url()).status == 0);
    REQUIRE(sh.run("enqueue --exec --job-id a -- true", server.url()).status == 0);
    rq(server, "resume");
    CHECK(sh.run("info --json", server.url()).output.find("\"suspended\":false") != std::string::npos);
    rq(server, "suspend --duration 3600");
    CHECK(sh.run("info --json", server.url()).output.find("\"suspended_until\":\"") != std::string::npos);
    REQUIRE(sh.run("worker --burst --allow-exec", server.url()).status == 0);
    CHECK(sh.run("job a --json", server.url()).output.find("\"status\":\"queued\"") != std::string::npos);
}
