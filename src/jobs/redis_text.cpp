#include "jobs/redis_text.hpp"

#include <simul/jobs/error.hpp>
#include <simul/jobs/payload.hpp>

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>

namespace simul::detail {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string base64(std::string_view data) {
    std::string out;
    out.reserve((data.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < data.size(); i += 3) {
        std::uint32_t bits = 0;
        for (std::size_t k = 0; k < 3; ++k)
            bits = bits << 8 | (i + k < data.size() ? static_cast<unsigned char>(data[i + k]) : 0u);
        out += alphabet[bits >> 18];
        out += alphabet[bits >> 12 & 63];
        out += i + 1 < data.size() ? alphabet[bits >> 6 & 63] : '=';
        out += i + 2 < data.size() ? alphabet[bits & 63] : '=';
    }
    return out;
}

std::string from_base64(std::string_view text) {
    if (text.size() % 4 != 0) return {};
    std::string out;
    for (std::size_t i = 0; i < text.size(); i += 4) {
        std::uint32_t bits = 0;
        int padding = 0;
        for (std::size_t k = 0; k < 4; ++k) {
            char c = text[i + k];
            std::size_t value = 0;
            if (c == '=' && i + 4 == text.size() && k >= 2) {
                ++padding;
            } else {
                value = alphabet.find(c);
                if (value == alphabet.npos || padding != 0) return {};
            }
            bits = bits << 6 | static_cast<std::uint32_t>(value);
        }
        out += static_cast<char>(bits >> 16);
        if (padding < 2) out += static_cast<char>(bits >> 8 & 255);
        if (padding < 1) out += static_cast<char>(bits & 255);
    }
    return out;
}

std::string zlib_compress(std::string_view data) {
    uLongf size = compressBound(data.size());
    std::string out(size, '\0');
    int code = compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                         reinterpret_cast<const Bytef*>(data.data()), data.size(), 6);
    if (code != Z_OK) throw std::runtime_error(fmt::format("zlib: compress failed with {}", code));
    out.resize(size);
    return out;
}

std::string zlib_inflate(std::string_view data) {
    z_stream z{};
    if (inflateInit(&z) != Z_OK) throw std::runtime_error("zlib: inflate cannot begin");
    struct end {
        z_stream& stream;
        ~end() { inflateEnd(&stream); }
    } guard{z};
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));  // zlib does not write there
    z.avail_in = static_cast<uInt>(std::min<std::size_t>(data.size(), UINT32_MAX));
    std::string out;
    std::array<char, 16 * 1024> chunk;
    for (;;) {
        z.next_out = reinterpret_cast<Bytef*>(chunk.data());
        z.avail_out = static_cast<uInt>(chunk.size());
        int code = inflate(&z, Z_NO_FLUSH);
        if (code != Z_OK && code != Z_STREAM_END) return std::string(data);
        out.append(chunk.data(), chunk.size() - z.avail_out);
        if (out.size() > job_data_bytes_max)
            throw_job_error(
                job_errc::data_too_large,
                fmt::format("the job's data is more than {} bytes when inflated", job_data_bytes_max));
        if (code == Z_STREAM_END) return out;
        if (z.avail_in == 0 && z.avail_out != 0) return std::string(data);  // cut short
    }
}

}  // namespace simul::detail
