#pragma once

// Included by store_contract.hpp, whose helpers it uses: stopping what runs, and what else a worker is told.

namespace simul::contract {

inline task<std::string> told_why(job_store& s, std::string id) {
    std::string text;
    std::error_code code;
    try {
        co_await s.stop(std::move(id));
    } catch (const std::system_error& e) {
        code = e.code();
        text = e.what();
    }
    CHECK_MESSAGE((code == job_errc::wrong_state || code == job_errc::no_such_job), text);
    co_return text;
}

inline task<finish_answer> end_stopped(job_store& s, std::string worker, job_record job) {
    execution_outcome o = outcome_of_run(job);
    o.stopped = true;
    std::vector<execution_outcome> one;
    one.push_back(std::move(o));
    auto answers = co_await s.finish(std::move(worker), std::move(one));
    co_return answers.at(0);
}

inline worker_command command_of(worker_command_kind kind, std::string job = {}, std::string execution = {}) {
    worker_command c;
    c.kind = kind;
    c.job = std::move(job);
    c.execution = std::move(execution);
    return c;
}

inline constexpr std::chrono::milliseconds at_once{0};
inline constexpr std::chrono::milliseconds a_long_wait{20'000};

}  // namespace simul::contract

TEST_CASE_TEMPLATE_DEFINE(
    "store: a stop reaches the worker that runs the job, without polling, and names the run", Fixture,
    contract_stop) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        std::unique_ptr<job_store> client = s.sibling();
        co_await join(s, "w");
        const auto nothing_yet = co_await s.wait_command("w", at_once);
        CHECK(!nothing_yet.has_value());
        co_await put(*client, new_job("a"));
        co_await put(*client, new_job("b"));
        const std::vector<job_record> taken = co_await take(s, "w", 2);
        REQUIRE(taken.size() == 2);
        const time_point start = clock::now();
        std::optional<worker_command> heard;
        auto waits = [&]() -> task<> { heard = co_await s.wait_command("w", a_long_wait); };
        auto stops = [&]() -> task<> {
            co_await sleep_for(std::chrono::milliseconds(50));
            co_await client->stop("b");
        };
        co_await all(waits(), stops());
        REQUIRE(heard.has_value());
        CHECK(heard->kind == worker_command_kind::stop_execution);
        CHECK(heard->job == "b");
        CHECK(heard->execution == taken[1].execution);
        CHECK(clock::now() - start < seconds(10));
        // Nothing has changed yet: its worker makes that step.
        const auto record = co_await client->fetch("b");
        CHECK(record->status == job_status::started);
        // What was sent while nobody waited is there when somebody does.
        co_await client->stop("a");
        heard = co_await s.wait_command("w", a_long_wait);
        REQUIRE(heard.has_value());
        CHECK(heard->job == "a");
        heard = co_await s.wait_command("w", std::chrono::milliseconds(30));
        CHECK(!heard.has_value());
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a stop is refused with the state that the job is in", Fixture,
                          contract_stop_refused) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        co_await s.wait_command("w", at_once);
        for (const char* id : {"finished", "failed", "stopped", "canceled"}) co_await put(s, new_job(id));
        const std::vector<job_record> taken = co_await take(s, "w", 3);
        REQUIRE(taken.size() == 3);
        co_await succeed(s, "w", taken[0]);
        co_await fail(s, "w", taken[1]);
        co_await end_stopped(s, "w", taken[2]);
        co_await s.cancel("canceled");
        co_await put(s, new_job("queued"));
        job_record later = new_job("scheduled");
        later.due_at = in_a_while();
        co_await put(s, later);
        for (const char* id : {"finished", "failed", "stopped", "canceled", "queued", "scheduled"}) {
            const std::string text = co_await told_why(s, id);
            CHECK_MESSAGE(text.find(std::string(id) + " and cannot be stopped") != std::string::npos, text);
        }
        const std::string text = co_await told_why(s, "never-made");
        CHECK_MESSAGE(text.find("there is no job never-made") == 0, text);
        const auto heard = co_await s.wait_command("w", std::chrono::milliseconds(30));
        CHECK(!heard.has_value());
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: a stopped job is recorded in RQ's words, and is not tried again", Fixture,
                          contract_stopped) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        co_await join(s, "w");
        job_record j = new_job("a");
        j.retries_left = 2;
        co_await put(s, j);
        const std::vector<job_record> taken = co_await take(s, "w");
        REQUIRE(taken.size() == 1);
        const finish_answer first = co_await end_stopped(s, "w", taken[0]);
        CHECK(first.kind == finish_kind::recorded);
        CHECK(first.kept == default_failure_ttl);
        const finish_answer again = co_await end_stopped(s, "w", taken[0]);
        CHECK(again.kind == finish_kind::refused);
        const finish_answer late = co_await succeed(s, "w", taken[0]);
        CHECK(late.kind == finish_kind::refused);
        auto record = co_await s.fetch("a");
        REQUIRE(record.has_value());
        CHECK(record->status == job_status::stopped);
        CHECK(record->retries_left == 2);
        const auto results = co_await s.results("a", 10);
        REQUIRE(results.size() == 1);
        CHECK(results[0].type == result_type::failed);
        CHECK(results[0].error == "Job stopped by user, work-horse terminated.");
        CHECK(results[0].execution == taken[0].execution);
        const queue_counts q = co_await counts(s);
        CHECK(q.failed == 1);
        CHECK(q.started == 0);
        const store_overview o = co_await s.overview();
        REQUIRE(o.workers.size() == 1);
        CHECK(o.workers[0].failed == 1);
        // By hand it runs again.
        co_await s.requeue("a");
        const std::vector<job_record> second = co_await take(s, "w");
        REQUIRE(second.size() == 1);
        CHECK(second[0].execution != taken[0].execution);
        const finish_answer done = co_await succeed(s, "w", second[0]);
        CHECK(done.kind == finish_kind::recorded);
        // A lifetime of 0 keeps nothing of a stop either.
        job_record kept_not = new_job("b");
        kept_not.failure_ttl = seconds(0);
        co_await put(s, kept_not);
        const std::vector<job_record> third = co_await take(s, "w");
        REQUIRE(third.size() == 1);
        const finish_answer gone = co_await end_stopped(s, "w", third[0]);
        CHECK(gone.kind == finish_kind::discarded);
        record = co_await s.fetch("b");
        CHECK(!record.has_value());
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: workers are told to shut down and to kill what they run, in this order",
                          Fixture, contract_send_command) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        std::unique_ptr<job_store> other = s.sibling();
        co_await join(s, "w");
        co_await join(*other, "other");
        co_await s.wait_command("w", at_once);
        co_await other->wait_command("other", at_once);
        co_await s.send_command("w", command_of(worker_command_kind::kill_horse));
        co_await s.send_command("w", command_of(worker_command_kind::stop_job, "a"));
        co_await s.send_command("w", command_of(worker_command_kind::shutdown));
        std::optional<worker_command> heard = co_await s.wait_command("w", a_long_wait);
        REQUIRE(heard.has_value());
        CHECK(heard->kind == worker_command_kind::kill_horse);
        heard = co_await s.wait_command("w", a_long_wait);
        REQUIRE(heard.has_value());
        CHECK(heard->kind == worker_command_kind::stop_job);
        CHECK(heard->job == "a");
        CHECK(heard->execution.empty());
        heard = co_await s.wait_command("w", a_long_wait);
        REQUIRE(heard.has_value());
        CHECK(heard->kind == worker_command_kind::shutdown);
        heard = co_await other->wait_command("other", std::chrono::milliseconds(30));
        CHECK(!heard.has_value());
        auto senseless = [&]() -> task<> {
            co_await s.send_command("w", command_of(worker_command_kind::unknown));
        };
        const std::error_code refused = co_await code_of(senseless);
        CHECK(refused == job_errc::invalid_option);
    });
}

TEST_CASE_TEMPLATE_DEFINE("store: commands go with the worker they were for, and nobody's are refused",
                          Fixture, contract_dead_commands) {
    using namespace simul;
    using namespace simul::contract;
    Fixture fixture;
    on_new(fixture, [&](job_store& s) -> task<> {
        auto to_dead = [&]() -> task<> {
            co_await s.send_command("dies", command_of(worker_command_kind::shutdown));
        };
        std::error_code refused = co_await code_of(to_dead);
        CHECK(refused == job_errc::no_such_worker);
        co_await join(s, "watch");
        std::unique_ptr<job_store> dying = s.sibling();
        co_await join(*dying, "dies");
        co_await dying->wait_command("dies", at_once);
        co_await put(s, new_job("a"));
        const std::vector<job_record> taken = co_await take(*dying, "dies");
        REQUIRE(taken.size() == 1);
        co_await s.stop("a");
        co_await to_dead();
        dying.reset();
        const worker_record seen = co_await look_at(s, "watch", "dies");
        const recover_answer recovered = co_await s.recover(death_of(seen));
        CHECK(recovered.requeued == std::vector<std::string>{"a"});
        refused = co_await code_of(to_dead);
        CHECK(refused == job_errc::no_such_worker);
        // One that takes its name is not told what was meant for it; nor one that leaves in peace.
        for (int i = 0; i < 2; ++i) {
            std::unique_ptr<job_store> next = s.sibling();
            co_await join(*next, "dies");
            const auto heard = co_await next->wait_command("dies", std::chrono::milliseconds(30));
            CHECK(!heard.has_value());
            co_await to_dead();
            co_await next->unregister_worker("dies");
            refused = co_await code_of(to_dead);
            CHECK(refused == job_errc::no_such_worker);
        }
    });
}

#define SIMUL_STORE_CONTRACT_COMMANDS(Fixture)                 \
    TEST_CASE_TEMPLATE_INVOKE(contract_stop, Fixture);         \
    TEST_CASE_TEMPLATE_INVOKE(contract_stop_refused, Fixture); \
    TEST_CASE_TEMPLATE_INVOKE(contract_stopped, Fixture);      \
    TEST_CASE_TEMPLATE_INVOKE(contract_send_command, Fixture); \
    TEST_CASE_TEMPLATE_INVOKE(contract_dead_commands, Fixture)
