// job_queue for whole queues, and jobs for a time.

#include <simul/jobs/error.hpp>
#include <simul/jobs/job_queue.hpp>
#include <simul/loop/loop.hpp>

#include <doctest/doctest.h>

#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

using namespace simul;
using std::chrono::seconds;

namespace {

inline constexpr job<int(int)> twice{"m.twice", {"n"}};

template <class F>
void with_queue(F f) {
    std::string folder = (std::filesystem::temp_directory_path() / "simul-admin-XXXXXX").string();
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    loop l;
    l.run([&]() -> task<> {
        const job_queue queue("sqlite://" + folder + "/jobs.db");
        co_await f(queue);
    });
    std::filesystem::remove_all(folder);
}

task<std::string> refusal(job_queue queue, call_options options) {
    try {
        co_await queue.with(options).enqueue(twice, 1);
    } catch (const std::system_error& e) {
        if (e.code() != job_errc::invalid_option) throw;
        co_return e.what();
    }
    co_return "not refused";
}

}  // namespace

TEST_CASE("a queue of more jobs than one step may take is emptied, and tells how far it is") {
    with_queue([](const job_queue& queue) -> task<> {
        const std::size_t many = 2 * jobs_per_piece_max + 10;
        for (std::size_t i = 0; i < many; ++i) co_await queue.enqueue(twice, 1);
        std::vector<std::size_t> told;
        auto note = [&](std::size_t n) { told.push_back(n); };
        CHECK(co_await queue.empty(note) == many);
        CHECK(told == std::vector<std::size_t>{jobs_per_piece_max, 2 * jobs_per_piece_max, many});
        CHECK(co_await queue.empty() == 0);
        CHECK(co_await queue.requeue_failed() == 0);
    });
}

TEST_CASE("a job for a time is scheduled for it, and one for a time that is past waits at once") {
    with_queue([](const job_queue& queue) -> task<> {
        const wall_time now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
        const wall_time due = now + seconds(1000) + std::chrono::microseconds(7);
        call_options then;
        then.at = due;
        auto later = co_await queue.with(then).enqueue(twice, 1);
        const auto record = co_await later.record();
        REQUIRE(record.has_value());
        CHECK(record->status == job_status::scheduled);
        CHECK(record->due_at == due);
        then.at = now - seconds(1);
        auto past = co_await queue.with(then).enqueue(twice, 1);
        const auto at_once = co_await past.record();
        REQUIRE(at_once.has_value());
        CHECK(at_once->status == job_status::queued);
        CHECK(!at_once->due_at.has_value());
    });
}

TEST_CASE("a time that no clock reaches, or two times, are refused") {
    with_queue([](const job_queue& queue) -> task<> {
        const wall_time now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
        call_options both;
        both.delay = seconds(1);
        both.at = now;
        CHECK(co_await refusal(queue, both) == "delay and at are both given; a job has one time");
        call_options never;
        never.at = now + job_duration_max + seconds(100);
        const std::string text = co_await refusal(queue, never);
        CHECK_MESSAGE(text.ends_with("; the latest is simul::job_duration_max from now, 100 years"), text);
    });
}
