# simul_doctest(layer FILES file... LIBRARIES target... [BACKENDS uring epoll])
#
# One doctest program per layer, each of its test cases a test of ctest: "loop[uring]: a timer ...".
# The program itself writes the script that ctest reads (test/main.cpp), because names are sentences with
# commas, quotes and semicolons, which CMake's lists would take apart.

add_library(simul_test_main OBJECT "${CMAKE_CURRENT_SOURCE_DIR}/main.cpp")
target_link_libraries(simul_test_main PUBLIC doctest::doctest PRIVATE simul_flags)
# Else doctest only declares std::ostream, and a test compiles or not by what it happens to include.
target_compile_definitions(simul_test_main PUBLIC DOCTEST_CONFIG_USE_STD_HEADERS)

function(simul_doctest layer)
  cmake_parse_arguments(arg "" "" "FILES;LIBRARIES;BACKENDS" ${ARGN})
  set(target simul_${layer}_test)
  add_executable(${target} ${arg_FILES})
  target_link_libraries(${target} PRIVATE simul_test_main simul_flags doctest::doctest ${arg_LIBRARIES})
  simul_precompiled(${target})
  # Tests may look at private headers ("http/session.hpp") and at shared parts of tests ("contract/...").
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/test")
  target_compile_definitions(${target} PRIVATE
    SIMUL_TEST_DATA="${PROJECT_SOURCE_DIR}/test/data" SIMUL_TEST_LAYER="${layer}")
  set(script "${CMAKE_CURRENT_BINARY_DIR}/${target}.ctest")
  string(REPLACE ";" " " backends "${arg_BACKENDS}")
  add_custom_command(TARGET ${target} POST_BUILD
    COMMAND "${CMAKE_COMMAND}" -E env "SIMUL_CTEST_LAYER=${layer}" "SIMUL_CTEST_BACKENDS=${backends}"
            "SIMUL_CTEST_PROGRAM=$<TARGET_FILE:${target}>"
            "$<TARGET_FILE:${target}>" --list-test-cases --reporters=ctest --no-version "--out=${script}"
    BYPRODUCTS "${script}"
    VERBATIM)
  # Not built yet is a failing test, never a missing one.
  set(include "${CMAKE_CURRENT_BINARY_DIR}/${target}.include.cmake")
  file(WRITE "${include}"
    "if(EXISTS [==[${script}]==])\n  include([==[${script}]==])\n"
    "else()\n  add_test(${target}_is_not_built ${target}_is_not_built)\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${include}")
endfunction()
