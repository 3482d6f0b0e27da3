#include <fmt/format.h>

#include <bit>
#include <cstdint>
#include <limits>
#include <simul/codec/pickle.hpp>

#include "pickle_opcodes.hpp"
#include "utf8.hpp"

namespace simul::pickle {
namespace {

using namespace detail;  // the opcodes

/// Writes the bytes that Python's C pickler writes, including where its frames begin and end.
class writer {
  public:
    explicit writer(form f) : python_(f == form::python) {}

    std::string write(const value& v) {
        add_opcode(op_proto);
        add_little_endian(protocol_max, 1);
        framing_ = python_;
        save(v, value_path(), 0, false);
        add_opcode(op_stop);
        close_frame();
        return std::move(out_);
    }

  private:
    static constexpr std::size_t frame_size_min = 4;
    static constexpr std::size_t frame_size_target = 64 * 1024;
    static constexpr std::size_t frame_header_size = 9;
    static constexpr std::size_t batch_size = 1000;
    static constexpr std::size_t no_frame = std::numeric_limits<std::size_t>::max();

    // --- bytes and frames
    // -----------------------------------------------------------------------------------------

    void open_frame() {
        if (!framing_ || frame_begin_ != no_frame) return;
        frame_begin_ = out_.size();
        out_.append(frame_header_size, '\0');
    }

    void close_frame() {
        if (frame_begin_ == no_frame) return;
        std::uint64_t size = out_.size() - frame_begin_ - frame_header_size;
        if (size < frame_size_min) {
            out_.erase(frame_begin_, frame_header_size);
        } else {
            out_[frame_begin_] = static_cast<char>(op_frame);
            for (std::size_t i = 1; i < frame_header_size; ++i, size >>= 8)
                out_[frame_begin_ + i] = static_cast<char>(static_cast<unsigned char>(size));
        }
        frame_begin_ = no_frame;
    }

    void end_of_opcode() {
        if (frame_begin_ != no_frame && out_.size() - frame_begin_ - frame_header_size >= frame_size_target)
            close_frame();
    }

    void add_opcode(opcode o) {
        open_frame();
        out_ += static_cast<char>(o);
    }

    void add_little_endian(std::uint64_t number, unsigned size) {
        for (; size > 0; --size, number >>= 8) out_ += static_cast<char>(static_cast<unsigned char>(number));
    }

    void memoize() {
        if (python_) add_opcode(op_memoize);
    }

    // Text or bytes behind the opcode that fits its length; what is as large as a frame stands outside of all
    // frames.
    void add_sized(std::string_view data, opcode one_byte, opcode four_bytes, opcode eight_bytes) {
        const bool outside = python_ && data.size() >= frame_size_target;
        if (outside) {
            close_frame();
            framing_ = false;
        }
        if (data.size() <= 0xff) {
            add_opcode(one_byte);
            add_little_endian(data.size(), 1);
        } else if (data.size() <= 0xffffffff) {
            add_opcode(four_bytes);
            add_little_endian(data.size(), 4);
        } else {
            add_opcode(eight_bytes);
            add_little_endian(data.size(), 8);
        }
        out_ += data;
        framing_ = python_;
        memoize();
    }

    // --- values
    // ---------------------------------------------------------------------------------------------------

    // `hashed` is true inside of keys and set items, where Python wants values that cannot change.
    void save(const value& v, const value_path& path, std::size_t depth, bool hashed) {
        constexpr std::size_t depth_max = 1000;
        if (depth > depth_max) path.fail(fmt::format("more than {} levels of nesting", depth_max));
        end_of_opcode();
        switch (v.type()) {
            case value::kind::null:
                add_opcode(op_none);
                break;
            case value::kind::boolean:
                add_opcode(v.as_bool() ? op_newtrue : op_newfalse);
                break;
            case value::kind::integer:
                save_integer(v.as_int());
                break;
            case value::kind::big_integer:
                save_long(big_integer::from_decimal(v.as_decimal()).twos_complement());
                break;
            case value::kind::floating:
                save_double(v.as_double());
                break;
            case value::kind::string:
                save_string(v.as_string(), path);
                break;
            case value::kind::bytes:
                add_sized(v.as_bytes().data, op_short_binbytes, op_binbytes, op_binbytes8);
                break;
            case value::kind::tuple:
                save_tuple(v.items(), path, depth, hashed);
                break;
            case value::kind::set:
                save_set(v.items(), path, depth, hashed);
                break;
            case value::kind::list:
                if (hashed) fail_expected(path, "a key or set item that Python can hash", v);
                save_list(v.items(), path, depth);
                break;
            case value::kind::dict:
                if (hashed) fail_expected(path, "a key or set item that Python can hash", v);
                save_dict(v.entries(), path, depth);
                break;
        }
    }

    void save_integer(std::int64_t number) {
        if (number >= 0 && number <= 0xff) {
            add_opcode(op_binint1);
            add_little_endian(static_cast<std::uint64_t>(number), 1);
        } else if (number >= 0 && number <= 0xffff) {
            add_opcode(op_binint2);
            add_little_endian(static_cast<std::uint64_t>(number), 2);
        } else if (number >= std::numeric_limits<std::int32_t>::min() &&
                   number <= std::numeric_limits<std::int32_t>::max()) {
            add_opcode(op_binint);
            add_little_endian(static_cast<std::uint64_t>(number), 4);
        } else {
            save_long(big_integer::from_decimal(fmt::format("{}", number)).twos_complement());
        }
    }

    void save_long(std::string_view bytes) {
        if (bytes.size() <= 0xff) {
            add_opcode(op_long1);
            add_little_endian(bytes.size(), 1);
        } else {
            add_opcode(op_long4);
            add_little_endian(bytes.size(), 4);
        }
        out_ += bytes;
    }

    void save_double(double number) {
        add_opcode(op_binfloat);
        const auto bits = std::bit_cast<std::uint64_t>(number);
        for (int shift = 56; shift >= 0; shift -= 8)
            out_ += static_cast<char>(static_cast<unsigned char>(bits >> shift));
    }

    void save_string(std::string_view text, const value_path& path) {
        const std::size_t invalid = simul::detail::find_invalid_utf8(text, true);
        if (invalid != std::string_view::npos)
            path.fail(fmt::format("text that is not UTF-8 (at byte {}); use simul::bytes for binary data",
                                  invalid));
        add_sized(text, op_short_binunicode, op_binunicode, op_binunicode8);
    }

    void save_tuple(std::span<const value> items, const value_path& path, std::size_t depth, bool hashed) {
        if (items.empty()) {
            add_opcode(op_empty_tuple);
            return;
        }
        const bool small = items.size() <= 3;
        if (!small) add_opcode(op_mark);
        for (std::size_t i = 0; i < items.size(); ++i)
            save(items[i], value_path::item(path, i), depth + 1, hashed);
        constexpr opcode small_tuples[] = {op_tuple1, op_tuple2, op_tuple3};
        add_opcode(small ? small_tuples[items.size() - 1] : op_tuple);
        memoize();
    }

    void save_list(std::span<const value> items, const value_path& path, std::size_t depth) {
        add_opcode(op_empty_list);
        memoize();
        if (items.size() == 1) {
            save(items[0], value_path::item(path, 0), depth + 1, false);
            add_opcode(op_append);
            return;
        }
        for (std::size_t i = 0; i < items.size(); ++i) {
            if (i % batch_size == 0) add_opcode(op_mark);
            save(items[i], value_path::item(path, i), depth + 1, false);
            if ((i + 1) % batch_size == 0 || i + 1 == items.size()) add_opcode(op_appends);
        }
    }

    void save_set(std::span<const value> items, const value_path& path, std::size_t depth, bool hashed) {
        if (hashed) {  // only a frozenset can be a key
            add_opcode(op_mark);
            for (std::size_t i = 0; i < items.size(); ++i)
                save(items[i], value_path::item(path, i), depth + 1, true);
            add_opcode(op_frozenset);
            memoize();
            return;
        }
        add_opcode(op_empty_set);
        memoize();
        save_batches(items, op_additems,
                     [&](std::size_t i) { save(items[i], value_path::item(path, i), depth + 1, true); });
    }

    void save_dict(std::span<const value::entry> entries, const value_path& path, std::size_t depth) {
        add_opcode(op_empty_dict);
        memoize();
        const auto save_entry = [&](std::size_t i) {
            const value& key = entries[i].key;
            const std::string name = to_string(key);
            const value_path place = value_path::key(path, name);
            save(key, place, depth + 1, true);
            save(entries[i].value, place, depth + 1, false);
        };
        if (entries.size() == 1) {
            save_entry(0);
            add_opcode(op_setitem);
            return;
        }
        save_batches(entries, op_setitems, save_entry);
    }

    // Python ends a dict or set of exactly 1000, 2000, ... with an empty batch.
    template <class Items, class Save>
    void save_batches(const Items& items, opcode add_batch, Save save_one) {
        if (items.empty()) return;
        const bool ends_with_empty = python_ && items.size() % batch_size == 0;
        for (std::size_t i = 0; i < items.size(); ++i) {
            if (i % batch_size == 0) add_opcode(op_mark);
            save_one(i);
            if ((i + 1) % batch_size == 0 || i + 1 == items.size()) add_opcode(add_batch);
        }
        if (ends_with_empty) {
            add_opcode(op_mark);
            add_opcode(add_batch);
        }
    }

    std::string out_;
    std::size_t frame_begin_ = no_frame;
    bool python_;
    bool framing_ = false;
};

}  // namespace

std::string dump(const value& v, form f) { return writer(f).write(v); }

}  // namespace simul::pickle
