#include <simul/jobs/job_queue.hpp>

#include <simul/core/all.hpp>
#include <simul/jobs/error.hpp>
#include <simul/jobs/worker.hpp>
#include <simul/loop/run.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace simul;
using std::chrono::seconds;
namespace fs = std::filesystem;

namespace {

inline constexpr job<int(int)> twice{"m.twice", {"n"}};
inline constexpr job<std::string(std::string)> echo{"m.echo", {"text"}};
inline constexpr job<void()> fails{"m.fails"};

/// A store in a file of its own, whose clock the test moves.
class store_file {
  public:
    store_file() {
        std::string name = (fs::temp_directory_path() / "simul-queue-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
    }
    ~store_file() {
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }
    std::string url() const { return "sqlite://" + (folder_ / "jobs.db").string(); }
    store_options options() const {
        store_options o;
        o.clock_shift = [shift = shift_] { return std::chrono::microseconds(shift->load()); };
        return o;
    }
    job_queue queue() const { return job_queue(url(), "default", options()); }
    void advance(seconds s) { *shift_ += std::chrono::microseconds(s).count(); }

    /// Runs what waits, to the end.
    task<worker_report> work(std::vector<int>* order = nullptr) const {
        worker_options o;
        o.burst = true;
        o.concurrency = 1;
        o.log = [](std::string_view) {};
        worker w(url(), o, options());
        w.handle(twice, [order](int n) -> task<int> {
            if (order != nullptr) order->push_back(n);
            co_return 2 * n;
        });
        w.handle(echo, [](std::string text) -> task<std::string> { co_return text; });
        w.handle(fails, [order]() -> task<> {
            if (order != nullptr) order->push_back(-1);
            throw std::runtime_error("no");
            co_return;
        });
        co_return co_await w.run();
    }

  private:
    fs::path folder_;
    std::shared_ptr<std::atomic<std::int64_t>> shift_ = std::make_shared<std::atomic<std::int64_t>>(0);
};

template <class F>
task<std::error_code> code_of(F f) {
    std::error_code code;
    try {
        co_await f();
    } catch (const std::system_error& e) {
        code = e.code();
    }
    co_return code;
}

}  // namespace

TEST_CASE("what a call says beside its arguments is kept with the job") {
    store_file store;
    run([&]() -> task<> {
        call_options o;
        o.retries = 2;
        o.retry_intervals = pauses(seconds(5), std::chrono::minutes(1));
        o.timeout = seconds(7);
        o.ttl = seconds(60);
        o.result_ttl = forever;
        o.failure_ttl = seconds(90);
        o.id = "the-one";
        o.description = "doubles a number";
        o.meta = value().set("user", "ann");
        o.at_front = true;
        o.at_front_on_retry = true;
        job_handle<int> handle = co_await store.queue().with(o).enqueue(twice, 21);
        CHECK(handle.id() == "the-one");
        std::optional<job_record> r = co_await handle.record();
        REQUIRE(r.has_value());
        CHECK(r->retries_left == 2);
        CHECK(r->retry_intervals == std::vector<seconds>{seconds(5), seconds(60)});
        CHECK(r->timeout == seconds(7));
        CHECK(r->ttl == seconds(60));
        CHECK(r->result_ttl == forever);
        CHECK(r->failure_ttl == seconds(90));
        CHECK(r->description == "doubles a number");
        CHECK(decode_payload(r->meta)["user"].as_string() == "ann");
        CHECK(r->at_front);
        CHECK(r->at_front_on_retry);
        CHECK(!r->due_at.has_value());

        handle = co_await store.queue().enqueue(twice, 21);
        r = co_await handle.record();
        CHECK(r->retries_left == 0);
        CHECK(r->timeout == default_job_timeout);
        CHECK(r->description == "m.twice(21)");
        CHECK(r->meta.empty());
    });
}

TEST_CASE("a delayed job runs when its time has come, and its ttl begins only then") {
    store_file store;
    run([&]() -> task<> {
        call_options o;
        o.delay = seconds(3'600);
        o.ttl = seconds(60);
        job_handle<int> handle = co_await store.queue().with(o).enqueue(twice, 4);
        worker_report report = co_await store.work();
        CHECK(report.succeeded == 0);
        std::optional<job_record> r = co_await handle.record();
        REQUIRE(r.has_value());
        CHECK(r->status == job_status::scheduled);
        CHECK(r->due_at == r->created_at + seconds(3'600));
        store.advance(seconds(3'601));
        report = co_await store.work();
        CHECK(report.succeeded == 1);
        CHECK(co_await handle.result() == 8);
    });
}

TEST_CASE("a job goes to the front where it is asked to, also when it is tried again") {
    store_file store;
    run([&]() -> task<> {
        call_options first;
        first.at_front = true;
        co_await store.queue().enqueue(twice, 1);
        co_await store.queue().enqueue(twice, 2);
        co_await store.queue().with(first).enqueue(twice, 3);
        std::vector<int> order;
        co_await store.work(&order);
        CHECK(order == std::vector<int>{3, 1, 2});

        call_options again;
        again.retries = 1;
        again.at_front_on_retry = true;
        co_await store.queue().with(again).enqueue(fails);
        co_await store.queue().enqueue(twice, 5);
        order.clear();
        worker_report report = co_await store.work(&order);
        CHECK(report.failed == 2);
        CHECK(order == std::vector<int>{-1, -1, 5});
    });
}

TEST_CASE("options out of their range are refused by name, before anything is stored") {
    store_file store;
    run([&]() -> task<> {
        auto refused = [&](call_options o) {
            try {
                (void)detail::make_record("default", twice.call(1), o, payload_format::pickle);
            } catch (const std::system_error& e) {
                CHECK((e.code() == job_errc::invalid_option || e.code() == job_errc::invalid_id));
                return std::string(e.what());
            }
            return std::string("accepted");
        };
        call_options o;
        o.retries = -1;
        CHECK(refused(o) == "retries is -1; it is 0 or more");
        o = {};
        o.retry_intervals = pauses(seconds(-3));
        CHECK(refused(o) == "a retry interval is negative");
        o = {};
        o.timeout = seconds(0);
        CHECK(refused(o) == "timeout is 0 s; it is more than 0, or simul::forever");
        o = {};
        o.ttl = seconds(0);
        CHECK(refused(o) == "ttl is 0 s; it is more than 0");
        o = {};
        o.result_ttl = seconds(-2);
        CHECK(refused(o) == "result_ttl is -2 s; it is 0 or more, or simul::forever");
        o = {};
        o.failure_ttl = seconds(-2);
        CHECK(refused(o) == "failure_ttl is -2 s; it is 0 or more, or simul::forever");
        o = {};
        o.delay = seconds(-5);
        CHECK(refused(o) == "delay is -5 s; it is 0 or more");
        o = {};
        o.id = "a b";
        CHECK(refused(o).find("'a b' cannot be a job's id") == 0);
        o = {};
        o.id = std::string(job_id_bytes_max + 1, 'x');
        CHECK(refused(o) == "a job's id of 256 bytes is longer than simul::job_id_bytes_max, 255");
        o = {};
        o.retries = job_retries_max + 1;
        CHECK(refused(o) == "retries is 1000001; the most is simul::job_retries_max, 1000000");
        // More than a wall_time can be moved by: such a job ran at once.
        auto too_long = [&](const char* name, std::optional<seconds> call_options::* member) {
            for (seconds given : {job_duration_max + seconds(1), seconds::max()}) {
                call_options longer;
                if (member != nullptr)
                    longer.*member = given;
                else
                    longer.retry_intervals = {given};
                CHECK(refused(longer) ==
                      std::string(name) + " is " + std::to_string(given.count()) +
                          " s; the longest is simul::job_duration_max, 3153600000 s (100 years)");
            }
        };
        too_long("delay", &call_options::delay);
        too_long("timeout", &call_options::timeout);
        too_long("ttl", &call_options::ttl);
        too_long("result_ttl", &call_options::result_ttl);
        too_long("failure_ttl", &call_options::failure_ttl);
        too_long("a retry interval", nullptr);
        o = {};
        o.delay = o.timeout = o.ttl = o.result_ttl = o.failure_ttl = job_duration_max;
        o.retry_intervals = {job_duration_max};
        CHECK(refused(o) == "accepted");
        o = {};
        o.meta = value(5);
        CHECK(refused(o) == "meta is no dict");
        CHECK(co_await code_of([&]() -> task<> {
                  co_await job_queue(store.queue().store(), "a,b").enqueue(twice, 1);
              }) == job_errc::invalid_queue);
        // More than a job may carry.
        CHECK(co_await code_of([&]() -> task<> {
                  co_await store.queue().enqueue(echo, std::string(job_data_bytes_max + 1, 'x'));
              }) == job_errc::data_too_large);
        store_overview o2 = co_await store.queue().store()->overview();
        for (const queue_counts& q : o2.queues) CHECK(q.queued == 0);
    });
}

TEST_CASE("run enqueues and waits; a handle is found again by its id") {
    store_file store;
    run([&]() -> task<> {
        job_queue queue = store.queue();
        int result = 0;
        auto asks = [&]() -> task<> { result = co_await queue.run(twice, 8); };
        auto works = [&]() -> task<> {
            for (worker_report done; done.succeeded == 0;) done = co_await store.work();
        };
        co_await all(asks(), works());
        CHECK(result == 16);

        job_handle<int> first = co_await queue.enqueue(twice, 9);
        co_await store.work();
        job_handle<int> again = queue.find<int>(first.id());
        CHECK(co_await again.result() == 18);
        value any = co_await queue.find(first.id()).result();
        CHECK(any.as_int() == 18);
    });
}

TEST_CASE("a result that will not come is an error that says why") {
    store_file store;
    run([&]() -> task<> {
        job_queue queue = store.queue();
        job_handle<int> canceled = co_await queue.enqueue(twice, 1);
        co_await canceled.cancel();
        CHECK(co_await code_of([&]() -> task<> { co_await canceled.result(); }) == job_errc::canceled);

        call_options none;
        none.result_ttl = seconds(0);
        job_handle<int> discarded = co_await queue.with(none).enqueue(twice, 1);
        job_handle<int> old = co_await queue.enqueue(twice, 1);
        job_handle<void> failed = co_await queue.enqueue(fails);
        co_await store.work();
        CHECK(co_await code_of([&]() -> task<> { co_await discarded.result(); }) == job_errc::expired);
        bool seen = false;
        try {
            co_await failed.result();
        } catch (const job_failed& e) {
            seen = true;
            CHECK(e.job_id() == failed.id());
            CHECK(std::string(e.what()) == "std::runtime_error: no");
            CHECK(e.text().find("Traceback") == 0);
        }
        CHECK(seen);
        store.advance(seconds(501));
        CHECK(co_await code_of([&]() -> task<> { co_await old.result(); }) == job_errc::expired);
        CHECK(co_await code_of([&]() -> task<> { co_await queue.find("never-made").result(); }) ==
              job_errc::expired);
    });
}
