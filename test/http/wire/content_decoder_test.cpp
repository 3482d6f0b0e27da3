#include <doctest/doctest.h>

#include <functional>
#include <random>
#include <simul/base/error.hpp>
#include <simul/http/wire/content_decoder.hpp>
#include <simul/http/wire/error.hpp>
#include <string>
#include <string_view>

#include "http/compress.hpp"

using namespace simul::http;
using namespace simul::testing;

namespace {

std::string decode(std::string_view codings, std::string_view bytes, std::size_t piece = std::string::npos,
                   const decoder_limits& limits = {}) {
    content_decoder decoder(codings, limits);
    std::string text;
    std::size_t largest = 0;
    std::size_t left = 0;
    while (!bytes.empty()) {
        std::string_view input = bytes.substr(0, piece);
        bytes.remove_prefix(input.size());
        for (std::string_view out; !(out = decoder.next(input)).empty();) {
            if (!decoder.identity()) largest = std::max(largest, out.size());
            text += out;
        }
        left += input.size();
    }
    CHECK(largest <= 64 * 1024);
    CHECK(left == 0);
    decoder.finish();
    CHECK(decoder.decoded() == text.size());
    return text;
}

wire_errc reason_of(const std::function<void()>& f) {
    try {
        f();
    } catch (const wire_error& e) {
        return e.reason();
    }
    return wire_errc{};
}

std::string sample(std::size_t size) {
    std::mt19937 random(7);
    std::string text;
    while (text.size() < size) text += "line " + std::to_string(random() % 1000) + "\n";
    text.resize(size);
    return text;
}

// Decodes the same bytes whole, byte by byte and in pieces of 7.
void check_decodes(std::string_view codings, std::string_view bytes, const std::string& text) {
    CHECK(decode(codings, bytes) == text);
    CHECK(decode(codings, bytes, 1) == text);
    CHECK(decode(codings, bytes, 7) == text);
}

wire_errc refused(std::string_view codings, const std::string& bytes, const decoder_limits& limits = {}) {
    const wire_errc reason = reason_of([&] { decode(codings, bytes, std::string::npos, limits); });
    CHECK(reason_of([&] { decode(codings, bytes, 1, limits); }) == reason);
    return reason;
}

}  // namespace

TEST_CASE("gzip, x-gzip and both kinds of deflate are decoded") {
    for (const std::size_t size : {std::size_t{1}, std::size_t{1000}, std::size_t{200'000}}) {
        const std::string text = sample(size);
        check_decodes("gzip", compress(text, gzip_format), text);
        check_decodes("X-GZIP", compress(text, gzip_format), text);
        check_decodes("deflate", compress(text, zlib_format), text);
        check_decodes("deflate", compress(text, raw_format), text);
    }
    check_decodes("deflate", compress("", raw_format), "");
    check_decodes("deflate", compress("", zlib_format), "");
}

TEST_CASE("several gzip members are one text, and zeros behind them are padding") {
    const std::string two =
        compress("one ", gzip_format) + compress("", gzip_format) + compress("two", gzip_format);
    check_decodes("gzip", two, "one two");
    check_decodes("gzip", two + std::string(5, '\0'), "one two");
}

TEST_CASE("two codings are undone in the right order") {
    const std::string text = sample(100'000);
    check_decodes("deflate, gzip", compress(compress(text, zlib_format), gzip_format), text);
    check_decodes("gzip,identity,deflate", compress(compress(text, gzip_format), raw_format), text);
}

TEST_CASE("no coding and identity give the input itself") {
    const std::string_view text = "plain";
    content_decoder none("");
    CHECK(none.identity());
    std::string_view input = text;
    CHECK(none.next(input).data() == text.data());
    CHECK(content_decoder("identity").identity());
    check_decodes("", text, "plain");
}

TEST_CASE("an empty body is complete in every coding") {
    for (const std::string_view coding : {"gzip", "deflate", "gzip, gzip", ""})
        CHECK(decode(coding, "") == "");
}

TEST_CASE("unknown codings and too many of them are refused before any data") {
    CHECK(reason_of([] { content_decoder("br"); }) == wire_errc::unsupported_coding);
    CHECK(reason_of([] { content_decoder("gzip, gzip, gzip"); }) == wire_errc::too_many_codings);
    CHECK(make_error_code(wire_errc::unsupported_coding) == simul::condition::unsupported);
}

TEST_CASE("damaged and truncated data are named") {
    const std::string text = sample(5000);
    const std::string good = compress(text, gzip_format);
    std::string bad_sum = good;
    bad_sum[bad_sum.size() - 6] ^= 1;
    CHECK(refused("gzip", bad_sum) == wire_errc::corrupt_content);
    CHECK(refused("gzip", "this is not gzip") == wire_errc::corrupt_content);
    CHECK(refused("gzip", good + "garbage") == wire_errc::corrupt_content);
    CHECK(refused("gzip", good + std::string(3, '\0') + "garbage") == wire_errc::corrupt_content);
    CHECK(refused("deflate", compress(text, zlib_format) + "x") == wire_errc::corrupt_content);
    for (const std::size_t size : {std::size_t{1}, std::size_t{5}, good.size() / 2, good.size() - 1}) {
        CHECK(refused("gzip", good.substr(0, size)) == wire_errc::truncated_content);
    }
    CHECK(refused("deflate", "\x78") == wire_errc::truncated_content);
    CHECK(refused("gzip", good + good.substr(0, 30)) == wire_errc::truncated_content);
    CHECK(refused("gzip, gzip", compress(good.substr(0, good.size() - 1), gzip_format)) ==
          wire_errc::truncated_content);
}

TEST_CASE("a bomb is stopped by its size and by its ratio") {
    decoder_limits limits;
    limits.output_bytes_max = 100'000;
    CHECK(refused("gzip", compress(std::string(100'000, 'x'), gzip_format), limits) == wire_errc{});
    CHECK(refused("gzip", compress(std::string(100'001, 'x'), gzip_format), limits) ==
          wire_errc::content_too_long);

    limits = {};
    limits.ratio_free_bytes = 1'000'000;
    const std::string zeros = compress(std::string(3'000'000, '\0'), gzip_format);
    CHECK(refused("gzip", zeros, limits) == wire_errc::suspicious_ratio);
    limits.ratio_free_bytes = 4'000'000;
    CHECK(refused("gzip", zeros, limits) == wire_errc{});
}

// undici's cap looked at the last coding only (CVE-2026-22036).
TEST_CASE("a bomb inside a bomb is stopped at the inner coding") {
    decoder_limits limits;
    limits.output_bytes_max = 10'000;
    // An inner gzip header whose file name never ends: no output at all, but an endless middle.
    const std::string endless_name =
        std::string("\x1f\x8b\x08\x08\0\0\0\0\0\x03", 10) + std::string(50'000, 'n');
    CHECK(refused("gzip, gzip", compress(endless_name, gzip_format), limits) == wire_errc::content_too_long);
}

TEST_CASE("a few bytes that become many are given in small pieces") {
    decoder_limits limits;
    limits.ratio_free_bytes = decoder_limits::unlimited;
    const std::string bytes = compress(std::string(1'000'000, 'x'), gzip_format);
    content_decoder decoder("gzip", limits);
    std::string_view input = bytes;
    std::size_t pieces = 0;
    for (std::string_view out; !(out = decoder.next(input)).empty();) {
        CHECK(out.size() <= 64 * 1024);
        ++pieces;
    }
    CHECK(pieces >= 16);
    CHECK(decoder.decoded() == 1'000'000);
}

TEST_CASE("mutated compressed data never gives more than the limit") {
    std::mt19937 random(99);
    decoder_limits limits;
    limits.output_bytes_max = 20'000;
    const std::string good = compress(sample(10'000), gzip_format);
    for (int round = 0; round < 500; ++round) {
        std::string bytes = good;
        for (std::size_t i = 0; i < 1 + random() % 4; ++i)
            bytes[random() % bytes.size()] = static_cast<char>(random());
        std::string text;
        const wire_errc reason = reason_of([&] { text = decode("gzip", bytes, 1 + random() % 500, limits); });
        CHECK(text.size() <= 20'000);
        const bool named = reason == wire_errc{} || reason == wire_errc::corrupt_content ||
                           reason == wire_errc::truncated_content || reason == wire_errc::content_too_long;
        CHECK(named);
    }
}
