// Archives as files: their members, one by one (private).
#pragma once

#include "cooper/base/ranged.hpp"
#include "cooper/base/run.hpp"

#include "delivery/explain/documents.hpp"
#include "delivery/explain/raw_tar.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cooper::delivery {

struct ArchiveMember {
    RawEntry header;
    std::string name;          ///< cleaned
    std::uint64_t offset = 0;  ///< of its content
    bool padded_with_zeros = true;
};

struct ScannedArchive {
    std::shared_ptr<const FileRanged> file;
    std::vector<ArchiveMember> members;
    TarEnd end;
    std::map<std::string, std::size_t, std::less<>> files;  ///< positions by name; of repeated ones the first

    /// nullptr: none, or a link.
    [[nodiscard]] const ArchiveMember* find(std::string_view name) const;
    /// A member's content, as small as documents are; nullopt: none. Throws Error{InvalidInput} beyond that.
    [[nodiscard]] std::optional<std::string> text(std::string_view name) const;
};

/// Reads all headers and no content. Throws as RawTarReader.
ScannedArchive scan_archive(std::shared_ptr<const FileRanged> file, const Run& run);

/// What members are, where their names alone do not say it: "layer 2 of image 1". Equal on both sides for counterparts.
using MemberRoles = std::map<std::string, std::string>;

struct ArchiveSide {
    const ScannedArchive& scanned;
    const MemberRoles& roles;
};
/// Members, their headers, order and names; contents of those that have no role; blobs that are not what their name
/// says. Bytes before `same_until` are known to be equal.
void compare_members(const ArchiveSide& a, const ArchiveSide& b, std::uint64_t same_until, const Telling& to,
                     const Run& run);

}  // namespace cooper::delivery
