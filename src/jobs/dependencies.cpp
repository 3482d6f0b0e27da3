#include "jobs/dependencies.hpp"

#include <simul/jobs/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_set>

namespace simul::detail {

void check_dependencies(const job_record& job) {
    if (job.depends_on.empty()) return;
    if (job.depends_on.size() > job_dependencies_max)
        throw_job_error(
            job_errc::invalid_option,
            fmt::format("job {} depends on {} jobs; the most is simul::job_dependencies_max, {}. Let a job "
                        "wait for a part of them, and this one for such jobs",
                        job.id, job.depends_on.size(), job_dependencies_max));
    if (std::find(job.depends_on.begin(), job.depends_on.end(), job.id) != job.depends_on.end())
        throw_dependency_cycle({job.id, job.id});
    if (job.due_at)
        throw_job_error(job_errc::invalid_option,
                        fmt::format("job {} is delayed and depends on other jobs; it can be one of both. "
                                    "Enqueue it with the delay when the other jobs have ended",
                                    job.id));
}

void check_enqueue(const std::vector<job_record>& jobs) {
    std::unordered_set<std::string_view> ids;
    for (const job_record& j : jobs) {
        check_dependencies(j);
        if (jobs.size() > 1 && !ids.insert(j.id).second)
            throw_job_error(job_errc::id_in_use,
                            fmt::format("two jobs of one enqueue have the id {}; choose another id", j.id));
    }
}

std::vector<std::string> find_dependency_cycle(
    const std::string& start, const std::function<std::vector<std::string>(const std::string&)>& waits_for) {
    std::map<std::string, std::string> came_from;  // by what job each one was reached
    std::vector<std::string> open{start};
    std::size_t walked = 0;
    while (!open.empty()) {
        const std::string job = std::move(open.back());
        open.pop_back();
        if (++walked > dependency_walk_max) throw_walk_too_long(start);
        for (std::string& next : waits_for(job)) {
            if (next == start) {
                std::vector<std::string> way{start};
                for (std::string at = job; at != start; at = came_from.at(at)) way.push_back(at);
                way.push_back(start);
                std::reverse(way.begin(), way.end());
                return way;
            }
            if (came_from.emplace(next, job).second) open.push_back(std::move(next));
        }
    }
    return {};
}

void throw_unknown_dependency(const std::string& job, const std::string& dependency) {
    throw_job_error(
        job_errc::no_such_job,
        fmt::format("job {} depends on {}, of which there is no record: it was never enqueued, or it has "
                    "ended and its record has expired. Enqueue it before (or before it in the same "
                    "enqueue_many), give it a longer result_ttl, or leave it out of depends_on",
                    job, dependency));
}

void throw_later_dependency(const std::string& job, const std::string& dependency) {
    throw_job_error(
        job_errc::no_such_job,
        fmt::format("job {} depends on {}, which comes behind it in the same enqueue; put {} before it", job,
                    dependency, dependency));
}

void throw_dependency_cycle(const std::vector<std::string>& way) {
    std::string text;
    for (const std::string& id : way) text += (text.empty() ? "" : " -> ") + id;
    throw_job_error(job_errc::dependency_cycle,
                    fmt::format("job {} would wait for itself: {} (each depends on the next); leave one of "
                                "these dependencies out",
                                way.front(), text));
}

void throw_too_many_dependents(const std::string& job, const std::string& dependency) {
    throw_job_error(job_errc::invalid_option,
                    fmt::format("{} jobs wait for {} already, simul::job_dependents_max; let {} and others "
                                "wait for a job that depends on it",
                                job_dependents_max, dependency, job));
}

void throw_walk_too_long(const std::string& job) {
    throw_job_error(job_errc::invalid_option,
                    fmt::format("the jobs that {} would wait for wait for more than "
                                "simul::dependency_walk_max, {}, others, so that it cannot be seen whether "
                                "one of them waits for {}; choose another id for it",
                                job, dependency_walk_max, job));
}

}  // namespace simul::detail
