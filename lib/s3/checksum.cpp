#include "cooper/s3/checksum.hpp"

#include "cooper/base/text.hpp"

#include "s3/crc64.hpp"

#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace cooper::s3 {

namespace {

// The polynomial with its bits reversed: bit 63 is x^0, so shifting right multiplies by x.
constexpr std::uint64_t kPolynomial = 0x9A6C9329AC4BC9B5ULL;
constexpr std::uint64_t kOne = 1ULL << 63;

constexpr std::uint64_t times_x(std::uint64_t value) {
    return (value >> 1) ^ ((value & 1) != 0 ? kPolynomial : 0);
}

using Tables = std::array<std::array<std::uint64_t, 256>, 8>;

/// tables[n][b]: byte b followed by n zero bytes ("slice by 8").
constexpr Tables make_tables() {
    Tables tables{};
    for (std::uint64_t byte = 0; byte < 256; ++byte) {
        std::uint64_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) {
            crc = times_x(crc);
        }
        tables[0][byte] = crc;
    }
    for (std::size_t slice = 1; slice < 8; ++slice) {
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint64_t before = tables[slice - 1][byte];
            tables[slice][byte] = (before >> 8) ^ tables[0][before & 0xFF];
        }
    }
    return tables;
}

constexpr Tables kTables = make_tables();

/// x^power modulo the polynomial, for the folding constants.
constexpr std::uint64_t x_to_the(unsigned power) {
    std::uint64_t value = kOne;
    for (unsigned i = 0; i < power; ++i) {
        value = times_x(value);
    }
    return value;
}

/// a * b modulo the polynomial.
std::uint64_t multiply(std::uint64_t a, std::uint64_t b) {
    std::uint64_t product = 0;
    for (std::uint64_t bit = kOne; bit != 0; bit >>= 1) {
        if ((a & bit) != 0) {
            product ^= b;
        }
        b = times_x(b);
    }
    return product;
}

std::uint64_t load(const std::byte* from) {
    std::uint64_t word = 0;
    std::memcpy(&word, from, sizeof word);
    if constexpr (std::endian::native == std::endian::big) {
        word = __builtin_bswap64(word);
    }
    return word;
}

}  // namespace

std::uint64_t crc64_by_table(std::uint64_t state, Bytes bytes) {
    const std::byte* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 8; at += 8, left -= 8) {
        const std::uint64_t word = state ^ load(at);
        state = kTables[7][word & 0xFF] ^ kTables[6][(word >> 8) & 0xFF] ^ kTables[5][(word >> 16) & 0xFF] ^
                kTables[4][(word >> 24) & 0xFF] ^ kTables[3][(word >> 32) & 0xFF] ^ kTables[2][(word >> 40) & 0xFF] ^
                kTables[1][(word >> 48) & 0xFF] ^ kTables[0][word >> 56];
    }
    for (; left > 0; ++at, --left) {
        state = (state >> 8) ^ kTables[0][(state ^ static_cast<std::uint64_t>(*at)) & 0xFF];
    }
    return state;
}

#if defined(__x86_64__)

namespace {

// "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ" (Gopal et al., Intel 2009), for reflected data: a
// 128-bit block is first * x^64 + second; moving it D bits on multiplies by x^D. The product of two reflected 64-bit
// factors comes out one bit low, which counts as a factor x: hence the exponents less one.
constexpr std::uint64_t kFirstBy512 = x_to_the(512 + 64 - 1);
constexpr std::uint64_t kSecondBy512 = x_to_the(512 - 1);
constexpr std::uint64_t kFirstBy128 = x_to_the(128 + 64 - 1);
constexpr std::uint64_t kSecondBy128 = x_to_the(128 - 1);

#define COOPER_PCLMUL __attribute__((target("pclmul,sse4.1")))

COOPER_PCLMUL __m128i constants(std::uint64_t first, std::uint64_t second) {
    return _mm_set_epi64x(static_cast<long long>(second), static_cast<long long>(first));
}

COOPER_PCLMUL __m128i load_block(const std::byte* from) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

COOPER_PCLMUL __m128i fold(__m128i block, __m128i by, __m128i next) {
    const __m128i first = _mm_clmulepi64_si128(block, by, 0x00);
    const __m128i second = _mm_clmulepi64_si128(block, by, 0x11);
    return _mm_xor_si128(_mm_xor_si128(first, second), next);
}

}  // namespace

COOPER_PCLMUL std::uint64_t crc64_by_folding(std::uint64_t state, Bytes bytes) {
    constexpr std::size_t kStep = 64;
    if (bytes.size() < 2 * kStep) {
        return crc64_by_table(state, bytes);
    }
    const std::byte* at = bytes.data();
    const std::byte* const last = at + (bytes.size() / kStep) * kStep;
    __m128i a = _mm_xor_si128(load_block(at), _mm_set_epi64x(0, static_cast<long long>(state)));
    __m128i b = load_block(at + 16);
    __m128i c = load_block(at + 32);
    __m128i d = load_block(at + 48);
    const __m128i by512 = constants(kFirstBy512, kSecondBy512);
    for (at += kStep; at != last; at += kStep) {
        a = fold(a, by512, load_block(at));
        b = fold(b, by512, load_block(at + 16));
        c = fold(c, by512, load_block(at + 32));
        d = fold(d, by512, load_block(at + 48));
    }
    const __m128i by128 = constants(kFirstBy128, kSecondBy128);
    const __m128i folded = fold(fold(fold(a, by128, b), by128, c), by128, d);
    std::array<std::byte, 16> rest{};
    _mm_storeu_si128(reinterpret_cast<__m128i*>(rest.data()), folded);
    return crc64_by_table(crc64_by_table(0, rest), bytes.subspan(bytes.size() / kStep * kStep));
}

bool crc64_can_fold() noexcept {
    static const bool can = __builtin_cpu_supports("pclmul") != 0 && __builtin_cpu_supports("sse4.1") != 0;
    return can;
}

#else

std::uint64_t crc64_by_folding(std::uint64_t state, Bytes bytes) {
    return crc64_by_table(state, bytes);
}
bool crc64_can_fold() noexcept {
    return false;
}

#endif

std::uint64_t crc64nvme(Bytes bytes, std::uint64_t crc) {
    return ~(crc64_can_fold() ? crc64_by_folding(~crc, bytes) : crc64_by_table(~crc, bytes));
}

std::uint64_t crc64nvme_combine(std::uint64_t a, std::uint64_t b, std::uint64_t length_b) {
    // a moves on by length_b bytes: times x^(8 * length_b), by squaring.
    std::uint64_t factor = kOne;
    std::uint64_t square = x_to_the(8);
    for (; length_b != 0; length_b >>= 1) {
        if ((length_b & 1) != 0) {
            factor = multiply(factor, square);
        }
        square = multiply(square, square);
    }
    return multiply(a, factor) ^ b;
}

std::string crc64nvme_header(std::uint64_t crc) {
    std::array<std::byte, 8> big_endian{};
    for (std::size_t i = 0; i < big_endian.size(); ++i) {
        big_endian[i] = static_cast<std::byte>(crc >> (56 - 8 * i));
    }
    return to_base64(big_endian);
}

}  // namespace cooper::s3
