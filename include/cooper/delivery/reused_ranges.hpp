// Which bytes of a new tarball lie in an older one, and how an upload is cut so that a store can copy them itself.
#pragma once

#include "cooper/delivery/lock.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cooper::delivery {

/// Bytes [offset, offset + length) of the new tarball are those at `source_offset` of the old one.
struct ReusedRange {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    std::uint64_t source_offset = 0;
    bool operator==(const ReusedRange&) const = default;
};

/// By offset; what is adjacent in both is one range. Nothing is said of stretches that the old one lacks.
std::vector<ReusedRange> reused_ranges(const std::vector<LockedSegment>& old_segments,
                                       const std::vector<LockedSegment>& new_segments);

/// A tarball of the same place with ranges of a new one in it. A value.
struct Reuse {
    std::string key;   ///< of the old tarball
    std::string etag;  ///< what it must still have when it is copied from
    std::vector<ReusedRange> ranges;

    /// Where in the old tarball the `length` bytes at `offset` of the new one are; nullopt: not there, or not together.
    [[nodiscard]] std::optional<std::uint64_t> find(std::uint64_t offset, std::uint64_t length) const;
    [[nodiscard]] std::uint64_t bytes() const;
};

/// The lengths of the parts of an upload of `size` bytes. Each part lies in a reused range as a whole or is to be sent;
/// all but the last have `least` bytes or more, none has more than `most` (which is 2 * `least` or more). A reused
/// range that is too short for that is sent.
std::vector<std::uint64_t> cut_parts(std::uint64_t size, const std::vector<ReusedRange>& ranges, std::uint64_t least,
                                     std::uint64_t most);

}  // namespace cooper::delivery
