#include "command.hpp"

#include <simul/jobs/error.hpp>
#include <simul/jobs/module.hpp>
#include <simul/jobs/worker.hpp>
#include <simul/processes/subprocess.hpp>
#include <simul/processes/zygote.hpp>

#include <fmt/format.h>

#include <memory>
#include <stdexcept>
#include <vector>

namespace simul::cli {
namespace {

constexpr std::size_t tail_bytes_max = 4096;

std::string tail(const std::string& text) {
    if (text.size() <= tail_bytes_max) return text;
    std::string_view end = std::string_view(text).substr(text.size() - tail_bytes_max);
    std::size_t line = end.find('\n');
    return "..." + std::string(line == end.npos ? end : end.substr(line));
}

void add_handlers_of(const simul::module& m, worker& w) {
    try {
        m.add_handlers(w);
    } catch (const std::exception& e) {
        throw std::runtime_error(fmt::format("module {}: {}", m.path(), e.what()));
    }
}

}  // namespace

// The result keeps the exit status and the end of both outputs. A status other than 0 is a failure of the
// job, so that its retries apply.
task<value> run_exec(job_call call) {
    if (call.args.size() != 1 || !call.args[0].is_sequence() || call.args[0].size() == 0)
        throw_job_error(job_errc::wrong_arguments,
                        "simul.exec() takes one argument: the list of the command's words");
    subprocess_options options;
    options.program = call.args[0][0].as_string();
    for (std::size_t i = 1; i < call.args[0].size(); ++i)
        options.arguments.push_back(call.args[0][i].as_string());
    for (const value::entry& e : call.kwargs)
        if (e.key.as_string() == "cwd") options.directory = e.value.as_string();
    subprocess_result done = co_await subprocess(std::move(options)).run();
    print(done.output);
    std::fwrite(done.errors.data(), 1, done.errors.size(), stderr);
    (void)flush_output();
    done.throw_for_status();
    value result;
    result.set("status", 0).set("stdout", tail(done.output)).set("stderr", tail(done.errors));
    co_return result;
}

int run_worker(const common_options& common, const worker_arguments& a) {
    try {
        // The order matters: what modules bring must be there when the zygote is forked, and that must be
        // before the store starts its thread.
        std::vector<simul::module> modules;
        for (const std::string& path : a.modules) modules.emplace_back(path);
        zygote::start();

        std::string url = common.store_url.empty() ? default_store_url() : common.store_url;
        prepare_default_store(url);
        std::unique_ptr<job_store> store = open_store(url);
        bool exec = a.allow_exec || store->private_to_owner();

        worker_options options;
        if (!a.queues.empty()) options.queues = a.queues;
        options.name = a.name;
        options.burst = a.burst;
        if (a.max_jobs != 0) options.max_jobs = a.max_jobs;
        options.concurrency = a.concurrency;
        options.rerun_rq_jobs = a.rerun_rq_jobs;
        worker w(std::move(store), options);
        if (exec) {
            w.handle_call(exec_function, job_kind::coroutine, run_exec);
        } else {
            w.handle_call(exec_function, job_kind::coroutine, [](job_call) -> task<value> {
                throw_job_error(job_errc::not_allowed,
                                "commands run only where the worker allows them: others can write to this "
                                "store; start the worker with --allow-exec");
                co_return value();
            });
        }
        for (const simul::module& m : modules) add_handlers_of(m, w);
        try {
            run_until_signaled(w);
        } catch (...) {  // reported below, unless waiting for the worker's threads would never end
            if (w.lost_slots() == 0) throw;
            exit_if_slots_were_lost(w, report(std::current_exception()));
        }
        exit_if_slots_were_lost(w, failed);
        return ok;
    } catch (...) {  // the edge of the program: recorded
        return report(std::current_exception());
    }
}

}  // namespace simul::cli
