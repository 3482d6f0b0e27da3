#pragma once

#include <simul/base/version.hpp>
#include <simul/jobs/worker.hpp>

#include <cstdint>
#include <string>

// User code for `simul worker --module ./libmyjobs.so`: a shared library with one entry symbol.
//
//     void add_handlers(simul::worker& w) { w.handle(count_words, &count_words_at_url); }
//     SIMUL_MODULE(add_handlers)
//
// The module links to simul::module (docs/guide/06_jobs.md has it in full). It uses the program's copy of
// simul, so both must be of the same version and compiler; what the entry says about itself is checked before
// its function is called. The program must show its copy: the command `simul` does, and every program whose
// simul is a shared library.

namespace simul {

/// What a module says about itself; its layout never changes.
struct module_entry {
    std::uint32_t magic;   ///< module_magic
    std::uint32_t size;    ///< sizeof(module_entry)
    const char* version;   ///< SIMUL_VERSION when the module was compiled
    const char* compiler;  ///< which compiler and standard library made it
    const void* library;   ///< an address in the copy of simul that the module is linked to
    void (*add_handlers)(worker&);
};
inline constexpr std::uint32_t module_magic = 0x73696d31;
inline constexpr const char* module_symbol = "simul_module_entry";

/// "clang 19", "g++ 14": what the module and the program must have in common.
#define SIMUL_STRING_OF_(x) #x
#define SIMUL_STRING_OF(x) SIMUL_STRING_OF_(x)
#if defined(__clang__)
#define SIMUL_COMPILER "clang " SIMUL_STRING_OF(__clang_major__)
#else
#define SIMUL_COMPILER "g++ " SIMUL_STRING_OF(__GNUC__)
#endif

/// Makes the entry symbol; `function` takes a worker& and gives it its handlers.
#define SIMUL_MODULE(function)                                                                      \
    extern "C" __attribute__((visibility("default"))) const simul::module_entry simul_module_entry; \
    extern "C" const simul::module_entry simul_module_entry = {                                     \
        simul::module_magic,                                                                        \
        sizeof(simul::module_entry),                                                                \
        SIMUL_VERSION,                                                                              \
        SIMUL_COMPILER,                                                                             \
        reinterpret_cast<const void*>(&simul::job_category),                                        \
        function};

/// A module that was loaded. It stays loaded until the program ends: its functions may still be running.
class module {
  public:
    /// Throws: job_errc::bad_module; its text names the file, what is wrong with it and what to do.
    explicit module(const std::string& path);

    const std::string& path() const noexcept { return path_; }
    /// Throws: what the module's function throws.
    void add_handlers(worker& w) const { entry_->add_handlers(w); }

  private:
    std::string path_;
    const module_entry* entry_;
};

}  // namespace simul
