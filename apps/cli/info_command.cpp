#include "command.hpp"

#include <simul/core/race.hpp>
#include <simul/loop/signals.hpp>
#include <simul/loop/sleep.hpp>

#include "time_text.hpp"

#include <fmt/format.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

// The forms of the text are those of `rq info`.

namespace simul::cli {
namespace {

bool listens(const worker_record& w, const std::string& queue) {
    return std::find(w.queues.begin(), w.queues.end(), queue) != w.queues.end();
}

/// What of the overview was asked for. A queue that was named is there also if nobody knows it, as in RQ.
store_overview chosen(store_overview all, const std::vector<std::string>& only) {
    if (only.empty()) return all;
    store_overview o = all;
    o.queues.clear();
    for (const std::string& name : only) {
        auto found = std::find_if(all.queues.begin(), all.queues.end(),
                                  [&](const queue_counts& q) { return q.name == name; });
        o.queues.push_back(found != all.queues.end() ? *found : queue_counts{});
        o.queues.back().name = name;
    }
    std::erase_if(o.workers, [&](const worker_record& w) {
        return std::none_of(only.begin(), only.end(), [&](const std::string& q) { return listens(w, q); });
    });
    return o;
}

// ---- JSON

value texts(const std::vector<std::string>& list) {
    value v = value::list();
    for (const std::string& text : list) v.push_back(text);
    return v;
}

value as_value(const queue_counts& q) {
    value v;
    v.set("name", q.name).set("queued", q.queued).set("started", q.started).set("finished", q.finished);
    v.set("failed", q.failed).set("deferred", q.deferred).set("scheduled", q.scheduled);
    v.set("canceled", q.canceled);
    return v;
}

value as_value(const worker_record& w) {
    value v;
    v.set("name", w.name).set("host", w.process.host).set("pid", w.process.pid);
    v.set("state", to_string(w.state)).set("queues", texts(w.queues)).set("running", texts(w.running));
    v.set("successful", w.successful).set("failed", w.failed);
    v.set("last_heartbeat", to_iso(w.last_heartbeat));
    return v;
}

value as_value(const std::string& store, const store_overview& o, const info_arguments& a) {
    value v;
    v.set("store", store).set("now", to_iso(o.now)).set("suspended", o.suspended);
    if (o.suspended_until) v.set("suspended_until", to_iso(*o.suspended_until));
    if (!a.only_workers) {
        value queues = value::list();
        for (const queue_counts& q : o.queues) queues.push_back(as_value(q));
        v.set("queues", std::move(queues));
    }
    if (!a.only_queues) {
        value workers = value::list();
        for (const worker_record& w : o.workers) workers.push_back(as_value(w));
        v.set("workers", std::move(workers));
    }
    return v;
}

// ---- text

// RQ's bar has at most 20 marks, for the first of these numbers that no queue exceeds.
std::int64_t marks(std::int64_t queued, std::int64_t most) {
    constexpr std::int64_t width = 20;
    constexpr std::array<std::int64_t, 8> scales{20, 50, 100, 200, 400, 600, 800, 1000};
    auto scale = std::find_if(scales.begin(), scales.end(), [&](std::int64_t s) { return most <= s; });
    const std::int64_t full = scale != scales.end() ? *scale : most;
    return static_cast<std::int64_t>(static_cast<double>(queued) / static_cast<double>(full) * width);
}

std::string queues_text(const store_overview& o, bool raw) {
    std::string text;
    std::int64_t most = 0;
    std::int64_t total = 0;
    for (const queue_counts& q : o.queues) {
        most = std::max(most, q.queued);
        total += q.queued;
    }
    for (const queue_counts& q : o.queues) {
        const std::string counts = fmt::format("{}, {} executing, {} finished, {} failed", q.queued,
                                               q.started, q.finished, q.failed);
        if (raw) {
            text += fmt::format("queue {} {}\n", escape_controls(q.name), counts);
            continue;
        }
        std::string bar;
        for (std::int64_t i = marks(q.queued, most); i > 0; --i) bar += "█";
        text += fmt::format("{:<12} |{} {}", escape_controls(q.name), bar, counts);
        // What RQ's does not tell.
        if (q.deferred != 0) text += fmt::format(", {} deferred", q.deferred);
        if (q.scheduled != 0) text += fmt::format(", {} scheduled", q.scheduled);
        if (q.canceled != 0) text += fmt::format(", {} canceled", q.canceled);
        text += '\n';
    }
    if (!raw) text += fmt::format("{} queues, {} jobs total\n", o.queues.size(), total);
    return text;
}

std::string by_queue_text(const store_overview& o) {
    std::string text;
    std::size_t longest = 0;
    for (const queue_counts& q : o.queues) longest = std::max(longest, escape_controls(q.name).size());
    for (const queue_counts& q : o.queues) {
        std::string names;
        for (const worker_record& w : o.workers)
            if (listens(w, q.name))
                names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", escape_controls(w.name),
                                     to_string(w.state));
        text += fmt::format("{:<{}} {}\n", escape_controls(q.name) + ":", longest + 1,
                            names.empty() ? "–" : names);
    }
    return text;
}

std::string workers_text(const store_overview& o, const info_arguments& a) {
    std::string text;
    if (a.by_queue) text = by_queue_text(o);
    for (const worker_record& w : o.workers) {
        if (a.by_queue) break;
        std::string queues;
        for (const std::string& q : w.queues) queues += (queues.empty() ? "" : ", ") + q;
        text += fmt::format("{}{} ({} {} {}){} {} {}. jobs: {} finished, {} failed\n", a.raw ? "worker " : "",
                            escape_controls(w.name), escape_controls(w.process.host),
                            w.address.empty() ? "unknown" : escape_controls(w.address), w.process.pid,
                            a.raw ? "" : ":", to_string(w.state), escape_controls(queues), w.successful,
                            w.failed);
    }
    if (!a.raw) text += fmt::format("{} workers, {} queues\n", o.workers.size(), o.queues.size());
    return text;
}

std::string info_text(const store_overview& o, const info_arguments& a) {
    if (a.only_queues) return queues_text(o, a.raw);
    if (a.only_workers) return workers_text(o, a);
    std::string text = queues_text(o, a.raw);
    if (!a.raw) text += '\n';
    text += workers_text(o, a);
    if (a.raw) return text;
    if (o.suspended)
        text += fmt::format(
            "\nWorkers are suspended{}: `simul resume` lets them go on.\n",
            o.suspended_until ? fmt::format(" until {}", local_time_text(*o.suspended_until)) : "");
    return text + fmt::format("\nUpdated: {}\n", python_now_text(o.now));
}

// Each line over the one that stood there, and what is left of the old picture cleared: nothing flickers.
std::string redrawn(const std::string& text) {
    std::string out = "\x1b[H";
    for (char c : text) out += c == '\n' ? std::string("\x1b[K\n") : std::string(1, c);
    return out + "\x1b[J";
}

task<void> show_again(job_store& store, const common_options& common, const info_arguments& a) {
    const bool terminal = !common.json && ::isatty(STDOUT_FILENO) == 1;
    const auto pause =
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::duration<double>(a.interval));
    if (terminal) print("\x1b[2J");
    for (bool first = true;; first = false) {
        const store_overview all = co_await store.overview();
        const store_overview o = chosen(all, a.queues);
        if (common.json)
            print_line(as_value(store.name(), o, a));
        else if (terminal)
            print(redrawn(info_text(o, a)));
        else
            print((first ? "" : "\n") + info_text(o, a));
        if (!flush_output()) co_return;  // nobody reads it any more
        co_await sleep_for(pause);
    }
}

// By who started the program, for example a shell that runs it in the background: it stays so.
bool is_ignored(int number) {
    struct sigaction now{};
    return ::sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

}  // namespace

int info(const common_options& common, const info_arguments& a) {
    return run_command([&]() -> task<int> {
        std::unique_ptr<job_store> store = open(common);
        if (a.interval > 0) {
            int stopped_by = 0;
            auto until_signal = [&]() -> task<void> {
                signal_stream stop =
                    is_ignored(SIGINT) ? signal_stream{SIGTERM} : signal_stream{SIGINT, SIGTERM};
                stopped_by = co_await stop.next();
            };
            co_await race(show_again(*store, common, a), until_signal());
            co_return stopped_by == 0 ? failed : 128 + stopped_by;
        }
        const store_overview all = co_await store->overview();
        const store_overview o = chosen(all, a.queues);
        if (common.json)
            print_line(as_value(store->name(), o, a));
        else
            print(info_text(o, a));
        co_return ok;
    });
}

}  // namespace simul::cli
