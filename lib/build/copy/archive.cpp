#include "build/copy/archive.hpp"

#include "cooper/base/compression.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/tar.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace cooper::build {

namespace {

constexpr std::size_t kChecksumAt = 148;
constexpr std::size_t kChecksumSize = 8;

std::optional<std::uint32_t> octal(Bytes field) {
    std::uint32_t value = 0;
    bool digits = false;
    for (const std::byte byte : field) {
        const auto at = std::to_integer<unsigned>(byte);
        if (at >= '0' && at <= '7') {
            value = value * 8 + (at - '0');
            digits = true;
        } else if (digits) {
            break;
        } else if (at != ' ') {
            return std::nullopt;
        }
    }
    return digits ? std::optional(value) : std::nullopt;
}

/// The sum of the header's bytes, its own field counted as blanks; old programs took them as signed.
bool has_checksum(Bytes header) {
    std::uint32_t sum = 0;
    std::int64_t signed_sum = 0;
    for (std::size_t i = 0; i < header.size(); ++i) {
        const bool own = i >= kChecksumAt && i < kChecksumAt + kChecksumSize;
        const auto byte = own ? std::uint8_t{' '} : std::to_integer<std::uint8_t>(header[i]);
        sum += byte;
        signed_sum += static_cast<std::int8_t>(byte);
    }
    const auto stated = octal(header.subspan(kChecksumAt, kChecksumSize));
    return stated && (*stated == sum || static_cast<std::int64_t>(*stated) == signed_sum);
}

}  // namespace

std::unique_ptr<Source> open_archive(std::unique_ptr<Source> file) {
    return decompressed_by_magic(std::move(file));
}

bool is_archive(std::unique_ptr<Source> file) {
    std::array<std::byte, kTarBlock> header{};
    try {
        const auto tar = open_archive(std::move(file));
        if (read_full(*tar, header) < header.size()) {
            return false;
        }
    } catch (const SystemError&) {
        throw;
    } catch (const Error&) {
        return false;  // no such compression after all: a file like any other
    }
    return header.front() != std::byte{0} && has_checksum(header);
}

}  // namespace cooper::build
