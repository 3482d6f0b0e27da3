#pragma once

#include <optional>
#include <string_view>

#include <simul/processes/wire.hpp>

/// Functions and other static objects as places in an image (the program or a shared object).
///
/// A worker is a fork of the zygote, so what was loaded before the zygote lies at the same address there. The
/// address alone would do for these; but an image that was loaded later, or unloaded and replaced, would then
/// be called into at random. The build-id and the offset in the image make that an error instead.
namespace simul::detail {

/// The place of `address`; nothing if it lies in no loaded image (on the stack or heap, made by a JIT).
std::optional<wire::code_ref> find_code_ref(const void* address);

/// As above; throws process_errc::not_in_an_image.
wire::code_ref make_code_ref(const void* address);

/// The address of `ref` in this process. Throws process_errc::unknown_image if the image is not loaded here.
const void* resolve(const wire::code_ref& ref);

}  // namespace simul::detail
