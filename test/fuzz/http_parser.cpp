// Does the HTTP parser find the same messages in the same bytes, however they arrive, and touch no byte
// outside?

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>

#include "http/wire/trace.hpp"

namespace {

using namespace simul::http;

template <class Parser>
void check(std::string_view bytes, std::uint32_t seed) {
    parser_limits limits;  // small, so that the limits are reached too
    limits.start_line_bytes_max = 60;
    limits.header_bytes_max = 60;
    limits.headers_bytes_max = 200;
    limits.headers_max = 6;
    limits.chunk_line_bytes_max = 20;
    limits.chunk_extension_bytes_max = 30;
    std::minstd_rand random(seed);
    const auto read = [&](const std::vector<std::string_view>& pieces) {
        Parser parser(limits);
        return test::trace(parser, pieces, true);
    };
    const std::string whole = read(test::whole(bytes));
    if (read(test::byte_by_byte(bytes)) != whole || read(test::at_random(bytes, random)) != whole)
        std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    if (data[0] % 2 == 0) {
        check<request_parser>(bytes, data[1] + 1U);
    } else {
        check<response_parser>(bytes, data[1] + 1U);
    }
    return 0;
}
