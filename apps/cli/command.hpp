#pragma once

#include <simul/codec/value.hpp>
#include <simul/jobs/job_queue.hpp>
#include <simul/jobs/payload.hpp>
#include <simul/jobs/store.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace simul::cli {

/// Exit statuses; `simul --help` lists them.
enum status : int {
    ok = 0,
    failed = 1,        ///< something went wrong; stderr says what
    usage = 2,         ///< the command line is wrong
    no_store = 3,      ///< the store cannot be opened or reached
    no_job = 4,        ///< no such job
    job_ended_bad = 5  ///< --wait: the job failed or was canceled
};

/// What all commands share.
struct common_options {
    std::string store_url;
    bool json = false;
};

/// The store that --store, SIMUL_STORE or the default names.
std::string default_store_url();
/// Makes the folder of the default store. Does nothing for others.
void prepare_default_store(const std::string& url);

/// Opens that store. Throws: as open_store().
std::unique_ptr<job_store> open(const common_options& common);
/// Runs a command on a loop of its own; its error becomes one line on stderr and a status.
int run_command(const std::function<task<int>()>& body);
/// `v` as it can be printed in JSON: bytes, which have no form there, as Python would write them.
value printable(const value& v);

/// The largest file that an argument "@FILE" may name.
inline constexpr std::size_t argument_file_bytes_max = job_data_bytes_max;

/// "text", ":json", "%python literal", "k=text", "k:=json", "k%=python literal", as RQ reads them; a value
/// that begins with @ is read from that file. Throws: job_errc::invalid_option.
void add_argument(job_call& call, const std::string& text);

/// Prints what went wrong on stderr in one line, and gives the exit status for it.
int report(std::exception_ptr error);

/// Writes to stdout; what could not be written is noticed by flush_output().
void print(std::string_view text);
void print_line(const value& json);
bool flush_output();

struct worker_arguments {
    std::vector<std::string> queues;
    std::vector<std::string> modules;
    std::string name;
    bool burst = false;
    bool allow_exec = false;
    bool with_scheduler = false;  // accepted: this step is always on
    std::size_t max_jobs = 0;     // 0: no end
    std::size_t concurrency = 0;  // 0: the worker's default
    bool rerun_rq_jobs = false;
};
int run_worker(const common_options& common, const worker_arguments& arguments);

struct enqueue_arguments {
    std::string queue = "default";
    std::string function;
    std::vector<std::string> arguments;
    bool exec = false;
    bool wait = false;
    bool quiet = false;
    bool at_front = false;
    std::string id;
    std::string description;
    int retry_max = 0;
    std::vector<std::string> retry_intervals;
    std::vector<std::string> depends_on;
    bool allow_dependency_failures = false;
    std::string timeout, ttl, result_ttl, failure_ttl, schedule_in, schedule_at;
};
int enqueue(const common_options& common, const enqueue_arguments& arguments);

/// How often `info --watch` looks, where --interval does not say.
inline constexpr double watch_interval_default = 2;

struct info_arguments {
    std::vector<std::string> queues;
    bool only_queues = false;
    bool only_workers = false;
    bool by_queue = false;
    bool raw = false;
    double interval = 0;  // seconds; 0: once
};
int info(const common_options& common, const info_arguments& arguments);

/// How many jobs of each status and queue `job --status` lists, where --limit does not say.
inline constexpr std::size_t jobs_listed_default = 20;

struct list_arguments {
    std::string queue;   // empty: all
    std::string status;  // empty: all
    std::size_t limit = jobs_listed_default;
};
int show_job(const common_options& common, const std::string& id);
int list_jobs(const common_options& common, const list_arguments& arguments);

struct requeue_arguments {
    std::vector<std::string> ids;
    std::string queue;
    bool all = false;
};
int requeue(const common_options& common, const requeue_arguments& arguments);
int cancel(const common_options& common, const std::vector<std::string>& ids, bool enqueue_dependents);
int stop(const common_options& common, const std::vector<std::string>& ids);
/// Sends `kind` to each worker.
int command_workers(const common_options& common, const std::vector<std::string>& names,
                    worker_command_kind kind);
/// `queues` empty: all that there are.
int empty(const common_options& common, const std::vector<std::string>& queues);
/// `time_limit` empty: until resume.
int suspend(const common_options& common, const std::string& time_limit);
int resume(const common_options& common);

/// The words of a command as a shell would need them: quoted where it is necessary.
std::string shell_words(const std::vector<std::string>& words);

/// "90", "5m", "1h30m", "2d", "-1": seconds. Throws: job_errc::invalid_option naming `option`.
std::chrono::seconds read_duration(const std::string& text, std::string_view option);

/// Jobs of `simul enqueue --exec`: the name they go by, and what runs them.
inline constexpr const char* exec_function = "simul.exec";
task<value> run_exec(job_call call);

}  // namespace simul::cli
