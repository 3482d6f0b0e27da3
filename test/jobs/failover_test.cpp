// A primary of Redis is lost and its replica takes over: client and worker go on by themselves.

#include <simul/base/error.hpp>
#include <simul/core/all.hpp>
#include <simul/jobs/error.hpp>
#include <simul/jobs/job_queue.hpp>
#include <simul/jobs/worker.hpp>
#include <simul/loop/loop.hpp>
#include <simul/loop/sleep.hpp>

#include "redis/sentinel_server.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <optional>
#include <string>
#include <system_error>

using namespace simul;
using simul::testing::watched_servers;

namespace {

inline constexpr job<int(int)> twice{"m.twice", {"n"}};

// Again and again while a pause may help, as a program would.
task<int> run_it(const job_queue& queue, std::string id, int n) {
    call_options named;
    named.id = id;
    for (;;) {
        try {
            const job_queue with_id = queue.with(named);
            const int result = co_await with_id.run(twice, n);
            co_return result;
        } catch (const std::system_error& e) {
            const bool there = e.code() == job_errc::id_in_use;
            if (!there && e.code() != condition::disconnected && e.code() != condition::retry_later) throw;
        }
        co_await sleep_for(std::chrono::milliseconds(20));
    }
}

}  // namespace

TEST_CASE("clients and workers that ask sentinels go on with the new primary after a failover") {
    watched_servers servers;
    const std::string url = fmt::format("redis+sentinel://127.0.0.1:{}/mymaster/0", servers.sentinel_port);
    loop l;
    l.run([&]() -> task<> {
        worker_options options;
        options.heartbeat = std::chrono::milliseconds(100);
        options.log = [](std::string_view) {};
        worker w(url, options);
        w.handle(twice, [](int n) -> task<int> { co_return 2 * n; });
        auto use = [&]() -> task<> {
            job_queue queue(url);
            CHECK(queue.store()->name() == url);
            int result = co_await run_it(queue, "before", 1);
            CHECK(result == 2);
            servers.primary.stop();
            result = co_await run_it(queue, "after", 2);
            CHECK(result == 4);
            w.stop();
        };
        auto work = [&]() -> task<worker_report> { co_return co_await w.run(); };
        auto [report, nothing] = co_await all(work(), use());
        CHECK(report.succeeded >= 1);
    });
}

TEST_CASE("what a sentinel URL says wrong is told, and no password is shown") {
    auto text = [](const std::string& url) {
        try {
            return open_store(url)->name();
        } catch (const std::exception& e) {
            return std::string(e.what());
        }
    };
    auto says = [&](const std::string& url, std::string_view part) {
        const std::string got = text(url);
        CHECK_MESSAGE(got.find(part) != std::string::npos, url, ": ", got);
        CHECK_MESSAGE(got.find("s3cret") == std::string::npos, got);
    };
    says("redis+sentinel://a,b:5/mymaster/2?sentinel_password=s3cret",
         "redis+sentinel://a,b:5/mymaster/2?sentinel_password=***");
    says("redis+sentinel://me:s3cret@a,b:5/mymaster", "redis+sentinel://me:***@a,b:5/mymaster");
    says("redis+sentinel://a", "it does not name what the sentinels watch");
    says("redis+sentinel://a,,b/m", "it names no sentinel between two commas");
    says("redis+sentinel:///m", "it names no sentinel");
    says("redis+sentinel://a:0/m", "its port is no number");
    says("redis+sentinel://a/m/x", "'x' is no number of a Redis database");
    says("redis+sentinel://a/m?ssl_ca_certs=x",
         "the option 'ssl_ca_certs' is not known (serializer, db, sentinel_");
    says("unix:///run/redis.sock?password=s3cret&colour=red", "the option 'colour' is not known");
}
