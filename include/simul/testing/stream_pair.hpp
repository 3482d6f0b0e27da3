#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <simul/base/error.hpp>
#include <simul/net/stream.hpp>

/// A connection without a kernel: for tests of everything that talks through a `stream`, on any loop, the
/// virtual one too.
namespace simul::testing {

struct stream_pair_options {
    /// Bytes that may be under way in each direction; a writer of more waits for the reader.
    std::size_t capacity = 64 * 1024;
    /// So many bytes at most per read and write: 1 finds out who cannot do with pieces.
    std::size_t piece_bytes_max = std::numeric_limits<std::size_t>::max();
    std::string name = "memory";
};

/// One end of a pair. Both ends belong to one loop.
class memory_stream final : public stream {
    /// One direction.
    struct pipe {
        std::string data;
        std::size_t capacity;
        std::size_t piece_max;
        std::size_t until_cut = std::numeric_limits<std::size_t>::max();
        int cut_error = 0;
        std::size_t passed = 0;
        int error = 0;
        bool ended = false;        // by the writer
        bool reader_gone = false;  // so writing is an error
        detail::io_op* reader = nullptr;
        detail::io_op* writer = nullptr;

        bool read(detail::io_op& op) noexcept {
            if (!data.empty()) {
                const std::size_t count = std::min({data.size(), op.size, piece_max});
                std::memcpy(op.buffer, data.data(), count);
                data.erase(0, count);
                op.result = static_cast<int>(count);
            } else if (error != 0) {
                op.result = -error;
            } else if (ended) {
                op.result = 0;
            } else {
                return false;
            }
            return true;
        }
        bool write(detail::io_op& op) noexcept {
            if (error != 0 || ended || reader_gone) {
                op.result = error != 0 ? -error : -EPIPE;
                return true;
            }
            const std::size_t count =
                std::min({op.size, capacity - std::min(capacity, data.size()), piece_max, until_cut});
            if (count == 0 && until_cut != 0) return false;
            data.append(static_cast<const char*>(op.buffer), count);
            passed += count;
            if (until_cut != std::numeric_limits<std::size_t>::max()) until_cut -= count;
            if (until_cut == 0) {
                error = cut_error;
                ended = cut_error == 0;
            }
            op.result = count > 0 ? static_cast<int>(count) : error != 0 ? -error : -EPIPE;
            return true;
        }
        void serve_reader() noexcept {
            if (reader == nullptr || !read(*reader)) return;
            std::exchange(reader, nullptr)->completed();
        }
        void serve_writer() noexcept {
            if (writer == nullptr || !write(*writer)) return;
            std::exchange(writer, nullptr)->completed();
        }
        void serve() noexcept {
            serve_writer();
            serve_reader();
        }
    };
    struct both {
        pipe directions[2];
        std::string name;
    };

  public:
    memory_stream(memory_stream&&) noexcept = default;
    memory_stream& operator=(memory_stream&& other) noexcept {
        close_now();
        stream::operator=(std::move(other));
        shared_ = std::move(other.shared_);
        side_ = other.side_;
        return *this;
    }
    ~memory_stream() override { close_now(); }

    /// After `bytes` more bytes from this end, the connection breaks with `error`, for both: the peer reads
    /// what has passed, and then that error.
    void fail_after(std::size_t bytes, int error = ECONNRESET) {
        outgoing().until_cut = bytes;
        outgoing().cut_error = error;
        if (bytes == 0) outgoing().error = error;
        outgoing().serve();
    }
    /// After `bytes` more bytes from this end, the peer reads the end, as if the connection was cut cleanly
    /// there; further writes fail with EPIPE.
    void end_after(std::size_t bytes) {
        outgoing().until_cut = bytes;
        outgoing().cut_error = 0;
        if (bytes == 0) outgoing().ended = true;
        outgoing().serve();
    }
    /// Bytes that this end has written so far.
    std::size_t written() const noexcept { return shared_->directions[side_].passed; }

    task<> shutdown_write() override {
        require_idle("shut down", true);
        if (!shared_) throw_failure("shut down", -EBADF);
        outgoing().ended = true;
        outgoing().serve();
        co_return;
    }
    task<> close() override {
        require_idle("close");
        close_now();
        co_return;
    }
    std::string describe() const override { return shared_ ? shared_->name : "a memory stream"; }

  private:
    friend std::pair<memory_stream, memory_stream> stream_pair(stream_pair_options options);
    memory_stream(std::shared_ptr<both> shared, std::size_t side) noexcept
        : shared_(std::move(shared)), side_(side) {}

    pipe& outgoing() noexcept { return shared_->directions[side_]; }
    pipe& incoming() noexcept { return shared_->directions[1 - side_]; }

    bool begin_read(detail::io_op& op) noexcept override {
        if (!shared_) {
            op.result = -EBADF;
            return true;
        }
        pipe& in = incoming();
        if (in.read(op)) {
            in.serve_writer();
            return true;
        }
        in.reader = &op;
        return false;
    }
    bool begin_write(detail::io_op& op) noexcept override {
        if (!shared_) {
            op.result = -EBADF;
            return true;
        }
        pipe& out = outgoing();
        if (out.write(op)) {
            out.serve_reader();
            return true;
        }
        out.writer = &op;
        return false;
    }
    void cancel_read(detail::io_op& op) noexcept override {
        if (incoming().reader != &op) return;
        incoming().reader = nullptr;
        op.result = -ECANCELED;
        op.completed();
    }
    void cancel_write(detail::io_op& op) noexcept override {
        if (outgoing().writer != &op) return;
        outgoing().writer = nullptr;
        op.result = -ECANCELED;
        op.completed();
    }
    [[noreturn]] void throw_failure(const char* call, int result) const override {
        if (result == -EBADF && !shared_)
            throw std::system_error(make_error_code(errc::closed), std::string(call) + " " + describe());
        stream::throw_failure(call, result);
    }

    void close_now() noexcept {
        if (!shared_) return;
        outgoing().ended = true;
        incoming().reader_gone = true;
        const auto keep = std::move(shared_);
        for (pipe& each : keep->directions) each.serve();
    }

    std::shared_ptr<both> shared_;
    std::size_t side_;
};

/// Two connected ends.
inline std::pair<memory_stream, memory_stream> stream_pair(stream_pair_options options = {});

inline std::pair<memory_stream, memory_stream> stream_pair(stream_pair_options options) {
    auto shared = std::make_shared<memory_stream::both>();
    for (auto& each : shared->directions) {
        each.capacity = options.capacity;
        each.piece_max = options.piece_bytes_max;
    }
    shared->name = std::move(options.name);
    return {memory_stream(shared, 0), memory_stream(shared, 1)};
}

}  // namespace simul::testing
