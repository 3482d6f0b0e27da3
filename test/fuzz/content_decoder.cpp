// Does the decoder stay within its limits on any bytes, and give the same text whole and in pieces?

#include <simul/http/wire/content_decoder.hpp>
#include <simul/http/wire/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace simul::http;

constexpr std::uint64_t output_max = 1 << 20;

// What was decoded, and whether that was all.
std::pair<std::string, bool> decode(std::string_view codings, std::string_view bytes, std::size_t piece) {
    decoder_limits limits;
    limits.output_bytes_max = output_max;
    std::string text;
    try {
        content_decoder decoder(codings, limits);
        while (!bytes.empty()) {
            std::string_view input = bytes.substr(0, piece);
            bytes.remove_prefix(input.size());
            for (std::string_view out; !(out = decoder.next(input)).empty();) text += out;
        }
        decoder.finish();
        return {text, true};
    } catch (const wire_error&) {
        return {text, false};
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    constexpr std::string_view codings[] = {"gzip", "deflate", "gzip, deflate", "deflate, gzip"};
    const std::string_view coding = codings[data[0] % 4];
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    const auto whole = decode(coding, bytes, bytes.size());
    const auto pieces = decode(coding, bytes, 1 + data[1] % 16);
    // An error may be seen before or after the text in front of it was given out.
    const std::size_t common = std::min(whole.first.size(), pieces.first.size());
    if (whole.second != pieces.second || whole.first.substr(0, common) != pieces.first.substr(0, common))
        std::abort();
    if (whole.second && whole.first != pieces.first) std::abort();
    if (whole.first.size() > output_max) std::abort();
    return 0;
}
