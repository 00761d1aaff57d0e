#include "delivery/explain/archive.hpp"

#include "cooper/base/error.hpp"

#include "oci/archive/members.hpp"
#include "oci/printable.hpp"

namespace cooper::delivery {

namespace {

constexpr std::size_t kMaxScanBytes = 256 * 1024 * 1024;

bool all_zeros(const Ranged& file, std::uint64_t offset, std::uint64_t length) {
    const auto padding = read_all(*file.open(offset, length), kTarBlock, "padding");
    return padding.find_first_not_of('\0') == std::string::npos;
}

}  // namespace

const ArchiveMember* ScannedArchive::find(std::string_view name) const {
    const auto found = files.find(name);
    return found == files.end() ? nullptr : &members[found->second];
}

std::optional<std::string> ScannedArchive::text(std::string_view name) const {
    const auto* member = find(name);
    if (member == nullptr) {
        return std::nullopt;
    }
    return read_all(*file->open(member->offset, member->header.size), oci::kMaxDocument,
                    "archive member " + oci::printable(name));
}

ScannedArchive scan_archive(std::shared_ptr<const FileRanged> file, const Run& run) {
    ScannedArchive archive;
    archive.file = std::move(file);
    const auto size = archive.file->size();
    std::size_t bytes = 0;
    // A reader per member: contents are stepped over, not read.
    for (std::uint64_t offset = 0;;) {
        run.check();
        const auto source = archive.file->open(offset, size - offset);
        RawTarReader tar(*source);
        auto header = tar.next();
        if (!header) {
            archive.end = tar.end();
            archive.end.size = size;
            return archive;
        }
        const auto content = offset + tar.position();
        const auto padding = tar_padding(header->size);
        if (header->size > size - content || padding > size - content - header->size) {
            throw IntegrityError("the archive ends inside its member " + oci::printable(header->path),
                                 std::to_string(header->size) + " bytes", std::to_string(size - content));
        }
        ArchiveMember member{std::move(*header), "", content, true};
        member.name = oci::member_name(member.header.path).value_or(member.header.path);
        member.padded_with_zeros = all_zeros(*archive.file, content + member.header.size, padding);
        offset = content + member.header.size + padding;
        bytes += member.header.cost() + member.name.size();
        if (archive.members.size() == oci::kMaxMembers || bytes > kMaxScanBytes) {
            throw Error(ErrorCode::InvalidInput,
                        "the archive has more than " + std::to_string(archive.members.size()) + " members");
        }
        if (member.header.is_file()) {
            archive.files.try_emplace(member.name, archive.members.size());
        }
        archive.members.push_back(std::move(member));
    }
}

}  // namespace cooper::delivery
