#include <simul/jobs/error.hpp>
#include <simul/jobs/module.hpp>

#include <fmt/format.h>

#include <dlfcn.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

namespace simul {
namespace {

[[noreturn]] void bad(const std::string& path, const std::string& why) {
    throw_job_error(job_errc::bad_module, fmt::format("module {}: {}", path, why));
}

}  // namespace

module::module(const std::string& path) :path_(path) {
    // dlopen looks a bare name up in the system's folders, which is never meant here.
    std::string file = path.find('/') == path.npos ? "./" + path : path;
    if (::access(file.c_str(), R_OK) != 0) bad(path, std::strerror(errno));
    void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        const char* error = ::dlerror();
        const std::string_view why = error != nullptr ? error : "unknown reason";
        bad(path, fmt::format("cannot be loaded: {}{}", why,
                              why.find("undefined symbol") != why.npos
                                  ? "; if that is a name of simul, compile the module again with this "
                                    "version (a program of your own needs simul as a shared library)"
                                  : ""));
    }
    const auto* entry = static_cast<const module_entry*>(::dlsym(library, module_symbol));
    if (entry == nullptr)
        bad(path, "is no simul module: it has no SIMUL_MODULE(function) line (see simul/jobs/module.hpp)");
    if (entry->magic != module_magic || entry->size != sizeof(module_entry))
        bad(path, "was made for another kind of simul; compile it again with this version");
    if (std::string_view(entry->version) != SIMUL_VERSION)
        bad(path, fmt::format("was compiled with simul {}, and this is simul {}; compile it again",
                              entry->version, SIMUL_VERSION));
    if (std::string_view(entry->compiler) != SIMUL_COMPILER)
        bad(path, fmt::format("was compiled by {}, and this program by {}; use the same compiler",
                              entry->compiler, SIMUL_COMPILER));
    if (entry->library != reinterpret_cast<const void*>(&job_category))
        bad(path,
            "uses a copy of simul that is not this program's; link the module to simul::module, and a "
            "program "
            "of your own to simul as a shared library (-DBUILD_SHARED_LIBS=ON)");
    entry_ = entry;
}

}  // namespace simul
