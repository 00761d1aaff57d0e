// Reading archives: what docker save (old and new), podman, skopeo, crane, BuildKit, kaniko and cooper itself write,
// and OCI layouts in a tar.
//
// Members are indexed by one pass over their headers and looked up by name in that index, never on disk. Documents are
// bounded and checked against the digests that name them; layers are ranges of the file, verified by whoever reads
// them.
#pragma once

#include "cooper/base/ranged.hpp"
#include "cooper/base/run.hpp"
#include "cooper/oci/graph.hpp"
#include "cooper/oci/reference.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::oci {

/// An archive on disk: docker-archive, oci-archive, or both in one (hybrid). A cheap handle; safe from several threads.
/// The file may be renamed or removed while it is open, not changed.
class ArchiveFile {
public:
    /// Indexes the members. A tar that is compressed as a whole is inflated into `spool` first. Throws Error: NotFound
    /// (no such file), InvalidInput (no tar, or no image archive), Integrity (cut, ambiguous), Unsupported (xz, bzip2).
    static ArchiveFile open(const std::filesystem::path& path, const std::filesystem::path& spool, const Run& run);
    /// From a stream, which is spooled below `spool`: archives need their end before their beginning.
    static ArchiveFile read(Source& stream, const std::string& name, const std::filesystem::path& spool,
                            const Run& run);

    struct Entry {
        std::vector<std::string> repo_tags;  ///< as the archive has them; may be empty
        Digest image_id;
    };
    /// The images of manifest.json, in its order; empty for a pure oci-archive.
    [[nodiscard]] const std::vector<Entry>& images() const noexcept;
    /// Image `index` of manifest.json. With an OCI index inside (hybrid archives) the manifest is taken from there;
    /// else one is made, for which each layer is read and hashed once (in parallel). Repeated layers, links between
    /// members, compressed layers and names in any form are understood.
    [[nodiscard]] Image image(std::size_t index, const Run& run) const;
    /// The number of the image called `name`, "@N", or with neither the only one. Throws Error: NotFound, InvalidInput
    /// (several): those present are listed.
    [[nodiscard]] std::size_t find(const std::optional<Reference>& name, std::string_view which) const;

    /// index.json, for oci-archives and hybrids; nullopt when there is none.
    [[nodiscard]] std::optional<Index> oci_index() const;
    /// Blobs at blobs/ALG/HEX, as an OCI layout has them (empty-handed for archives without: Error{NotFound}).
    [[nodiscard]] std::shared_ptr<const Blobs> blobs() const;
    /// The size of the blob at blobs/ALG/HEX; nullopt when there is none.
    [[nodiscard]] std::optional<std::uint64_t> find_size(const Digest& blob) const;
    /// Names of members that begin with `prefix` ("locks/"), and what a member holds (Error{InvalidInput} beyond
    /// `limit` bytes; nullopt: there is none).
    [[nodiscard]] std::vector<std::string> members_below(std::string_view prefix) const;
    [[nodiscard]] std::optional<std::string> find_text(std::string_view member, std::size_t limit) const;
    /// The graph of an entry of index.json (choose_entry of layout.hpp).
    [[nodiscard]] Graph graph(std::string_view which, const Run& run) const;

private:
    struct State;
    static ArchiveFile index(std::shared_ptr<const FileRanged> file, std::string name, const Run& run);
    explicit ArchiveFile(std::shared_ptr<const State> state) : state_(std::move(state)) {}
    std::shared_ptr<const State> state_;
};

struct ArchivedImage {
    Image image;
    std::vector<std::string> repo_tags;  ///< as the archive has them; may be empty
};

/// ArchiveFile::open, find and image in one step, for an archive that is not compressed as a whole
/// (Error{Unsupported}).
ArchivedImage read_docker_archive(const std::filesystem::path& path, const std::optional<Reference>& name,
                                  const Run& run);

}  // namespace cooper::oci
