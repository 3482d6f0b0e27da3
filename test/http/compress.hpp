#pragma once
// Compressed bodies for tests.

#include <doctest/doctest.h>
#include <zlib.h>

#include <string>
#include <string_view>

namespace simul::testing {

enum : int { gzip_format = 16 + MAX_WBITS, zlib_format = MAX_WBITS, raw_format = -MAX_WBITS };

inline std::string compress(std::string_view text, int format = gzip_format) {
    z_stream z{};
    REQUIRE(deflateInit2(&z, 9, Z_DEFLATED, format, 9, Z_DEFAULT_STRATEGY) == Z_OK);
    std::string out(deflateBound(&z, static_cast<uLong>(text.size())) + 64, '\0');
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    z.avail_in = static_cast<uInt>(text.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out.resize(z.total_out);
    deflateEnd(&z);
    return out;
}

}  // namespace simul::testing
