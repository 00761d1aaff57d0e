#include "cooper/delivery/reused_ranges.hpp"

#include <algorithm>
#include <unordered_map>

namespace cooper::delivery {
namespace {

/// A stretch of the new tarball that is sent or copied as one.
struct Stretch {
    std::uint64_t length = 0;
    bool reused = false;
};

/// All of the tarball, in order; ranges shorter than `shortest` are no ranges.
std::vector<Stretch> stretches_of(std::uint64_t size, const std::vector<ReusedRange>& ranges, std::uint64_t shortest) {
    std::vector<Stretch> stretches;
    std::uint64_t at = 0;
    for (const ReusedRange& range : ranges) {
        if (range.length < shortest) {
            continue;
        }
        if (range.offset > at) {
            stretches.push_back({range.offset - at, false});
        }
        stretches.push_back({range.length, true});
        at = range.offset + range.length;
    }
    if (at < size) {
        stretches.push_back({size - at, false});
    }
    return stretches;
}

/// What is sent between two ranges must be long enough for a part: it takes bytes from the range behind it.
void lengthen_sent(std::vector<Stretch>& stretches, std::uint64_t least) {
    for (std::size_t i = 0; i + 1 < stretches.size(); ++i) {
        Stretch& sent = stretches[i];
        if (!sent.reused && sent.length < least) {
            const std::uint64_t more = least - sent.length;
            sent.length += more;
            stretches[i + 1].length -= more;
        }
    }
}

}  // namespace

std::vector<ReusedRange> reused_ranges(const std::vector<LockedSegment>& old_segments,
                                       const std::vector<LockedSegment>& new_segments) {
    std::vector<std::uint64_t> old_offsets;
    std::unordered_map<std::string, std::size_t> by_digest;
    std::uint64_t at = 0;
    for (std::size_t i = 0; i < old_segments.size(); ++i) {
        by_digest.emplace(old_segments[i].digest.text(), i);
        old_offsets.push_back(at);
        at += old_segments[i].size;
    }
    std::vector<ReusedRange> ranges;
    std::size_t next_old = old_segments.size();  // behind the segment that was matched last
    at = 0;
    for (const LockedSegment& segment : new_segments) {
        const bool goes_on = next_old < old_segments.size() && old_segments[next_old].digest == segment.digest &&
                             old_segments[next_old].size == segment.size;
        if (!goes_on) {
            const auto found = by_digest.find(segment.digest.text());
            next_old = found == by_digest.end() || old_segments[found->second].size != segment.size
                           ? old_segments.size()
                           : found->second;
        }
        if (next_old < old_segments.size()) {
            if (goes_on) {
                ranges.back().length += segment.size;
            } else {
                ranges.push_back({at, segment.size, old_offsets[next_old]});
            }
            ++next_old;
        }
        at += segment.size;
    }
    return ranges;
}

std::optional<std::uint64_t> Reuse::find(std::uint64_t offset, std::uint64_t length) const {
    auto range = std::upper_bound(ranges.begin(), ranges.end(), offset,
                                  [](std::uint64_t at, const ReusedRange& other) { return at < other.offset; });
    if (range == ranges.begin()) {
        return std::nullopt;
    }
    --range;
    const std::uint64_t within = offset - range->offset;
    return within + length <= range->length ? std::optional(range->source_offset + within) : std::nullopt;
}

std::uint64_t Reuse::bytes() const {
    std::uint64_t total = 0;
    for (const ReusedRange& range : ranges) {
        total += range.length;
    }
    return total;
}

std::vector<std::uint64_t> cut_parts(std::uint64_t size, const std::vector<ReusedRange>& ranges, std::uint64_t least,
                                     std::uint64_t most) {
    // A range gives up to `least` bytes to what is sent before it and must still be long enough itself.
    std::vector<Stretch> stretches = stretches_of(size, ranges, 2 * least);
    lengthen_sent(stretches, least);
    std::vector<std::uint64_t> parts;
    for (const Stretch& stretch : stretches) {
        const std::uint64_t count = (stretch.length + most - 1) / most;
        for (std::uint64_t i = 0; i < count; ++i) {
            parts.push_back(stretch.length * (i + 1) / count - stretch.length * i / count);
        }
    }
    return parts;
}

}  // namespace cooper::delivery
