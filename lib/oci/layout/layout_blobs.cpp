#include "oci/layout/layout_blobs.hpp"

#include "cooper/base/error.hpp"

#include "base/beneath.hpp"
#include "oci/layout/entries.hpp"

#include <fcntl.h>

#include <cerrno>

namespace cooper::oci {

LayoutBlobs::LayoutBlobs(const std::filesystem::path& layout)
    : layout_(layout), directory_(::open(layout.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    if (!directory_.valid()) {
        throw SystemError("cannot open directory " + layout.string(), errno);
    }
}

std::optional<FileRanged> LayoutBlobs::find(const Digest& digest) const {
    const std::string path = blob_path(digest);
    return in_context(layout_.string(), [&]() -> std::optional<FileRanged> {
        auto opened = detail::open_beneath_by_kernel(directory_.get(), path);
        FileDescriptor file = opened ? std::move(*opened) : detail::open_beneath_by_walk(directory_.get(), path);
        if (!file.valid()) {
            return std::nullopt;
        }
        return FileRanged(std::move(file), layout_ / path);
    });
}

std::unique_ptr<Source> LayoutBlobs::open(const Descriptor& blob, std::uint64_t offset, const Run& /*run*/) const {
    const auto file = find(blob.digest);
    if (!file) {
        throw Error(ErrorCode::NotFound, "the layout " + layout_.string() + " has no blob " + blob.digest.text());
    }
    if (file->size() != blob.size || offset > blob.size) {
        throw IntegrityError("size of blob " + blob.digest.text() + " in the layout " + layout_.string(),
                             std::to_string(blob.size), std::to_string(file->size()));
    }
    return file->open(offset, blob.size - offset);
}

std::optional<std::uint64_t> LayoutBlobs::find_size(const Digest& digest) const {
    const auto file = find(digest);
    return file ? std::optional(file->size()) : std::nullopt;
}

}  // namespace cooper::oci
