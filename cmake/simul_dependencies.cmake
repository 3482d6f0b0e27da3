# Third-party libraries, found once, with a line each for the summary at the end of configuring.
# tools/packages.txt lists the Debian packages they come from.

set_property(GLOBAL PROPERTY SIMUL_SUMMARY "")

function(simul_summary what value)
  set_property(GLOBAL APPEND PROPERTY SIMUL_SUMMARY "${what}|${value}")
endfunction()

function(simul_missing what package)
  message(FATAL_ERROR
    "simul needs ${what}, which was not found.\n"
    "Install the package ${package}, or run tools/install, which installs everything in tools/packages.txt.")
endfunction()

find_package(PkgConfig QUIET)
if(NOT PKG_CONFIG_FOUND)
  simul_missing("pkg-config" "pkgconf")
endif()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

find_package(fmt QUIET)
if(NOT fmt_FOUND)
  simul_missing("fmt" "libfmt-dev")
endif()
simul_summary("fmt" "${fmt_VERSION}")

find_package(OpenSSL 3.0 QUIET)
if(NOT OPENSSL_FOUND)
  simul_missing("OpenSSL 3" "libssl-dev")
endif()
simul_summary("OpenSSL" "${OPENSSL_VERSION}")

find_package(ZLIB QUIET)
if(NOT ZLIB_FOUND)
  simul_missing("zlib" "zlib1g-dev")
endif()
simul_summary("zlib" "${ZLIB_VERSION_STRING}")

find_package(date QUIET)
if(NOT date_FOUND)
  simul_missing("date (time zones)" "libhowardhinnant-date-dev")
endif()
simul_summary("date" "${date_VERSION}")

find_package(simdjson QUIET)
if(NOT simdjson_FOUND)
  simul_missing("simdjson" "libsimdjson-dev")
endif()
simul_summary("simdjson" "${simdjson_VERSION}")

# SQLite: the system's library, or a newer amalgamation. Linked as `simul_sqlite3` either way.
add_library(simul_sqlite3 INTERFACE)
if(SIMUL_SQLITE_AMALGAMATION)
  if(NOT EXISTS "${SIMUL_SQLITE_AMALGAMATION}/sqlite3.c")
    message(FATAL_ERROR "SIMUL_SQLITE_AMALGAMATION=${SIMUL_SQLITE_AMALGAMATION} has no sqlite3.c: "
      "name the folder that holds sqlite3.c and sqlite3.h.")
  endif()
  add_library(simul_sqlite3_amalgamation STATIC "${SIMUL_SQLITE_AMALGAMATION}/sqlite3.c")
  target_include_directories(simul_sqlite3_amalgamation SYSTEM PUBLIC
    $<BUILD_INTERFACE:${SIMUL_SQLITE_AMALGAMATION}>)
  target_compile_definitions(simul_sqlite3_amalgamation PRIVATE
    SQLITE_THREADSAFE=2 SQLITE_DQS=0 SQLITE_DEFAULT_MEMSTATUS=0 SQLITE_OMIT_SHARED_CACHE
    SQLITE_OMIT_LOAD_EXTENSION SQLITE_LIKE_DOESNT_MATCH_BLOBS)
  target_compile_options(simul_sqlite3_amalgamation PRIVATE -w)
  target_link_libraries(simul_sqlite3 INTERFACE simul_sqlite3_amalgamation)
  simul_summary("SQLite" "amalgamation in ${SIMUL_SQLITE_AMALGAMATION}")
else()
  find_package(SQLite3 QUIET)
  if(NOT SQLite3_FOUND)
    simul_missing("SQLite 3" "libsqlite3-dev")
  endif()
  target_link_libraries(simul_sqlite3 INTERFACE SQLite::SQLite3)
  simul_summary("SQLite" "${SQLite3_VERSION}")
endif()

# llhttp: the library where the distribution has one (Debian 13), else the generated C sources that
# Debian 12 ships in node-llhttp. Both are compiled against with strict mode: without it version 8 accepts
# two known ways of request smuggling.
pkg_check_modules(SIMUL_LLHTTP_PC QUIET IMPORTED_TARGET libllhttp)
if(SIMUL_LLHTTP_PC_FOUND)
  add_library(simul_llhttp INTERFACE)
  target_link_libraries(simul_llhttp INTERFACE PkgConfig::SIMUL_LLHTTP_PC)
  target_compile_definitions(simul_llhttp INTERFACE LLHTTP_STRICT_MODE=1)
  simul_summary("llhttp" "${SIMUL_LLHTTP_PC_VERSION}, library")
else()
  find_path(SIMUL_LLHTTP_INCLUDE llhttp.h PATHS /usr/share/include PATH_SUFFIXES llhttp)
  find_path(SIMUL_LLHTTP_SOURCES llhttp.c PATHS /usr/share/llhttp)
  if(NOT SIMUL_LLHTTP_INCLUDE OR NOT SIMUL_LLHTTP_SOURCES)
    simul_missing("llhttp" "libllhttp-dev (Debian 13) or node-llhttp (Debian 12)")
  endif()
  add_library(simul_llhttp STATIC
    "${SIMUL_LLHTTP_SOURCES}/api.c" "${SIMUL_LLHTTP_SOURCES}/http.c" "${SIMUL_LLHTTP_SOURCES}/llhttp.c")
  target_include_directories(simul_llhttp SYSTEM PUBLIC $<BUILD_INTERFACE:${SIMUL_LLHTTP_INCLUDE}>)
  target_compile_definitions(simul_llhttp PUBLIC LLHTTP_STRICT_MODE=1)
  target_compile_options(simul_llhttp PRIVATE -w)
  simul_summary("llhttp" "sources in ${SIMUL_LLHTTP_SOURCES}")
endif()

# Debian's own Python first: it sees Debian's modules (python3-rq), one from elsewhere in PATH does not.
find_program(SIMUL_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(SIMUL_PYTHON python3)
if(SIMUL_TESTS AND NOT SIMUL_PYTHON)
  simul_missing("Python 3" "python3")
endif()

# For programs and tests only. Each is a line in the summary, and a clear error where something needs it.
find_package(spdlog QUIET)
if(spdlog_FOUND)
  simul_summary("spdlog" "${spdlog_VERSION}")
else()
  simul_summary("spdlog" "not found")
endif()
find_package(CLI11 QUIET)
if(CLI11_FOUND)
  simul_summary("CLI11" "${CLI11_VERSION}")
else()
  simul_summary("CLI11" "not found")
endif()
if(SIMUL_APPS)
  if(NOT spdlog_FOUND)
    simul_missing("spdlog" "libspdlog-dev")
  endif()
  if(NOT CLI11_FOUND)
    simul_missing("CLI11" "libcli11-dev")
  endif()
endif()
if(SIMUL_TESTS)
  find_package(doctest QUIET)
  if(NOT doctest_FOUND)
    simul_missing("doctest" "doctest-dev")
  endif()
  simul_summary("doctest" "${doctest_VERSION}")
  find_package(rapidcheck QUIET)
  if(NOT rapidcheck_FOUND)
    simul_missing("rapidcheck" "librapidcheck-dev")
  endif()
endif()

function(simul_print_summary)
  get_property(lines GLOBAL PROPERTY SIMUL_SUMMARY)
  message(STATUS "simul ${PROJECT_VERSION}: ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}, "
    "${CMAKE_BUILD_TYPE}, sanitizers: '${SIMUL_SANITIZE}', shared: ${BUILD_SHARED_LIBS}")
  foreach(line IN LISTS lines)
    string(REPLACE "|" ";" line "${line}")
    list(GET line 0 what)
    list(GET line 1 value)
    message(STATUS "  ${what}: ${value}")
  endforeach()
endfunction()
