#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <vector>

#include <simul/codec/value.hpp>

namespace simul {
namespace {

// Magnitudes are little-endian digits: base 10^9 for decimal text, base 2^32 for bytes. Both conversions are
// the schoolbook ones; digits_max keeps their quadratic cost at some ten thousand steps.
constexpr std::uint64_t billion = 1'000'000'000;

void multiply_add(std::vector<std::uint32_t>& digits, std::uint64_t base, std::uint64_t factor,
                  std::uint64_t summand) {
    std::uint64_t carry = summand;
    for (std::uint32_t& digit : digits) {
        carry += digit * factor;
        digit = static_cast<std::uint32_t>(carry % base);
        carry /= base;
    }
    while (carry != 0) {
        digits.push_back(static_cast<std::uint32_t>(carry % base));
        carry /= base;
    }
}

// In place: the bytes of -n from those of n.
void negate(std::string& bytes) {
    unsigned carry = 1;
    for (char& c : bytes) {
        carry += static_cast<unsigned char>(~static_cast<unsigned char>(c));
        c = static_cast<char>(static_cast<unsigned char>(carry));
        carry >>= 8;
    }
}

[[noreturn]] void too_long() {
    throw codec_error(fmt::format("the integer has more than {} digits", big_integer::digits_max));
}

}  // namespace

big_integer big_integer::from_decimal(std::string_view text) {
    std::string_view digits = text;
    const bool negative = digits.starts_with('-');
    if (negative) digits.remove_prefix(1);
    const bool good = !digits.empty() &&
                      std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!good) throw codec_error(fmt::format("\"{}\" is no integer", text.substr(0, 40)));
    digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size() - 1));
    std::string canonical(digits);
    if (negative && canonical != "0") canonical.insert(canonical.begin(), '-');
    return big_integer(std::move(canonical));
}

big_integer big_integer::from_twos_complement(std::string_view data) {
    if (data.size() > digits_max) too_long();  // a digit takes less than a byte: cheap first answer
    std::string magnitude(data);
    const bool negative = !data.empty() && (static_cast<unsigned char>(data.back()) & 0x80U) != 0;
    if (negative) negate(magnitude);

    std::vector<std::uint32_t> digits;
    for (std::size_t i = magnitude.size(); i-- > 0;)
        multiply_add(digits, billion, 256, static_cast<unsigned char>(magnitude[i]));

    std::string text = negative ? "-" : "";
    if (digits.empty()) text = "0";
    for (std::size_t i = digits.size(); i-- > 0;)
        text += i + 1 == digits.size() ? fmt::format("{}", digits[i]) : fmt::format("{:09}", digits[i]);
    if (text.size() > digits_max + (negative ? 1 : 0)) too_long();
    return big_integer(std::move(text));
}

std::string big_integer::twos_complement() const {
    std::string_view text = decimal_;
    if (text == "0") return {};
    if (negative()) text.remove_prefix(1);
    if (text.size() > digits_max) too_long();

    std::vector<std::uint32_t> digits;
    for (std::size_t size = text.size() % 9 == 0 ? 9 : text.size() % 9; !text.empty(); size = 9) {
        std::uint32_t chunk = 0;
        std::from_chars(text.data(), text.data() + size, chunk);
        multiply_add(digits, std::uint64_t{1} << 32, billion, chunk);
        text.remove_prefix(size);
    }

    std::string bytes;
    for (const std::uint32_t digit : digits)
        for (unsigned shift = 0; shift < 32; shift += 8)
            bytes += static_cast<char>(static_cast<unsigned char>(digit >> shift));
    bytes += '\0';  // room for the sign; the loop below takes away what is too much
    if (negative()) negate(bytes);
    const char filler = negative() ? '\xff' : '\0';
    while (bytes.size() > 1 && bytes.back() == filler &&
           ((static_cast<unsigned char>(bytes[bytes.size() - 2]) & 0x80U) != 0) == negative())
        bytes.pop_back();
    return bytes;
}

std::strong_ordering operator<=>(const big_integer& a, const big_integer& b) noexcept {
    if (a.negative() != b.negative()) return b.negative() <=> a.negative();
    const std::string& small = a.negative() ? b.decimal_ : a.decimal_;
    const std::string& large = a.negative() ? a.decimal_ : b.decimal_;
    if (small.size() != large.size()) return small.size() <=> large.size();
    return small.compare(large) <=> 0;
}

}  // namespace simul
