// Mutated tars whose headers are believed.
#pragma once

#include "cooper/base/tar.hpp"

#include "base/ustar.hpp"

#include <array>
#include <cstdio>
#include <string>
#include <string_view>

namespace cooper::fuzz {

/// With the checksum put right in each block that looks like a header: a changed byte gets past the first check.
inline std::string with_checksums(std::string archive) {
    for (std::size_t at = 0; archive.size() - at >= kTarBlock; at += kTarBlock) {
        const std::string_view block = std::string_view(archive).substr(at, kTarBlock);
        if (ustar::kMagic.of(block).starts_with("ustar")) {
            std::array<char, 8> text{};
            std::snprintf(text.data(), text.size(), "%06o", ustar::checksum(block).as_unsigned & 0777777U);
            archive.replace(at + ustar::kChecksum.offset, text.size(), text.data(), text.size());
        }
    }
    return archive;
}

}  // namespace cooper::fuzz
