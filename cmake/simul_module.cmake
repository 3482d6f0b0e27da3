# Modules: shared objects with job functions that a worker program loads (simul/jobs/module.hpp).
#
# simul::module             what a module links to. It uses the program's copy of simul: where simul is static, only
#                           its headers, since a second copy inside the module would be another library.
# simul_for_modules(program)  makes a program that can load them: it has all of simul, not only what it calls
#                           itself, and shows it to what it loads.

add_library(simul_module INTERFACE)
add_library(simul::module ALIAS simul_module)
set_target_properties(simul_module PROPERTIES EXPORT_NAME module)
if(BUILD_SHARED_LIBS)
  target_link_libraries(simul_module INTERFACE simul::jobs)
else()
  target_compile_features(simul_module INTERFACE cxx_std_20)
  target_include_directories(simul_module INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(simul_module INTERFACE fmt::fmt Threads::Threads)
endif()

function(simul_for_modules program)
  set_target_properties(${program} PROPERTIES ENABLE_EXPORTS ON)
  if(BUILD_SHARED_LIBS)
    return()
  endif()
  # The objects themselves: of an archive the linker takes only what somebody asks for.
  get_property(layers GLOBAL PROPERTY SIMUL_LAYERS)
  foreach(layer IN LISTS layers)
    get_target_property(type simul_${layer} TYPE)
    if(NOT layer STREQUAL testing AND type STREQUAL "STATIC_LIBRARY")
      target_sources(${program} PRIVATE $<TARGET_OBJECTS:simul_${layer}>)
    endif()
  endforeach()
endfunction()
