# Headers, libraries, the command `simul`, a CMake package (find_package(simul), simul::simul and a target per
# layer), pkg-config, and a Debian package by `cpack -G DEB`.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(layers GLOBAL PROPERTY SIMUL_LAYERS)
set(targets simul_simul simul_module)
set(simul_pc_libs "")
foreach(layer IN LISTS layers)
  list(APPEND targets simul_${layer})
  get_target_property(type simul_${layer} TYPE)
  if(NOT type STREQUAL "INTERFACE_LIBRARY")
    set(simul_pc_libs "-lsimul_${layer} ${simul_pc_libs}")
  endif()
endforeach()

# Static libraries name what they are linked with; shared ones have it inside.
set(simul_pc_requires "fmt")
if(BUILD_SHARED_LIBS)
  set(simul_static OFF)
else()
  set(simul_static ON)
  list(APPEND targets simul_sqlite3 simul_llhttp)
  string(APPEND simul_pc_requires " openssl zlib simdjson")
  string(APPEND simul_pc_libs "-ldate-tz ")  # it has no .pc file
  if(SIMUL_SQLITE_AMALGAMATION)
    list(APPEND targets simul_sqlite3_amalgamation)
    string(APPEND simul_pc_libs "-lsimul_sqlite3_amalgamation ")
  else()
    string(APPEND simul_pc_requires " sqlite3")
  endif()
  if(SIMUL_LLHTTP_PC_FOUND)
    string(APPEND simul_pc_requires " libllhttp")
  else()
    string(APPEND simul_pc_libs "-lsimul_llhttp ")
  endif()
endif()

install(TARGETS ${targets} EXPORT simul_targets
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/simul" DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.hpp")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(TARGET simul)
  file(RELATIVE_PATH to_libraries "/${CMAKE_INSTALL_BINDIR}" "/${CMAKE_INSTALL_LIBDIR}")
  set_target_properties(simul PROPERTIES INSTALL_RPATH "$ORIGIN/${to_libraries}")
  install(TARGETS simul RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/simul")
install(EXPORT simul_targets NAMESPACE simul:: DESTINATION "${package_folder}" FILE simulTargets.cmake)
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/simulConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/simulConfig.cmake" INSTALL_DESTINATION "${package_folder}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/simulConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/simulConfig.cmake" "${PROJECT_BINARY_DIR}/simulConfigVersion.cmake"
  DESTINATION "${package_folder}")

# The file takes its prefix from the place where it lies: `cmake --install --prefix` and a moved tree work too.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(simul_pc_prefix "${CMAKE_INSTALL_PREFIX}")
else()
  file(RELATIVE_PATH to_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  string(REGEX REPLACE "/$" "" to_prefix "${to_prefix}")
  set(simul_pc_prefix "\${pcfiledir}/${to_prefix}")
endif()
foreach(kind IN ITEMS lib include)
  string(TOUPPER "${kind}" upper)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${upper}DIR}")
    set(simul_pc_${kind}dir "${CMAKE_INSTALL_${upper}DIR}")
  else()
    set(simul_pc_${kind}dir "\${prefix}/${CMAKE_INSTALL_${upper}DIR}")
  endif()
endforeach()
configure_file("${PROJECT_SOURCE_DIR}/cmake/simul.pc.in" "${PROJECT_BINARY_DIR}/simul.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/simul.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

set(CPACK_PACKAGE_NAME simul)
set(CPACK_PACKAGE_CONTACT "simul authors <simul@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_GENERATOR DEB)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
# What the binaries need is read off them; what the headers need is said here.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS "${PROJECT_BINARY_DIR}")
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libfmt-dev")
include(CPack)
