#include <simul/codec/binary.hpp>

#include <fmt/format.h>

namespace simul {
namespace {

constexpr std::size_t depth_max = 500;

void put_little_endian(std::string& out, std::uint64_t bits, unsigned size) {
    for (; size > 0; --size, bits >>= 8) out += static_cast<char>(static_cast<unsigned char>(bits));
}

std::uint64_t little_endian(std::string_view bytes) {
    std::uint64_t result = 0;
    for (std::size_t i = bytes.size(); i-- > 0;)
        result = (result << 8) | static_cast<unsigned char>(bytes[i]);
    return result;
}

}  // namespace

void binary_writer::unsigned_number(std::uint64_t number) {
    for (; number >= 0x80; number >>= 7) byte(static_cast<unsigned char>(number | 0x80));
    byte(static_cast<unsigned char>(number));
}

void binary_writer::number32(std::uint32_t bits) { put_little_endian(out_, bits, 4); }
void binary_writer::number64(std::uint64_t bits) { put_little_endian(out_, bits, 8); }

void binary_writer::text(std::string_view t) {
    unsigned_number(t.size());
    out_ += t;
}

void binary_writer::tree(const value& v) {
    byte(static_cast<unsigned char>(v.type()));
    switch (v.type()) {
        case value::kind::null:
            break;
        case value::kind::boolean:
            byte(v.as_bool() ? 1 : 0);
            break;
        case value::kind::integer:
            signed_number(v.as_int());
            break;
        case value::kind::big_integer:
            text(v.as_decimal());
            break;
        case value::kind::floating:
            number64(std::bit_cast<std::uint64_t>(v.as_double()));
            break;
        case value::kind::string:
            text(v.as_string());
            break;
        case value::kind::bytes:
            text(v.as_bytes().data);
            break;
        case value::kind::list:
        case value::kind::tuple:
        case value::kind::set:
            unsigned_number(v.size());
            for (const value& item : v) tree(item);
            break;
        case value::kind::dict:
            unsigned_number(v.size());
            for (const value::entry& e : v.entries()) {
                tree(e.key);
                tree(e.value);
            }
            break;
    }
}

void binary_reader::fail(std::string_view reason) const {
    throw codec_error(fmt::format("binary data: byte {}: {}", at_, reason));
}

std::string_view binary_reader::take(std::uint64_t size) {
    if (size > left()) fail(fmt::format("{} bytes should follow, {} are left", size, left()));
    const std::string_view result = data_.substr(at_, static_cast<std::size_t>(size));
    at_ += static_cast<std::size_t>(size);
    return result;
}

unsigned char binary_reader::byte() { return static_cast<unsigned char>(take(1).front()); }

bool binary_reader::boolean() {
    const unsigned char b = byte();
    if (b > 1) fail(fmt::format("{} is neither 0 nor 1", b));
    return b == 1;
}

std::uint64_t binary_reader::unsigned_number() {
    std::uint64_t result = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const unsigned char b = byte();
        const std::uint64_t bits = b & 0x7fU;
        if (shift == 63 && bits > 1) break;
        result |= bits << shift;
        if ((b & 0x80U) == 0) return result;
    }
    fail("a number is longer than 64 bits");
}

std::uint32_t binary_reader::number32() { return static_cast<std::uint32_t>(little_endian(take(4))); }
std::uint64_t binary_reader::number64() { return little_endian(take(8)); }
std::string_view binary_reader::text() { return take(unsigned_number()); }

std::size_t binary_reader::count(std::string_view what) {
    const std::uint64_t n = unsigned_number();
    if (n > left()) fail(fmt::format("{} {} should follow, but only {} bytes are left", n, what, left()));
    return static_cast<std::size_t>(n);
}

value binary_reader::tree(std::size_t depth) {
    if (depth > depth_max) fail(fmt::format("more than {} levels of nesting", depth_max));
    const auto items = [&] {
        std::vector<value> result;
        for (std::size_t left_over = count("items"); left_over > 0; --left_over)
            result.push_back(tree(depth + 1));
        return result;
    };
    const unsigned char tag = byte();
    switch (static_cast<value::kind>(tag)) {
        case value::kind::null:
            return value();
        case value::kind::boolean:
            return value(boolean());
        case value::kind::integer:
            return value(signed_number());
        case value::kind::big_integer:
            return value(big_integer::from_decimal(text()));
        case value::kind::floating:
            return value(std::bit_cast<double>(number64()));
        case value::kind::string:
            return value(text());
        case value::kind::bytes:
            return value(bytes{std::string(text())});
        case value::kind::list:
            return value::list(items());
        case value::kind::tuple:
            return value::tuple(items());
        case value::kind::set:
            return value::set(items());
        case value::kind::dict: {
            std::vector<value::entry> entries;
            for (std::size_t left_over = count("entries"); left_over > 0; --left_over) {
                value key = tree(depth + 1);
                entries.push_back({std::move(key), tree(depth + 1)});
            }
            return value::dict(std::move(entries));
        }
    }
    fail(fmt::format("{} is the tag of no kind of value", tag));
}

void binary_reader::expect_end() const {
    if (left() != 0)
        fail(fmt::format("{} bytes are left over: reader and writer disagree about the type", left()));
}

}  // namespace simul
