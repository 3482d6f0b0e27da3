// Jobs on a Redis that is reached over TLS, with Python's RQ on the same URL; and what its URL may say.

#include <simul/base/error.hpp>
#include <simul/jobs/error.hpp>
#include <simul/jobs/job_queue.hpp>
#include <simul/jobs/worker.hpp>
#include <simul/loop/loop.hpp>
#include <simul/redis/client.hpp>

#include "net/certificates.hpp"
#include "redis/test_server.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

using namespace simul;
using simul::testing::authority;
using simul::testing::certificate;
using simul::testing::redis_server;

namespace {

inline constexpr job<int(int)> twice{"m.twice", {"n"}};

std::string python() {
    const char* chosen = std::getenv("SIMUL_RQ_PYTHON");
    return chosen != nullptr ? chosen : "/usr/bin/python3";
}

std::string output_of(const std::string& command) {
    FILE* pipe = ::popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::string out;
    std::array<char, 4096> chunk;
    while (std::size_t n = std::fread(chunk.data(), 1, chunk.size(), pipe)) out.append(chunk.data(), n);
    const int status = ::pclose(pipe);
    CHECK_MESSAGE(status == 0, command, "\n", out);
    return out;
}

}  // namespace

TEST_CASE(
    "jobs go over TLS with a password and a client's certificate, and Python reads the result on the same "
    "URL") {
    const authority ours;
    const certificate shown = ours.sign("IP:127.0.0.1");
    const certificate mine = ours.sign("DNS:client.test");
    redis_server server = redis_server::with_tls({shown.pem, shown.key_pem, ours.pem()});
    const std::string authorities = server.write("trusted.pem", ours.pem());
    const std::string own = server.write("mine.pem", mine.pem);
    const std::string key = server.write("mine.key", mine.key_pem);
    loop l;
    l.run([&]() -> task<> {
        redis::client_options o;
        o.socket = server.socket();
        redis::client admin(o);
        co_await admin.command("ACL", "SETUSER", "worker", "on", ">s3cret", "~*", "&*", "+@all");
        co_await admin.command("CONFIG", "SET", "requirepass", "other");
    });
    const std::string url =
        fmt::format("rediss://worker:s3cret@127.0.0.1:{}/0?ssl_ca_certs={}&ssl_certfile={}&ssl_keyfile={}",
                    server.port(), authorities, own, key);
    std::string id;
    l.run([&]() -> task<> {
        job_queue queue(url);
        CHECK(queue.store()->name().find("s3cret") == std::string::npos);
        job_handle<int> handle = co_await queue.enqueue(twice, 21);
        id = handle.id();
        worker_options options;
        options.burst = true;
        options.log = [](std::string_view) {};
        worker w(url, options);
        w.handle(twice, [](int n) -> task<int> { co_return 2 * n; });
        worker_report report = co_await w.run();
        CHECK(report.succeeded == 1);
        const int result = co_await handle.result();
        CHECK(result == 42);
    });
    const std::string script = fmt::format(
        "import redis; from rq.job import Job; j = Job.fetch(\"{}\", "
        "connection=redis.Redis.from_url(\"{}\")); "
        "r = j.latest_result(); print(j.get_status(refresh=False).value if hasattr(j.get_status(), "
        "\"value\") "
        "else j.get_status(), r.return_value)",
        id, url);
    CHECK(output_of(fmt::format("{} -c '{}' 2>&1", python(), script)) == "finished 42\n");
}

TEST_CASE("what a rediss URL says wrong is told before anything is sent") {
    auto text = [](const std::string& url) {
        try {
            (void)open_store(url);
        } catch (const std::exception& e) {
            return std::string(e.what());
        }
        return std::string("no error");
    };
    CHECK(text("rediss://h") == "no error");
    CHECK(text("rediss://h/?ssl_cert_reqs=none") == "no error");
    CHECK(text("rediss://h/?ssl_check_hostname=true") == "no error");
    auto says = [&](const std::string& url, std::string_view part) {
        const std::string got = text(url);
        CHECK_MESSAGE(got.find(part) != std::string::npos, url, ": ", got);
    };
    says("rediss://h/?ssl_cert_reqs=maybe", "ssl_cert_reqs=maybe is not known (required or none)");
    says("rediss://h/?ssl_certfile=/x.pem", "ssl_certfile and ssl_keyfile belong together");
    says("rediss://h/?ssl_check_hostname=false", "the server's name is always checked");
    says("rediss://h/?ssl_ca_certs=/none/ca.pem", "/none/ca.pem");
    says("rediss://h/?colour=red", "the option 'colour' is not known (serializer, db, ssl_ca_certs");
    says("redis://h/?ssl_ca_certs=/x.pem", "the option 'ssl_ca_certs' is not known (serializer, db)");
    const std::string secret = text("rediss://me:s3cret@h/?ssl_cert_reqs=maybe");
    CHECK(secret.find("s3cret") == std::string::npos);
    CHECK(secret.find("me:***@h") != std::string::npos);
}
