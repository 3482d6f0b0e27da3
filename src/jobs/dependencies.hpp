#pragma once

#include <simul/jobs/record.hpp>

#include <functional>
#include <string>
#include <vector>

// What all stores say and check alike about jobs that wait for others.
//
// A dependency is met once it has finished, or failed where the waiting job allows that. One without a record
// counts as met too, as in RQ: what has finished expires. So a new job may not name one that has no record
// (it may never have been), and a step that takes away the record of a job that did not end so cancels those
// who wait for it.

namespace simul::detail {

/// What a store looks at before it enqueues anything, without knowing any other job.
/// Throws: job_errc::invalid_option for too many dependencies, or a due_at beside them; dependency_cycle for
/// a
///         job that names itself; id_in_use for an id that stands twice in `jobs`.
void check_enqueue(const std::vector<job_record>& jobs);
/// The same for one job.
void check_dependencies(const job_record& job);

constexpr bool is_met(job_status dependency, bool allow_failures) noexcept {
    return dependency == job_status::finished || (allow_failures && dependency == job_status::failed);
}

/// The way from `start` back to it, both ends named, or nothing. `waits_for` gives the ids that a job waits
/// for. Throws: job_errc::invalid_option after dependency_walk_max jobs.
std::vector<std::string> find_dependency_cycle(
    const std::string& start, const std::function<std::vector<std::string>(const std::string&)>& waits_for);

[[noreturn]] void throw_unknown_dependency(const std::string& job, const std::string& dependency);
[[noreturn]] void throw_later_dependency(const std::string& job, const std::string& dependency);
[[noreturn]] void throw_dependency_cycle(const std::vector<std::string>& way);
[[noreturn]] void throw_too_many_dependents(const std::string& job, const std::string& dependency);
[[noreturn]] void throw_walk_too_long(const std::string& job);

}  // namespace simul::detail
