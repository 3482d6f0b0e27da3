# simul_layer(name DEPS target... PRIVATE_DEPS target...)
#
# Makes `simul_<name>` (alias simul::<name>) from src/<name>/**/*.cpp and include/simul/<name>/. A layer
# without sources is an INTERFACE library, so that a header-only layer needs no empty file. A new file
# needs no edit here: the folders are looked through at every build.
#
# DEPS are part of the layer's interface, PRIVATE_DEPS only of its sources.

include(GNUInstallDirs)
set_property(GLOBAL PROPERTY SIMUL_LAYERS "")

function(simul_layer name)
  cmake_parse_arguments(arg "" "" "DEPS;PRIVATE_DEPS" ${ARGN})
  set(target simul_${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${name}/*.cpp")

  if(sources)
    add_library(${target} ${sources})
    set(scope PUBLIC)
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:simul_flags> ${arg_PRIVATE_DEPS})
    # Private headers are included from the root of src: "http/session.hpp".
    target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src")
    set_target_properties(${target} PROPERTIES
      VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR} INSTALL_RPATH "$ORIGIN")
    # Only in a sanitizer build: elsewhere a forgotten #include of the library must show here, not at its users.
    if(SIMUL_SANITIZE)
      simul_precompiled(${target})
    endif()
    # A shared layer must find all it calls in the layers that it names: an upward call does not link.
    # (The sanitizers leave their own symbols to the program.)
    if(BUILD_SHARED_LIBS AND NOT SIMUL_SANITIZE)
      target_link_options(${target} PRIVATE -Wl,-z,defs)
    endif()
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()

  add_library(simul::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(${target} ${scope} cxx_std_20)
  target_include_directories(${target} ${scope}
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${target} ${scope} ${arg_DEPS})
  set_property(GLOBAL APPEND PROPERTY SIMUL_LAYERS ${name})
endfunction()
