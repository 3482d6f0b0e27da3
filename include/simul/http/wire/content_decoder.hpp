#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>
#include <vector>

namespace simul::http {

/// How much a compressed body may become. The defaults stop a decompression bomb before it costs memory.
struct decoder_limits {
    static constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

    std::size_t codings_max = 2;                        ///< codings on top of each other
    std::uint64_t output_bytes_max = 64 * 1024 * 1024;  ///< of each coding
    std::uint64_t ratio_max = 200;  ///< output to input, once `ratio_free_bytes` are exceeded
    std::uint64_t ratio_free_bytes =
        8 * 1024 * 1024;  ///< output that may have any ratio (zeros compress 1000 : 1)
};

/// Undoes Content-Encoding: gzip (of several members too), deflate (with and without the zlib wrapper, since
/// servers send both) and x-gzip. Bytes in, bytes out, in steps of at most 64 KiB, however much a few input
/// bytes become.
///
///     content_decoder decoder(headers.get("content-encoding").value_or(""));
///     for (std::string_view out; !(out = decoder.next(input)).empty();) use(out);
///     decoder.finish();                                    // after the last input
class content_decoder {
  public:
    /// `codings` is the value of Content-Encoding; empty and "identity" decode nothing.
    ///
    /// Throws: wire_error (unsupported_coding, too_many_codings).
    explicit content_decoder(std::string_view codings, const decoder_limits& limits = {});
    ~content_decoder();
    content_decoder(content_decoder&&) noexcept;
    content_decoder& operator=(content_decoder&&) noexcept;

    /// Whether there is nothing to decode, so that the input can be used as it is.
    bool identity() const noexcept { return stages_.empty(); }

    /// Takes from the front of `input` and gives the next piece of output; empty: more input is needed.
    ///
    /// Lifetime: the piece is valid until the next call (with identity, as long as the input).
    /// Throws: wire_error (corrupt_content, content_too_long, suspicious_ratio).
    std::string_view next(std::string_view& input);

    /// Checks that the input was complete. A body without a single byte is: some servers label empty bodies.
    ///
    /// Throws: wire_error (truncated_content).
    void finish() const;

    /// Bytes given out so far.
    std::uint64_t decoded() const noexcept { return decoded_; }

  private:
    class stage;

    std::string_view pull(std::size_t index, std::string_view& input);

    std::vector<std::unique_ptr<stage>>
        stages_;  // in the order of decoding: the coding that was applied last first
    std::uint64_t decoded_ = 0;
};

}  // namespace simul::http
