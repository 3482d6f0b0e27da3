# simul_precompiled(target): with SIMUL_PCH, TARGET takes the headers of the standard library and of fmt precompiled,
# which is a third of what a small file costs.
#
# Off by default: what is precompiled is visible to every file, so a forgotten #include goes unseen, and ccache
# keeps nothing. It is for builds from nothing beside one without it, as CI's are.

function(simul_precompiled target)
  if(NOT SIMUL_PCH)
    return()
  endif()
  # Code for libraries and code for programs differ in -fPIC and -fPIE, and so must what they precompile.
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    set(shared simul_pch_program)
  else()
    set(shared simul_pch_library)
  endif()
  if(NOT TARGET ${shared})
    set(unit "${PROJECT_BINARY_DIR}/${shared}.cpp")
    file(CONFIGURE OUTPUT "${unit}" CONTENT "int main() {}\n")
    if(type STREQUAL "EXECUTABLE")
      add_executable(${shared} "${unit}")
    else()
      add_library(${shared} OBJECT "${unit}")
    endif()
    target_link_libraries(${shared} PRIVATE fmt::fmt Threads::Threads simul_flags)
    target_precompile_headers(${shared} PRIVATE
      <algorithm> <array> <atomic> <cerrno> <charconv> <chrono> <cmath> <concepts> <coroutine> <cstddef> <cstdint>
      <cstdlib> <cstring> <deque> <exception> <filesystem> <functional> <limits> <map> <memory> <mutex> <optional>
      <random> <ranges> <span> <sstream> <stdexcept> <stop_token> <string> <string_view> <system_error> <thread>
      <tuple> <type_traits> <unordered_map> <utility> <variant> <vector> <fmt/format.h>)
  endif()
  target_precompile_headers(${target} REUSE_FROM ${shared})
endfunction()
