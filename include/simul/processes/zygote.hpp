#pragma once

#include <sys/types.h>

/// The zygote: the process from which all worker processes are forked.
///
/// Forking a program that has threads is not safe: the child has one thread, and whatever lock another thread
/// held (that of malloc, say) is held there for ever. It is slow too when the program is large. So one
/// process is forked while the program is small and has no threads, does nothing but fork workers when asked,
/// and is the program as it was then: its functions, its loaded shared objects, its environment, the values
/// of its globals.
///
/// The zygote ends when the program ends, however that happens, and kills its workers first. If it is killed
/// by somebody else, its workers die with it: their calls fail with worker_died. The next start makes a new
/// zygote where the program has no threads, and fails with process_errc::zygote_died where it has some.
/// Workers and zygote: stdin is /dev/null, stdout and stderr are the program's, all other descriptors are
/// closed, signals have their default actions. Each worker leads a process group, which ends with it.
namespace simul::zygote {

/// Creates the zygote, or does nothing if there is one.
///
/// The first process or process_pool does this by itself. Call it at the top of main if the program starts
/// threads, opens stores or runs a loop before that; load shared objects with functions for workers earlier
/// still. What stdio and the standard streams have buffered is written out first, so nothing is printed
/// twice. Throws: process_errc::threads_exist if it is too late; std::system_error if the system refuses.
void start();

/// There is one, it was made by this process, and it lives.
bool running() noexcept;

/// Its pid; 0 if there is none.
pid_t pid() noexcept;

/// Ends the zygote and all workers, and waits for it. Calls that run fail with worker_died, processes that
/// run with process_errc::zygote_died.
void stop() noexcept;

}  // namespace simul::zygote
