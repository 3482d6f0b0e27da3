#include <simul/processes/code_ref.hpp>

#include <elf.h>
#include <fmt/format.h>
#include <link.h>

#include <cstring>
#include <string>

#include <simul/processes/error.hpp>

namespace simul::detail {
namespace {

constexpr std::size_t note_alignment = 4;

std::size_t aligned(std::size_t size) {
    return (size + note_alignment - 1) / note_alignment * note_alignment;
}

/// The build-id in one note segment; empty if there is none.
std::string_view build_id_in(const char* note, std::size_t size) {
    while (size >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) header;
        std::memcpy(&header, note, sizeof header);
        const std::size_t name_at = sizeof header;
        const std::size_t value_at = name_at + aligned(header.n_namesz);
        const std::size_t total = value_at + aligned(header.n_descsz);
        if (total > size) return {};
        if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 &&
            std::memcmp(note + name_at, "GNU", 4) == 0)
            return {note + value_at, header.n_descsz};
        note += total;
        size -= total;
    }
    return {};
}

struct image {
    explicit image(const dl_phdr_info& info) : info_(info) {}

    bool contains(std::uintptr_t address) const {
        for (const ElfW(Phdr) & segment : segments()) {
            const std::uintptr_t begin = info_.dlpi_addr + segment.p_vaddr;
            if (segment.p_type == PT_LOAD && address >= begin && address - begin < segment.p_memsz)
                return true;
        }
        return false;
    }

    /// What names this image in other processes: its build-id, or its path.
    std::string_view id() const {
        for (const ElfW(Phdr) & segment : segments()) {
            if (segment.p_type != PT_NOTE) continue;
            const auto* note = reinterpret_cast<const char*>(info_.dlpi_addr + segment.p_vaddr);
            if (std::string_view found = build_id_in(note, segment.p_memsz); !found.empty()) return found;
        }
        const std::string_view path = info_.dlpi_name == nullptr ? "" : info_.dlpi_name;
        return path.empty() ? "(the program)" : path;
    }

    std::uintptr_t base() const { return info_.dlpi_addr; }

  private:
    struct segment_range {
        const ElfW(Phdr) * first;
        const ElfW(Phdr) * last;
        const ElfW(Phdr) * begin() const { return first; }
        const ElfW(Phdr) * end() const { return last; }
    };
    segment_range segments() const { return {info_.dlpi_phdr, info_.dlpi_phdr + info_.dlpi_phnum}; }

    const dl_phdr_info& info_;
};

/// Calls `f(const image&)` for each loaded image until it gives true.
template <class F>
void for_each_image(F f) {
    ::dl_iterate_phdr([](dl_phdr_info* info, std::size_t,
                         void* data) -> int { return (*static_cast<F*>(data))(image(*info)) ? 1 : 0; },
                      &f);
}

std::string printable(std::string_view id) {
    std::string text;
    for (char c : id) {
        if (c < ' ' || c > '~') {
            text.clear();
            for (char byte : id) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
            return "build-id " + text;
        }
        text += c;
    }
    return text;
}

}  // namespace

std::optional<wire::code_ref> find_code_ref(const void* address) {
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    std::optional<wire::code_ref> ref;
    for_each_image([&](const image& candidate) {
        if (!candidate.contains(at)) return false;
        ref = wire::code_ref{std::string(candidate.id()), at - candidate.base()};
        return true;
    });
    return ref;
}

wire::code_ref make_code_ref(const void* address) {
    if (auto ref = find_code_ref(address)) return *std::move(ref);
    throw std::system_error(
        process_errc::not_in_an_image,
        fmt::format("function at {}: only functions of the program and of its shared objects "
                    "can run in another process",
                    address));
}

const void* resolve(const wire::code_ref& ref) {
    const void* address = nullptr;
    for_each_image([&](const image& candidate) {
        if (candidate.id() != ref.image) return false;
        const std::uintptr_t at = candidate.base() + ref.offset;
        if (!candidate.contains(at)) return false;
        address = reinterpret_cast<const void*>(at);  // NOLINT(performance-no-int-to-ptr)
        return true;
    });
    if (address == nullptr)
        throw std::system_error(
            process_errc::unknown_image,
            fmt::format("{}: load shared objects before the first process, pool or zygote::start()",
                        printable(ref.image)));
    return address;
}

}  // namespace simul::detail
