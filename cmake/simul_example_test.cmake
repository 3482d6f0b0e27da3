# simul_example_test(NAME EXPECTED file [SORTED] [STATUS n] [ARGUMENTS arg...] [ENVIRONMENT name=value...] [TITLE text])
#
# Runs the example NAME and compares what it prints to stdout with the file, byte for byte. SORTED compares the
# lines in any order: for programs whose parts run at the same time. STATUS is the exit status, 0 if not said.
function(simul_example_test name)
  cmake_parse_arguments(arg "SORTED" "EXPECTED;STATUS;TITLE" "ARGUMENTS;ENVIRONMENT" ${ARGN})
  if(NOT arg_TITLE)
    set(arg_TITLE "prints what the article prints")
  endif()
  if(NOT arg_STATUS)
    set(arg_STATUS 0)
  endif()
  set(options --status ${arg_STATUS})
  if(arg_SORTED)
    list(APPEND options --sorted)
  endif()
  if(arg_EXPECTED)
    cmake_path(ABSOLUTE_PATH arg_EXPECTED)
    list(APPEND options --expected "${arg_EXPECTED}")
  endif()
  set(title "example ${name}: ${arg_TITLE}")
  add_test(NAME "${title}"
    COMMAND ${SIMUL_PYTHON} "${PROJECT_SOURCE_DIR}/test/examples/run_example.py" ${options}
            -- $<TARGET_FILE:example_${name}> ${arg_ARGUMENTS})
  set_tests_properties("${title}" PROPERTIES LABELS example TIMEOUT 60 ENVIRONMENT "${arg_ENVIRONMENT}")
endfunction()
