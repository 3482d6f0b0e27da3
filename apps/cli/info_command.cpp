#include "command.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace simul::cli {

int info(const common_options& common, const std::vector<std::string>& only) {
    return run_command([&]() -> task<int> {
        std::unique_ptr<job_store> store = open(common);
        store_overview o = co_await store->overview();
        auto wanted = [&](const std::string& name) {
            return only.empty() || std::find(only.begin(), only.end(), name) != only.end();
        };
        if (common.json) {
            value queues = value::list();
            for (const queue_counts& q : o.queues) {
                if (!wanted(q.name)) continue;
                queues.push_back(value()
                                     .set("name", q.name)
                                     .set("queued", q.queued)
                                     .set("started", q.started)
                                     .set("finished", q.finished)
                                     .set("failed", q.failed)
                                     .set("deferred", q.deferred)
                                     .set("scheduled", q.scheduled)
                                     .set("canceled", q.canceled));
            }
            value workers = value::list();
            for (const worker_record& w : o.workers) {
                value running = value::list();
                for (const std::string& id : w.running) running.push_back(id);
                value listens = value::list();
                for (const std::string& q : w.queues) listens.push_back(q);
                workers.push_back(value()
                                      .set("name", w.name)
                                      .set("host", w.process.host)
                                      .set("pid", w.process.pid)
                                      .set("state", to_string(w.state))
                                      .set("queues", std::move(listens))
                                      .set("running", std::move(running))
                                      .set("successful", w.successful)
                                      .set("failed", w.failed)
                                      .set("last_heartbeat", to_iso(w.last_heartbeat)));
            }
            print_line(value()
                           .set("store", store->name())
                           .set("now", to_iso(o.now))
                           .set("suspended", o.suspended)
                           .set("queues", std::move(queues))
                           .set("workers", std::move(workers)));
            co_return ok;
        }
        std::int64_t most = 1;
        for (const queue_counts& q : o.queues) most = std::max(most, q.queued);
        std::size_t shown = 0;
        std::int64_t total = 0;
        for (const queue_counts& q : o.queues) {
            if (!wanted(q.name)) continue;
            ++shown;
            total += q.queued;
            std::string bar;
            for (std::int64_t i = 0; i < q.queued * 20 / most; ++i) bar += "█";
            print(fmt::format("{:<12} |{} {} queued, {} executing, {} finished, {} failed{}{}\n",
                              escape_controls(q.name), bar, q.queued, q.started, q.finished, q.failed,
                              q.scheduled != 0 ? fmt::format(", {} scheduled", q.scheduled) : "",
                              q.canceled != 0 ? fmt::format(", {} canceled", q.canceled) : ""));
        }
        print(fmt::format("{} queues, {} jobs queued\n\n", shown, total));
        std::size_t listed = 0;
        for (const worker_record& w : o.workers) {
            if (!only.empty() && std::none_of(w.queues.begin(), w.queues.end(), wanted)) continue;
            ++listed;
            std::string queues;
            for (const std::string& q : w.queues) queues += (queues.empty() ? "" : ", ") + q;
            print(fmt::format("{} ({} {}): {} {}. jobs: {} finished, {} failed\n", escape_controls(w.name),
                              escape_controls(w.process.host), w.process.pid, to_string(w.state),
                              escape_controls(queues), w.successful, w.failed));
        }
        print(fmt::format("{} workers, {} queues\n", listed, shown));
        if (o.suspended) print("\nWorkers are suspended: `simul resume` lets them go on.\n");
        co_return ok;
    });
}

}  // namespace simul::cli
