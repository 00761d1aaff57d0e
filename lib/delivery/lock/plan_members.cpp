#include "delivery/lock/plan_members.hpp"

#include "cooper/base/tar.hpp"

#include "base/counting_source.hpp"

#include <algorithm>
#include <array>

namespace cooper::delivery {
namespace {

std::string hex_byte(std::byte value) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const auto number = std::to_integer<unsigned>(value);
    return {'0', 'x', kDigits[number >> 4U], kDigits[number & 15U]};
}

/// The stretch of the archive that the byte at `offset` belongs to.
struct Stretch {
    LiteralDifference difference;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;  ///< of what counts as one difference
};

Stretch stretch_at(const std::vector<PlannedMember>& members, std::uint64_t offset, std::uint64_t file_size) {
    const auto after = std::upper_bound(members.begin(), members.end(), offset,
                                        [](std::uint64_t at, const PlannedMember& each) { return at < each.header; });
    const std::uint64_t end = after == members.end() ? file_size : after->header;
    if (after == members.begin()) {
        return {{"", false, "the beginning"}, 0, end};
    }
    const PlannedMember& member = *std::prev(after);
    if (offset < member.content) {
        return {{member.name, false, "the header of " + member.name}, member.header, member.content};
    }
    if (offset < member.content + member.size) {
        return {{member.name, true, member.name}, member.content, member.content + member.size};
    }
    return {{member.name, false, "the zeros after " + member.name}, member.content + member.size, end};
}

}  // namespace

std::vector<PlannedMember> members_of(const oci::ArchivePlan& plan) {
    std::vector<PlannedMember> members;
    for (std::uint64_t offset = 0; offset < plan.size();) {
        CountingSource source(plan.open(offset, plan.size() - offset));
        TarReader reader(source);  // reads a header alone, never a blob
        const auto entry = reader.next();
        if (!entry) {
            break;
        }
        const std::uint64_t content = offset + source.count();
        members.push_back({entry->path, offset, content, entry->size});
        offset = content + entry->size + tar_padding(entry->size);
    }
    return members;
}

std::vector<LiteralDifference> compare_literals(const oci::ArchivePlan& plan, const Ranged& file, const Run& run) {
    const std::vector<PlannedMember> members = members_of(plan);
    std::vector<LiteralDifference> differences;
    std::uint64_t told_until = 0;
    std::vector<std::byte> buffer(kStreamStep);
    for (const oci::Segment& segment : plan.segments()) {
        const auto* literal = std::get_if<oci::Segment::Literal>(&segment.content);
        if (literal == nullptr) {
            continue;
        }
        const auto source = file.open(segment.offset, segment.length);
        std::uint64_t at = segment.offset;
        while (const std::size_t count = read_full(*source, buffer)) {
            run.check();
            const Bytes planned = as_bytes(literal->bytes).subspan(at - segment.offset, count);
            for (std::size_t i = told_until > at ? std::min<std::uint64_t>(told_until - at, count) : 0; i < count;
                 ++i) {
                if (buffer[i] == planned[i]) {
                    continue;
                }
                Stretch stretch = stretch_at(members, at + i, plan.size());
                stretch.difference.text += ": byte " + std::to_string(at + i - stretch.begin) + " (byte " +
                                           std::to_string(at + i) + " of the file) is " + hex_byte(buffer[i]) +
                                           ", not " + hex_byte(planned[i]);
                differences.push_back(std::move(stretch.difference));
                told_until = stretch.end;
                i = static_cast<std::size_t>(std::min<std::uint64_t>(stretch.end - at, count)) - 1;
            }
            at += count;
        }
    }
    return differences;
}

}  // namespace cooper::delivery
