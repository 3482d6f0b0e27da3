#include "jobs/sqlite_store.hpp"

#include "jobs/command_text.hpp"

#include <simul/loop/future.hpp>
#include <simul/loop/timeout.hpp>

#include <sys/stat.h>
#include <unistd.h>

namespace simul::detail {

// The engine is made here, on the caller's thread, so that a file that cannot be opened is an error of the
// constructor. From then on only the store's thread uses it, and that thread ends first.
sqlite_store::sqlite_store(std::string path, store_options options, payload_format format)
    : path_(std::move(path)), options_(std::move(options)), format_(format) {
    engine_ = std::make_shared<sqlite_engine>(path_, options_);
    bell_ = std::make_shared<doorbell>(path_ + "-bell");
    thread_ = std::make_unique<sqlite::own_thread>();
}

sqlite_store::~sqlite_store() = default;

std::string sqlite_store::name() const { return "sqlite://" + path_; }

bool sqlite_store::private_to_owner() const {
    struct stat st{};
    return ::stat(path_.c_str(), &st) == 0 && st.st_uid == ::geteuid() && (st.st_mode & 022) == 0;
}

std::unique_ptr<job_store> sqlite_store::sibling() const {
    return std::make_unique<sqlite_store>(path_, options_, format_);
}

task<void> sqlite_store::rung(bell b, std::uint32_t seen, std::chrono::milliseconds wait_max) {
    auto p = std::make_shared<promise<void>>();
    future<void> news = p->get_future();
    doorbell::ticket ticket = bell_->wait(b, seen, [p] { p->try_set_value(); });
    co_await move_on_after(wait_max, news.get());
}

task<std::vector<enqueue_receipt>> sqlite_store::enqueue(std::vector<job_record> jobs) {
    co_return co_await step([jobs = std::move(jobs)](sqlite_engine& e) { return e.enqueue(jobs); });
}
task<std::optional<job_record>> sqlite_store::fetch(std::string id) {
    co_return co_await step([id](sqlite_engine& e) { return e.fetch(id); });
}
task<std::vector<result_record>> sqlite_store::results(std::string id, std::size_t limit) {
    co_return co_await step([id, limit](sqlite_engine& e) { return e.results(id, limit); });
}

task<std::optional<result_record>> sqlite_store::wait_result(std::string id, std::string after,
                                                             std::chrono::milliseconds wait_max) {
    const time_point give_up = clock::now() + wait_max;
    for (;;) {
        std::uint32_t seen = bell_->value(bell::results);  // before the look: see doorbell.hpp
        auto found = co_await step(
            [id, after](sqlite_engine& e) { return std::pair(e.result_after(id, after), e.fetch(id)); });
        if (found.first) co_return std::move(found.first);
        // An ended or missing job gives no result by waiting: the caller looks at its record.
        if (!found.second || found.second->status == job_status::canceled ||
            found.second->status == job_status::stopped)
            co_return std::nullopt;
        time_point now = clock::now();
        if (now >= give_up) co_return std::nullopt;
        co_await rung(bell::results, seen, std::chrono::ceil<std::chrono::milliseconds>(give_up - now));
    }
}

task<void> sqlite_store::cancel(std::string id, bool enqueue_dependents) {
    co_await step([id, enqueue_dependents](sqlite_engine& e) { e.cancel(id, enqueue_dependents); });
}
task<void> sqlite_store::stop(std::string id) {
    co_await step([id](sqlite_engine& e) { e.stop(id); });
}
task<void> sqlite_store::send_command(std::string worker, worker_command command) {
    (void)command_text(command);  // refuses what no store can send
    co_await step([worker, command](sqlite_engine& e) { e.send_command(worker, command); });
}
task<void> sqlite_store::requeue(std::string id) {
    co_await step([id](sqlite_engine& e) { e.requeue(id); });
}
task<void> sqlite_store::remove(std::string id) {
    co_await step([id](sqlite_engine& e) { e.remove(id); });
}
task<std::vector<std::string>> sqlite_store::dependents(std::string id, std::size_t limit) {
    co_return co_await step([id, limit](sqlite_engine& e) { return e.dependents(id, limit); });
}
task<queue_piece> sqlite_store::empty(std::string queue, std::string from, std::size_t limit) {
    co_return co_await step([queue, from, limit](sqlite_engine& e) { return e.empty(queue, from, limit); });
}
task<queue_piece> sqlite_store::requeue_failed(std::string queue, std::string from, std::size_t limit) {
    co_return co_await step(
        [queue, from, limit](sqlite_engine& e) { return e.requeue_failed(queue, from, limit); });
}
task<void> sqlite_store::set_suspended(bool on, std::optional<std::chrono::seconds> limit) {
    co_await step([on, limit](sqlite_engine& e) { e.set_suspended(on, limit); });
}
task<store_overview> sqlite_store::overview() {
    co_return co_await step([](sqlite_engine& e) { return e.overview(); });
}
task<std::vector<std::string>> sqlite_store::list(std::string queue, job_status status, std::size_t limit) {
    co_return co_await step(
        [queue, status, limit](sqlite_engine& e) { return e.list(queue, status, limit); });
}

task<void> sqlite_store::register_worker(worker_record worker, std::chrono::seconds lease) {
    co_await step(
        [worker = std::move(worker), lease](sqlite_engine& e) { e.register_worker(worker, lease); });
}
task<void> sqlite_store::unregister_worker(std::string name) {
    co_await step([name](sqlite_engine& e) { e.unregister_worker(name); });
}
task<heartbeat_answer> sqlite_store::heartbeat(heartbeat_request request) {
    co_return co_await step([request](sqlite_engine& e) { return e.heartbeat(request); });
}
task<take_answer> sqlite_store::take(take_request request) {
    co_return co_await step([request](sqlite_engine& e) { return e.take(request); });
}

task<std::optional<worker_command>> sqlite_store::wait_command(std::string worker,
                                                               std::chrono::milliseconds wait_max) {
    const time_point give_up = clock::now() + wait_max;
    for (;;) {
        const std::uint32_t seen = bell_->value(bell::commands);  // before the look: see doorbell.hpp
        std::optional<worker_command> found =
            co_await step([worker](sqlite_engine& e) { return e.take_command(worker); });
        const time_point now = clock::now();
        if (found || now >= give_up) co_return found;
        co_await rung(bell::commands, seen, std::chrono::ceil<std::chrono::milliseconds>(give_up - now));
    }
}

task<void> sqlite_store::wait_for_work(std::vector<std::string> queues, std::chrono::milliseconds wait_max) {
    std::uint32_t seen = bell_->value(bell::work);
    bool there = co_await step([queues](sqlite_engine& e) { return e.has_work(queues); });
    if (!there) co_await rung(bell::work, seen, wait_max);
}

task<std::vector<finish_answer>> sqlite_store::finish(std::string worker,
                                                      std::vector<execution_outcome> outcomes) {
    co_return co_await step(
        [worker, outcomes = std::move(outcomes)](sqlite_engine& e) { return e.finish(worker, outcomes); });
}
task<void> sqlite_store::hand_back(std::string worker, std::vector<execution_outcome> executions) {
    co_await step(
        [worker, executions = std::move(executions)](sqlite_engine& e) { e.hand_back(worker, executions); });
}
task<recover_answer> sqlite_store::recover(recover_request request) {
    co_return co_await step([request](sqlite_engine& e) { return e.recover(request); });
}
task<maintain_answer> sqlite_store::maintain(std::string, std::vector<std::string> queues, bool) {
    co_return co_await step([queues](sqlite_engine& e) { return e.maintain(queues); });
}

}  // namespace simul::detail
