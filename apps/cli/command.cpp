#include "command.hpp"

#include <simul/codec/json.hpp>
#include <simul/codec/python_text.hpp>
#include <simul/jobs/error.hpp>
#include <simul/loop/run.hpp>
#include <simul/net/error.hpp>
#include <simul/redis/error.hpp>
#include <simul/sqlite/error.hpp>

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace simul::cli {
namespace {

std::string home_folder() {
    if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') return state;
    const char* home = std::getenv("HOME");
    return std::string(home != nullptr && *home == '/' ? home : "/var/tmp") + "/.local/state";
}

// The exit status for what the queue itself says.
int status_of(job_errc e) {
    switch (e) {
        case job_errc::invalid_id:
        case job_errc::invalid_queue:
        case job_errc::invalid_option:
        case job_errc::data_too_large:
        case job_errc::bad_module:
        case job_errc::dependency_cycle:
            return usage;
        case job_errc::unknown_store:
            return no_store;
        case job_errc::no_such_job:
        case job_errc::expired:
            return no_job;
        case job_errc::canceled:
        case job_errc::stopped:
            return job_ended_bad;
        case job_errc::id_in_use:
        case job_errc::worker_name_taken:
        case job_errc::wrong_state:
        case job_errc::bad_payload:
        case job_errc::wrong_arguments:
        case job_errc::unknown_function:
        case job_errc::not_allowed:
        case job_errc::no_such_worker:
            return failed;
    }
    return failed;
}

}  // namespace

std::string default_store_url() { return "sqlite://" + home_folder() + "/simul/jobs.db"; }

void prepare_default_store(const std::string& url) {
    if (url != default_store_url()) return;
    std::filesystem::path folder = home_folder() + "/simul";
    std::error_code error;
    if (std::filesystem::exists(folder, error)) return;
    std::filesystem::create_directories(folder, error);
    if (error) throw std::system_error(error, "make the folder " + folder.string());
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
}

std::unique_ptr<job_store> open(const common_options& common) {
    std::string url = common.store_url.empty() ? default_store_url() : common.store_url;
    prepare_default_store(url);
    return open_store(url);
}

int run_command(const std::function<task<int>()>& body) {
    try {
        return simul::run(body);
    } catch (...) {  // the edge of the program: recorded
        return report(std::current_exception());
    }
}

value printable(const value& v) {
    try {
        (void)json::dump(v);
        return v;
    } catch (const std::exception&) {  // only asked whether it can be written
        return value(python_repr(v));
    }
}

std::chrono::seconds read_duration(const std::string& text, std::string_view option) {
    if (text == "-1") return forever;
    std::int64_t total = 0;
    std::size_t at = 0;
    while (at < text.size() && total <= job_duration_max.count()) {
        std::int64_t n = 0;
        auto [end, ec] = std::from_chars(text.data() + at, text.data() + text.size(), n);
        if (ec != std::errc() || n < 0 || n > 10'000'000'000) break;
        at = static_cast<std::size_t>(end - text.data());
        std::int64_t unit = 1;
        if (at < text.size()) {
            switch (text[at]) {
                case 's':
                    unit = 1;
                    break;
                case 'm':
                    unit = 60;
                    break;
                case 'h':
                    unit = 3'600;
                    break;
                case 'd':
                    unit = 86'400;
                    break;
                default:
                    unit = 0;
                    break;
            }
            ++at;
        }
        if (unit == 0) {
            at = text.size() + 1;
            break;
        }
        total += n * unit;
        if (at == text.size() && total <= job_duration_max.count()) return std::chrono::seconds(total);
    }
    throw_job_error(
        job_errc::invalid_option,
        fmt::format("--{} is '{}'; write seconds, or 90s, 5m, 1h30m, 2d, at most {}d (100 years), or -1",
                    option, text, job_duration_max.count() / 86'400));
}

int report(std::exception_ptr error) {
    std::string text;
    int status = failed;
    try {
        std::rethrow_exception(error);
    } catch (const job_failed& e) {
        text = fmt::format("job {} failed: {}", e.job_id(), e.what());
        status = job_ended_bad;
    } catch (const std::system_error& e) {
        text = e.what();
        if (e.code().category() == job_category())
            status = status_of(static_cast<job_errc>(e.code().value()));
        else if (e.code().category() == sqlite::category() ||
                 e.code().category() == sqlite::result_category() ||
                 e.code().category() == redis::client_category() || e.code().category() == net_category() ||
                 e.code().category() == resolver_category() ||
                 e.code() == std::errc::no_such_file_or_directory ||
                 e.code() == std::errc::permission_denied || e.code() == condition::disconnected ||
                 e.code() == condition::retry_later || e.code() == condition::timed_out)
            status = no_store;
    } catch (const std::exception& e) {
        text = e.what();
    } catch (...) {  // the edge of the program: recorded
        text = "unknown error";
    }
    (void)flush_output();
    std::fputs(fmt::format("simul: {}\n", escape_controls(text)).c_str(), stderr);
    return status;
}

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }
void print_line(const value& v) { print(json::dump(v) + "\n"); }

bool flush_output() {
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return true;
    static bool told = false;
    if (!told && errno != EPIPE) std::fputs("simul: stdout could not be written\n", stderr);
    told = true;
    return false;
}

}  // namespace simul::cli
