#include "oci/archive/member_layout.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/tar.hpp"

#include "oci/layout/entries.hpp"

namespace cooper::oci {

namespace {

Digest identity_of(const std::vector<Segment>& segments, std::string_view kind) {
    Hasher hasher;
    hasher.update(std::string(kind) + " " + std::to_string(kArchiveFormatVersion) + "\n");
    for (const Segment& segment : segments) {
        if (const auto* literal = std::get_if<Segment::Literal>(&segment.content)) {
            hasher.update("literal " + std::to_string(segment.length) + "\n");
            hasher.update(literal->bytes);
        } else {
            const Descriptor& blob = std::get<Segment::Blob>(segment.content).descriptor;
            hasher.update("blob " + std::to_string(segment.length) + " " + blob.digest.text() + "\n");
        }
    }
    return hasher.finish();
}

}  // namespace

void MemberLayout::document(const std::string& path, std::string_view bytes) {
    header(path, bytes.size());
    literal_ += bytes;
    literal_.append(tar_padding(bytes.size()), '\0');
}

void MemberLayout::blob(const Segment::Blob& blob) {
    const std::uint64_t length = blob.descriptor.size;
    header(blob_path(blob.descriptor.digest), length);
    flush();
    if (length > 0) {
        segments_.push_back({size_, length, blob});
    } else if (Digest empty = Hasher(blob.descriptor.digest.algorithm()).finish(); empty != blob.descriptor.digest) {
        // An empty blob is its header alone, so no writer will hash it.
        throw IntegrityError("a blob of no bytes", blob.descriptor.digest.text(), empty.text());
    }
    size_ += length;
    literal_.append(tar_padding(length), '\0');
}

MemberLayout::Members MemberLayout::finish(std::string_view kind) && {
    literal_.append(2 * kTarBlock, '\0');
    flush();
    Digest identity = identity_of(segments_, kind);
    return {std::move(segments_), size_, std::move(identity)};
}

void MemberLayout::header(const std::string& path, std::uint64_t length) {
    TarEntry entry;
    entry.path = path;
    entry.size = length;
    literal_ += tar_header(entry);
}

void MemberLayout::flush() {
    const std::uint64_t length = literal_.size();
    if (length > 0) {
        segments_.push_back({size_, length, Segment::Literal{std::move(literal_)}});
        size_ += length;
        literal_.clear();
    }
}

}  // namespace cooper::oci
