#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <new>
#include <simul/http/wire/chars.hpp>
#include <simul/http/wire/content_decoder.hpp>
#include <simul/http/wire/error.hpp>
#include <simul/http/wire/headers.hpp>
#include <utility>

namespace simul::http {

// One coding. It keeps a piece of output and what it has not yet taken of its input.
class content_decoder::stage {
  public:
    enum class kind { gzip, deflate };

    stage(kind coding, const decoder_limits& limits) : limits_(limits), kind_(coding) {
        if (kind_ == kind::gzip) start(16 + MAX_WBITS);
    }
    ~stage() {
        if (started_) inflateEnd(&zlib_);
    }
    stage(const stage&) = delete;
    stage& operator=(const stage&) = delete;

    std::string_view pending;  // input from the stage below

    // Takes from the front of `in` until there is output or no input.
    std::string_view decode(std::string_view& in) {
        while (!in.empty() || full_) {
            if (!in.empty()) seen_ = true;
            if (state_ == state::padding || (state_ == state::ended && !in.empty())) {
                between_members(in);
                if (in.empty()) return {};
            }
            if (!started_) {
                sniff(in);
                if (!started_) return {};
            }
            const std::size_t size = inflate_some(in);
            if (size > 0) return {output_.data(), size};
        }
        return {};
    }

    bool complete() const noexcept { return !seen_ || state_ == state::ended || state_ == state::padding; }
    std::uint64_t taken() const noexcept { return taken_; }

  private:
    enum class state { running, ended, padding };

    void start(int window_bits) {
        zlib_ = {};
        if (inflateInit2(&zlib_, window_bits) != Z_OK) throw std::bad_alloc();
        started_ = true;
    }

    // "deflate" is zlib's format, but some servers send the bare data. A zlib header is a multiple of 31 and
    // names method 8; bare data cannot look so but by a block type that no compressor begins with.
    void sniff(std::string_view& in) {
        while (sniffed_size_ < 2 && !in.empty()) {
            sniffed_[sniffed_size_++] = in.front();
            in.remove_prefix(1);
            ++taken_;
        }
        if (sniffed_size_ < 2) return;
        const auto first = static_cast<unsigned char>(sniffed_[0]);
        const auto second = static_cast<unsigned char>(sniffed_[1]);
        const bool wrapped = (first & 0x0f) == 8 && (first >> 4) <= 7 && (first * 256 + second) % 31 == 0;
        start(wrapped ? MAX_WBITS : -MAX_WBITS);
        std::string_view head(sniffed_.data(), sniffed_size_);
        taken_ -= head.size();
        sniff_output_ = inflate_some(head);
    }

    std::size_t inflate_some(std::string_view& in) {
        if (sniff_output_ > 0) return std::exchange(sniff_output_, 0);
        const std::size_t given = std::min<std::size_t>(in.size(), 1U << 30);
        // zlib's interface predates const; inflate does not write to its input.
        zlib_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
        zlib_.avail_in = static_cast<uInt>(given);
        zlib_.next_out = reinterpret_cast<Bytef*>(output_.data());
        zlib_.avail_out = static_cast<uInt>(output_.size());
        const int result = inflate(&zlib_, Z_NO_FLUSH);
        const std::size_t used = given - zlib_.avail_in;
        const std::size_t size = output_.size() - zlib_.avail_out;
        in.remove_prefix(used);
        taken_ += used;
        given_ += size;
        full_ = zlib_.avail_out == 0 && result == Z_OK;
        if (result == Z_STREAM_END) {
            state_ = state::ended;
        } else if (result == Z_MEM_ERROR) {
            throw std::bad_alloc();
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            fail(wire_errc::corrupt_content, zlib_.msg != nullptr ? zlib_.msg : "a dictionary is asked for");
        }
        check_limits();
        return size;
    }

    // After the end of a gzip member another may follow, or zeros that fill a block; nothing else is
    // expected.
    void between_members(std::string_view& in) {
        if (kind_ == kind::gzip && state_ == state::ended && in.front() != '\0') {
            inflateReset(&zlib_);
            state_ = state::running;
            return;
        }
        const std::size_t zeros = kind_ == kind::gzip ? std::min(in.find_first_not_of('\0'), in.size()) : 0;
        in.remove_prefix(zeros);
        taken_ += zeros;
        state_ = state::padding;
        if (!in.empty()) fail(wire_errc::corrupt_content, "bytes after the end");
    }

    void check_limits() const {
        if (given_ > limits_.output_bytes_max) {
            fail(wire_errc::content_too_long,
                 fmt::format("more than {} bytes (output_bytes_max)", limits_.output_bytes_max));
        }
        if (given_ > limits_.ratio_free_bytes && given_ / limits_.ratio_max > taken_) {
            fail(wire_errc::suspicious_ratio,
                 fmt::format("{} bytes became {}, more than {} times as many (ratio_max)", taken_, given_,
                             limits_.ratio_max));
        }
    }

    [[noreturn]] void fail(wire_errc code, std::string_view why) const {
        throw wire_error(
            code, static_cast<std::size_t>(taken_),
            fmt::format("{} data at byte {}: {}", kind_ == kind::gzip ? "gzip" : "deflate", taken_, why));
    }

    decoder_limits limits_;
    kind kind_;
    state state_ = state::running;
    bool started_ = false;
    bool seen_ = false;
    bool full_ = false;  // zlib may hold more output
    std::array<char, 2> sniffed_{};
    std::size_t sniffed_size_ = 0;
    std::size_t sniff_output_ = 0;
    std::uint64_t taken_ = 0;
    std::uint64_t given_ = 0;
    z_stream zlib_{};
    std::array<char, 64 * 1024> output_;
};

content_decoder::content_decoder(std::string_view codings, const decoder_limits& limits) {
    for (std::string_view list = codings; !list.empty();) {
        const std::size_t comma = std::min(list.find(','), list.size());
        const std::string_view coding = detail::trim(list.substr(0, comma));
        list.remove_prefix(std::min(comma + 1, list.size()));
        if (coding.empty() || equal_ignoring_case(coding, "identity")) continue;
        const bool gzip = equal_ignoring_case(coding, "gzip") || equal_ignoring_case(coding, "x-gzip");
        if (!gzip && !equal_ignoring_case(coding, "deflate")) {
            throw wire_error(wire_errc::unsupported_coding, 0,
                             fmt::format("the content coding \"{}\" is not known here; gzip and deflate are",
                                         detail::printable(coding)));
        }
        if (stages_.size() >= limits.codings_max) {
            throw wire_error(
                wire_errc::too_many_codings, 0,
                fmt::format(
                    "the content coding \"{}\" has too many parts, at most {} are undone (codings_max)",
                    detail::printable(codings), limits.codings_max));
        }
        stages_.insert(stages_.begin(),
                       std::make_unique<stage>(gzip ? stage::kind::gzip : stage::kind::deflate, limits));
    }
}

content_decoder::~content_decoder() = default;
content_decoder::content_decoder(content_decoder&&) noexcept = default;
content_decoder& content_decoder::operator=(content_decoder&&) noexcept = default;

std::string_view content_decoder::next(std::string_view& input) {
    std::string_view piece;
    if (stages_.empty()) {
        piece = std::exchange(input, {});
    } else {
        piece = pull(stages_.size() - 1, input);
    }
    decoded_ += piece.size();
    return piece;
}

std::string_view content_decoder::pull(std::size_t index, std::string_view& input) {
    stage& self = *stages_[index];
    if (index == 0) return self.decode(input);
    for (;;) {
        if (const std::string_view piece = self.decode(self.pending); !piece.empty()) return piece;
        self.pending = pull(index - 1, input);
        if (self.pending.empty()) return {};
    }
}

void content_decoder::finish() const {
    for (const auto& each : stages_) {
        if (!each->complete()) {
            throw wire_error(wire_errc::truncated_content, static_cast<std::size_t>(each->taken()),
                             fmt::format("the compressed data ends after {} bytes", each->taken()));
        }
    }
}

}  // namespace simul::http
