// Blobs of a layout on disk (private).
#pragma once

#include "cooper/base/ranged.hpp"
#include "cooper/oci/image.hpp"

#include <filesystem>
#include <memory>
#include <optional>

namespace cooper::oci {

/// blobs/ALG/HEX below a directory that stays open, so that it may be renamed. No symlink below it is followed.
class LayoutBlobs final : public Blobs {
public:
    explicit LayoutBlobs(const std::filesystem::path& layout);

    [[nodiscard]] std::unique_ptr<Source> open(const Descriptor& blob, std::uint64_t offset,
                                               const Run& run) const override;
    /// The size of what lies there; nullopt when nothing does. Error{InvalidInput} for what is no regular file.
    [[nodiscard]] std::optional<std::uint64_t> find_size(const Digest& digest) const;

private:
    [[nodiscard]] std::optional<FileRanged> find(const Digest& digest) const;

    std::filesystem::path layout_;
    FileDescriptor directory_;
};

}  // namespace cooper::oci
