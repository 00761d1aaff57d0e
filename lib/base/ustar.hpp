// The ustar header block: where each field lies (POSIX.1-2017 pax, "ustar Interchange Format"; GNU's differs from
// `prefix` on). Private to what reads and writes tar.
#pragma once

#include "cooper/base/tar.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cooper::ustar {

struct Field {
    std::size_t offset;
    std::size_t size;

    [[nodiscard]] constexpr std::string_view of(std::string_view block) const { return block.substr(offset, size); }
    [[nodiscard]] constexpr std::size_t end() const { return offset + size; }
};

inline constexpr Field kName{0, 100};
inline constexpr Field kMode{100, 8};
inline constexpr Field kUid{108, 8};
inline constexpr Field kGid{116, 8};
inline constexpr Field kSize{124, 12};
inline constexpr Field kMtime{136, 12};
inline constexpr Field kChecksum{148, 8};
inline constexpr Field kType{156, 1};
inline constexpr Field kLink{157, 100};
inline constexpr Field kMagic{257, 8};  // with the version
inline constexpr Field kDeviceMajor{329, 8};
inline constexpr Field kDeviceMinor{337, 8};
inline constexpr Field kPrefix{345, 155};
inline constexpr Field kGnuAtime{345, 12};
inline constexpr Field kGnuCtime{357, 12};
inline constexpr Field kStarTrailer{508, 4};

inline constexpr std::string_view kPosixMagic{"ustar\00000", 8};
inline constexpr std::string_view kGnuMagic{"ustar  \0", 8};

/// The largest number that a field holds in octal, a terminating NUL included.
constexpr std::uint64_t max_octal(Field field) {
    return (1ULL << 3 * (field.size - 1)) - 1;
}

/// The sum of a block's bytes with the checksum field taken as blanks. Some old writers summed signed characters.
struct Checksum {
    std::uint32_t as_unsigned = 0;
    std::int32_t as_signed = 0;
};
constexpr Checksum checksum(std::string_view block) {
    Checksum sum;
    for (std::size_t i = 0; i < block.size(); ++i) {
        const char byte = i >= kChecksum.offset && i < kChecksum.end() ? ' ' : block[i];
        sum.as_unsigned += static_cast<unsigned char>(byte);
        sum.as_signed += static_cast<signed char>(byte);
    }
    return sum;
}

/// Octal digits between blanks and NULs, or GNU's base-256. An empty field is 0, as all readers have it. Throws
/// Error{Integrity}.
std::int64_t number(std::string_view block, Field field);
/// Throws Error{Integrity} unless the block's checksum is one of the two.
void check_checksum(std::string_view block);

}  // namespace cooper::ustar
