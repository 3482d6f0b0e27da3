#pragma once

#include <exception>
#include <vector>

/// Errors that came after the one that was thrown.
///
/// `all` and `with_group` throw the first error of their children. What the others threw while they were
/// being canceled is not lost: it is attached to the first, and run_main prints it below it.
namespace simul {

/// For how many thrown errors a thread remembers the attached ones; the oldest are forgotten first.
inline constexpr std::size_t attached_errors_max = 64;

/// Attaches `later` to `first`, the error that is going to be thrown.
void attach_error(const std::exception_ptr& first, std::exception_ptr later);

/// The errors attached to `error`, in the order they came. Same thread only.
std::vector<std::exception_ptr> attached_errors(const std::exception_ptr& error);

}  // namespace simul
