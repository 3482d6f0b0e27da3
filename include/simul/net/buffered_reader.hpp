#pragma once

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <simul/net/stream.hpp>

namespace simul {

struct buffered_reader_options {
    /// Room for one read, in bytes.
    std::size_t read_bytes = 16 * 1024;
    /// How much fill() and peek() may gather that nobody consumes, in bytes.
    std::size_t buffered_bytes_max = 1024 * 1024;
};

namespace detail {
template <class Want>
class buffered_operation;
struct want_more;
struct want_count;
struct want_exactly;
struct want_until;
struct want_line;
struct want_all;
struct want_into;
}  // namespace detail

/// Reads from a stream by lines, counts and delimiters, through a buffer.
///
/// Every read is all-or-nothing: one that is canceled or fails leaves what has come in the buffer, for the
/// next. In flight: one read at a time, as with the stream itself. Lifetime: the stream must outlive it, and
/// stay where it is. Elsewhere: asyncio.StreamReader, tokio BufReader.
class buffered_reader {
  public:
    explicit buffered_reader(stream& from, buffered_reader_options options = {}) noexcept
        : from_(&from), options_(options) {}
    buffered_reader(buffered_reader&& other) noexcept { *this = std::move(other); }
    buffered_reader& operator=(buffered_reader&& other) noexcept {
        from_ = other.from_;
        options_ = other.options_;
        memory_ = std::move(other.memory_);
        capacity_ = std::exchange(other.capacity_, 0);
        begin_ = std::exchange(other.begin_, 0);
        end_ = std::exchange(other.end_, 0);
        ended_ = other.ended_;
        return *this;
    }

    /// What has come and was not consumed. Valid until the next call that reads or consumes.
    std::string_view buffered() const noexcept { return {memory_.get() + begin_, end_ - begin_}; }
    /// Takes `count` bytes off the front of buffered(); never more than there are.
    void consume(std::size_t count) noexcept;
    /// The peer has ended its side. (Bytes may still be buffered.)
    bool ended() const noexcept { return ended_; }

    /// Waits for more bytes, adds them to buffered() and gives their number; 0: the end. Throws
    /// errc::limit_exceeded if buffered_bytes_max are there already. For parsers: fill, look at buffered(),
    /// consume.
    auto fill();
    /// Waits until `count` bytes are there and gives all that are (valid as buffered() is); they stay. Throws
    /// errc::end_of_stream if fewer come, errc::limit_exceeded above buffered_bytes_max.
    auto peek(std::size_t count);
    /// As stream::read_some: what is buffered, else what comes; 0 at the end.
    auto read_some(std::span<char> into);
    /// Exactly `count` bytes as a std::string. Throws errc::end_of_stream if fewer come.
    auto read_exactly(std::size_t count);
    /// All up to and including `delimiter`, as a std::string. Throws errc::limit_exceeded if that is not
    /// within the first `limit` bytes, errc::end_of_stream if the end comes first. Lifetime: `delimiter` must
    /// live until it returns.
    auto read_until(std::string_view delimiter, std::size_t limit = 64 * 1024);
    /// A line without its "\n" or "\r\n", as std::optional<std::string>; nothing at the end. A last line may
    /// lack its end. Throws errc::limit_exceeded.
    auto read_line(std::size_t limit = 64 * 1024);
    /// All until the end, as a std::string. Throws errc::limit_exceeded if that is more than `limit` bytes.
    auto read_to_end(std::size_t limit = 64 * 1024 * 1024);

  private:
    template <class Want>
    friend class detail::buffered_operation;
    friend detail::want_more;
    friend detail::want_count;
    friend detail::want_exactly;
    friend detail::want_until;
    friend detail::want_line;
    friend detail::want_all;
    friend detail::want_into;

    std::size_t count() const noexcept { return end_ - begin_; }
    bool make_room() noexcept;
    std::string take(std::size_t count) {
        std::string out(buffered().substr(0, count));
        consume(count);
        return out;
    }
    [[noreturn]] void throw_ended(std::string_view wanted) const;
    [[noreturn]] void throw_too_much(std::string_view what, std::string_view option, std::size_t limit) const;

    stream* from_;
    buffered_reader_options options_;
    std::unique_ptr<char[]> memory_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    bool ended_ = false;
};

namespace detail {

/// Reads into the buffer until `Want` has what it wants. `Want` provides
///   bool ready(buffered_reader&)   may read() return now: satisfied, over its limit, or ended?  (noexcept)
///   R take(buffered_reader&)       the result, or throws
template <class Want>
class [[nodiscard("await it")]] buffered_operation final : public leaf_operation<buffered_operation<Want>>,
                                                           private io_op {
  public:
    buffered_operation(buffered_reader& from, Want want) noexcept : from_(&from), want_(want) {}
    buffered_operation(buffered_operation&& other) noexcept
        : leaf_operation<buffered_operation>(), from_(other.from_), want_(other.want_) {}

    bool ready() noexcept { return want_.ready(*from_); }
    bool start() {
        buffer = nullptr;
        size = 1;
        stream_access::claim_read(*from_->from_, this->on(), *this);
        if (!advance()) return true;
        stream_access::release_read(*from_->from_);
        if (!stream_access::others_first(*from_->from_)) return false;
        this->resume();
        return true;
    }
    auto result() {
        if (io_op::result < 0) stream_access::throw_failure(*from_->from_, "read from", io_op::result);
        return want_.take(*from_);
    }
    const char* describe() const noexcept override { return "read from a stream"; }

  private:
    /// Reads on until it is over (true) or the stream must wait.
    bool advance() noexcept {
        do {
            if (!from_->make_room()) {
                io_op::result = -ENOMEM;
                return true;
            }
            buffer = from_->memory_.get() + from_->end_;
            size = from_->capacity_ - from_->end_;
            if (!stream_access::begin_read(*from_->from_, *this)) return false;
        } while (!took());
        return true;
    }
    bool took() noexcept {
        if (io_op::result < 0) return true;
        if (io_op::result == 0) from_->ended_ = true;
        from_->end_ += static_cast<std::size_t>(io_op::result);
        return want_.ready(*from_) || from_->ended_;
    }
    void on_cancel() noexcept override { stream_access::cancel_read(*from_->from_, *this); }
    void completed() noexcept override {
        const bool stopped = io_op::result == -ECANCELED && this->canceled();
        if (!stopped && !took()) {
            if (!this->canceled()) {
                if (!advance()) return;
            } else {
                stream_access::release_read(*from_->from_);
                this->stop();
                return;
            }
        }
        stream_access::release_read(*from_->from_);
        if (stopped)
            this->stop();
        else
            this->resume();
    }

    buffered_reader* from_;
    Want want_;
};

struct want_more {
    std::size_t before;
    bool ready(buffered_reader& r) const noexcept {
        return r.count() > before || r.ended_ || r.count() >= r.options_.buffered_bytes_max;
    }
    std::size_t take(buffered_reader& r) const {
        if (r.count() == before && !r.ended_)
            r.throw_too_much("unconsumed bytes", "buffered_bytes_max", r.options_.buffered_bytes_max);
        return r.count() - before;
    }
};
struct want_count {
    std::size_t size;
    bool ready(buffered_reader& r) const noexcept {
        return r.count() >= size || r.ended_ || size > r.options_.buffered_bytes_max;
    }
    std::string_view take(buffered_reader& r) const {
        if (size > r.options_.buffered_bytes_max)
            r.throw_too_much("peek", "buffered_bytes_max", r.options_.buffered_bytes_max);
        if (r.count() < size) r.throw_ended(std::to_string(size) + " bytes");
        return r.buffered();
    }
};
struct want_into {
    std::span<char> into;
    bool ready(buffered_reader& r) const noexcept { return r.count() > 0 || r.ended_ || into.empty(); }
    std::size_t take(buffered_reader& r) const {
        if (into.empty()) stream_access::throw_failure(*r.from_, "read from", -EINVAL);
        const std::size_t size = r.buffered().copy(into.data(), into.size());
        r.consume(size);
        return size;
    }
};
struct want_exactly {
    std::size_t size;
    bool ready(buffered_reader& r) const noexcept { return r.count() >= size || r.ended_; }
    std::string take(buffered_reader& r) const {
        if (r.count() < size) r.throw_ended(std::to_string(size) + " bytes");
        return r.take(size);
    }
};
struct want_until {
    std::string_view delimiter;
    std::size_t limit;
    std::size_t seen = 0;   ///< so far in the buffer there is no delimiter
    std::size_t found = 0;  ///< bytes up to and including it

    bool ready(buffered_reader& r) noexcept {
        const std::string_view text = r.buffered().substr(0, limit);
        const std::size_t from = seen < delimiter.size() ? 0 : seen - delimiter.size() + 1;
        if (const auto at = text.find(delimiter, from); at != text.npos) {
            found = at + delimiter.size();
            return true;
        }
        seen = text.size();
        return seen >= limit || r.ended_;
    }
    std::string take(buffered_reader& r) const {
        if (found > 0 || delimiter.empty()) return r.take(found);
        if (r.count() >= limit) r.throw_too_much("bytes before the delimiter", "limit", limit);
        r.throw_ended("the delimiter");
    }
};
struct want_line {
    want_until newline;
    bool ready(buffered_reader& r) noexcept { return newline.ready(r); }
    std::optional<std::string> take(buffered_reader& r) const {
        if (newline.found == 0 && r.count() >= newline.limit)
            r.throw_too_much("line", "limit", newline.limit);
        if (newline.found == 0 && r.count() == 0) return std::nullopt;
        std::string line = r.take(newline.found > 0 ? newline.found : r.count());
        if (line.ends_with('\n')) {
            line.pop_back();
            if (line.ends_with('\r')) line.pop_back();
        }
        return line;
    }
};
struct want_all {
    std::size_t limit;
    bool ready(buffered_reader& r) const noexcept { return r.ended_ || r.count() > limit; }
    std::string take(buffered_reader& r) const {
        if (r.count() > limit) r.throw_too_much("rest of the stream", "limit", limit);
        return r.take(r.count());
    }
};

}  // namespace detail

inline auto buffered_reader::fill() {
    return detail::buffered_operation<detail::want_more>(*this, {count()});
}
inline auto buffered_reader::peek(std::size_t count) {
    return detail::buffered_operation<detail::want_count>(*this, {count});
}
inline auto buffered_reader::read_some(std::span<char> into) {
    return detail::buffered_operation<detail::want_into>(*this, {into});
}
inline auto buffered_reader::read_exactly(std::size_t count) {
    return detail::buffered_operation<detail::want_exactly>(*this, {count});
}
inline auto buffered_reader::read_until(std::string_view delimiter, std::size_t limit) {
    return detail::buffered_operation<detail::want_until>(*this, {delimiter, limit});
}
inline auto buffered_reader::read_line(std::size_t limit) {
    return detail::buffered_operation<detail::want_line>(*this, {{"\n", limit}});
}
inline auto buffered_reader::read_to_end(std::size_t limit) {
    return detail::buffered_operation<detail::want_all>(*this, {limit});
}

}  // namespace simul
