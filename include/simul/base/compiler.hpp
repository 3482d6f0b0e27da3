#pragma once
// Refuses compilers that are known to break coroutines, before they break a program in silence. The build
// also runs probe programs (test/probes, docs/compilers.md); a user of the installed headers has only this.

#if defined(__clang__)
#if !defined(__apple_build_version__) && __clang_major__ < 17
#error \
    "simul needs clang 17 or newer: older ones destroy or keep the wrong things in coroutines. Debian 12 and 13: apt-get install clang-19, then build with CXX=clang++-19."
#endif
#elif defined(__GNUC__)
#if __GNUC__ < 14
#error \
    "simul needs g++ 14 or newer: older ones destroy temporaries in co_await expressions twice (GCC PR 99576). Debian 12: apt-get install clang-19, then build with CXX=clang++-19. Debian 13: apt-get install g++."
#endif
#endif

#if __cplusplus < 202002L
#error "simul needs C++20: compile with -std=c++20."
#endif
