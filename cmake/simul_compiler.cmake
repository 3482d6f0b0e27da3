# Language standard, warnings, sanitizers and compiler cache, for everything in this project.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# The code has no modules; scanning for them would cost a process per file.
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)

# Is this a compiler whose coroutines behave? Asked once per compiler, answered by running programs.
set(simul_compiler_id "${CMAKE_CXX_COMPILER} ${CMAKE_CXX_COMPILER_VERSION}")
if(NOT SIMUL_PROBED_COMPILER STREQUAL simul_compiler_id)
  message(STATUS "Probing the coroutines of ${simul_compiler_id}")
  execute_process(COMMAND "${PROJECT_SOURCE_DIR}/tools/probe" "${CMAKE_CXX_COMPILER}"
    RESULT_VARIABLE status ERROR_VARIABLE reason)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${reason}")
  endif()
  set(SIMUL_PROBED_COMPILER "${simul_compiler_id}" CACHE INTERNAL "The compiler that passed tools/probe")
endif()

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

# -g1 keeps function names and lines, which is what a stack trace needs, at a third of the link time of -g.
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g1")

find_program(SIMUL_CCACHE ccache)
if(SIMUL_CCACHE AND NOT SIMUL_PCH AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # "Depend" saves the preprocessor's run before every compilation that is not in the cache.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_DEPEND=1 "${SIMUL_CCACHE}")
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()

# The flags of simul's own code. They are PRIVATE: a program that uses simul keeps its own.
add_library(simul_flags INTERFACE)
target_compile_options(simul_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion>
  # What g++ counts as shadowing beside clang.
  $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wshadow-field-in-constructor>
  $<$<AND:$<BOOL:${SIMUL_WERROR}>,$<COMPILE_LANGUAGE:CXX>>:-Werror>)

if(SIMUL_SANITIZE)
  add_compile_options(-fsanitize=${SIMUL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SIMUL_SANITIZE})
endif()
