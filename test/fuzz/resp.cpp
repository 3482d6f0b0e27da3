// Does the RESP parser find the same replies in the same bytes, however they arrive, and keep its memory
// limit?

#include <simul/redis/resp.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

using namespace simul::redis;

struct outcome {
    std::vector<reply> replies;
    std::error_code error;
    bool idle = true;
};

outcome read(std::string_view bytes, std::size_t piece) {
    resp_limits limits;
    limits.line_bytes_max = 40;
    limits.bulk_bytes_max = 1000;
    limits.reply_bytes_max = 20'000;
    limits.depth_max = 8;
    resp_parser parser(limits);
    outcome found;
    try {
        while (!bytes.empty()) {
            const std::vector<char> exact(
                bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(std::min(piece, bytes.size())));
            bytes.remove_prefix(exact.size());
            for (std::string_view input(exact.data(), exact.size()); !input.empty();) {
                if (auto r = parser.next(input)) found.replies.push_back(*std::move(r));
            }
        }
        found.idle = parser.idle();
    } catch (const std::system_error& e) {
        found.error = e.code();
    }
    return found;
}

// NaN is not equal to itself, so replies are compared by what they say.
bool same(const outcome& a, const outcome& b) {
    if (a.error != b.error || a.idle != b.idle || a.replies.size() != b.replies.size()) return false;
    for (std::size_t i = 0; i < a.replies.size(); ++i) {
        if (a.replies[i].describe() != b.replies[i].describe()) return false;
    }
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const outcome whole = read(bytes, bytes.size());
    if (!same(whole, read(bytes, 1)) || !same(whole, read(bytes, 1 + data[0] % 16))) std::abort();
    return 0;
}
