#pragma once

#include <simul/codec/value.hpp>
#include <simul/core/async_event.hpp>
#include <simul/core/task.hpp>
#include <simul/threads/thread_pool.hpp>

#include <functional>

namespace simul::detail {

/// Runs the plain function of a job on a thread of `pool`.
///
/// What differs from thread_pool::run: it can be given up. A function that was canceled (its time is over) is
/// awaited, since a thread cannot be killed, but only until `given_up` is set: then the caller goes on,
/// `abandoned` counts one more, and the function runs on with what is its own. Lifetime: the pool must
/// outlive the function.
task<value> run_on_thread(thread_pool& pool, std::function<value()> f, async_event& given_up,
                          std::size_t& abandoned);

}  // namespace simul::detail
