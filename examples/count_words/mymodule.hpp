#pragma once

#include <simul/jobs/job.hpp>

#include <string>

// What client and worker share: the contract. The name is the one RQ gives a Python function of that module,
// so a Python client may enqueue it for this worker, and this client for a Python worker.
inline constexpr simul::job<int(std::string)> count_words_at_url{"mymodule.count_words_at_url", {"url"}};
