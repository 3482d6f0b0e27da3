// The line of docs/formats/redis.md that gives a user of the server its rights: it is enough, and it is shown
// whole.

#include <simul/jobs/error.hpp>
#include <simul/jobs/job_queue.hpp>
#include <simul/jobs/worker.hpp>
#include <simul/loop/loop.hpp>
#include <simul/redis/client.hpp>

#include "redis/test_server.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using namespace simul;
using simul::testing::redis_server;
using std::chrono::seconds;

namespace {

inline constexpr job<int(int)> twice{"m.twice", {"n"}};
inline constexpr job<int(int)> shaky{"m.shaky", {"n"}};

std::vector<std::string> documented_line() {
    std::ifstream page(std::string(SIMUL_TEST_DATA) + "/../../docs/formats/redis.md");
    for (std::string line; std::getline(page, line);)
        if (line.starts_with("ACL SETUSER simul")) {
            std::istringstream words(line);
            std::vector<std::string> all;
            for (std::string w; words >> w;) all.push_back(w == ">PASSWORD" ? ">s3cret" : w);
            return all;
        }
    FAIL("docs/formats/redis.md has no line 'ACL SETUSER simul ...'");
    return {};
}

redis::client_options admin_of(const redis_server& server) {
    redis::client_options o;
    o.socket = server.socket();
    return o;
}

task<> set_up(const redis_server& server, const std::vector<std::string>& words) {
    redis::client admin(admin_of(server));
    redis::pipeline one;
    auto& line = one.begin(words.front(), words.size() - 1);
    for (std::size_t i = 1; i < words.size(); ++i) line.argument(words[i]);
    co_await admin.send_one(std::move(one));
}

// One job of every fate, through every step of a client and of a worker.
task<> use_everything(std::string url) {
    job_queue queue(url);
    std::shared_ptr<job_store> store = queue.store();
    job_handle<int> good = co_await queue.enqueue(twice, 21);
    call_options once_more;
    once_more.retries = 1;
    job_handle<int> second = co_await queue.with(once_more).enqueue(shaky, 1);
    job_handle<int> bad = co_await queue.enqueue(shaky, 100);
    job_handle<int> dropped = co_await queue.enqueue(twice, 0);
    call_options tomorrow;
    tomorrow.delay = std::chrono::hours(24);
    job_handle<int> later = co_await queue.with(tomorrow).enqueue(twice, 1);
    call_options after_good;
    after_good.depends_on = {good.id(), dropped.id()};
    job_queue after = queue.with(after_good);
    job_handle<int> waits = co_await after.enqueue(twice, 2);
    co_await waits.cancel();
    co_await store->requeue(waits.id());
    co_await store->dependents(good.id(), 10);
    co_await dropped.cancel(true);
    co_await store->set_suspended(true);
    co_await store->set_suspended(true, seconds(100));
    co_await store->set_suspended(false);
    worker_options options;
    options.burst = true;
    options.log = [](std::string_view) {};
    worker w(url, options);
    w.handle(twice, [](int n) -> task<int> { co_return 2 * n; });
    int runs = 0;
    w.handle(shaky, [&runs](int n) -> task<int> {
        if (++runs <= n) throw std::runtime_error("not yet");
        co_return n;
    });
    worker_report report = co_await w.run();
    CHECK(report.failed >= 1);
    const int result = co_await good.result();
    CHECK(result == 42);
    co_await store->requeue(bad.id());
    co_await store->remove(bad.id());
    const std::size_t again = co_await queue.requeue_failed();
    CHECK(again == 0);
    co_await queue.enqueue(twice, 2);
    co_await store->list("default", job_status::queued, 10);
    const std::size_t removed = co_await queue.empty();
    CHECK(removed == 1);
    co_await store->remove(later.id());
    store_overview seen = co_await store->overview();
    CHECK(seen.queues.size() == 1);
    co_await store->list("default", job_status::finished, 10);
    co_await store->results(second.id(), 10);
    std::vector<std::string> queues{queue.name()};
    co_await store->maintain("w", queues, true);
}

}  // namespace

TEST_CASE("the rights that the documentation gives a user are enough for every step of clients and workers") {
    redis_server server;
    loop l;
    l.run([&]() -> task<> {
        co_await set_up(server, documented_line());
        co_await use_everything(fmt::format("unix://{}?username=simul&password=s3cret", server.socket()));
        redis::client admin(admin_of(server));
        redis::reply refused = co_await admin.command("ACL", "LOG");
        for (const redis::reply& entry : refused.as_array()) {
            std::string text;
            for (auto [key, what] : entry.as_map())
                text += key.as_string() + " " + (what.is_string() ? what.as_string() : "") + "; ";
            FAIL_CHECK(text);
        }
    });
}

TEST_CASE("a right that is missing is named by the server's own words") {
    redis_server server;
    loop l;
    l.run([&]() -> task<> {
        std::vector<std::string> words = documented_line();
        std::erase(words, "+evalsha");
        co_await set_up(server, words);
        std::string text;
        try {
            job_queue queue(fmt::format("unix://{}?username=simul&password=s3cret", server.socket()));
            co_await queue.enqueue(twice, 1);
        } catch (const std::exception& e) {
            text = e.what();
        }
        CHECK_MESSAGE(text.find("NOPERM") != std::string::npos, text);
        CHECK_MESSAGE(text.find("evalsha") != std::string::npos, text);
    });
}
