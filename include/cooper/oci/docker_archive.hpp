// The docker-archive that cooper writes, as a plan: known to the byte before any layer is read.
//
// Format version 1, the hybrid of `docker save` >= 25 (docker-archive and OCI layout in one tar): members in this
// order: oci-layout, index.json, manifest.json, manifests, configs, then layers in order of first use, each distinct
// blob once, each at blobs/sha256/HEX; two zero blocks. Headers: ustar, regular files only, mode 0644, ids 0, no names,
// mtime 0, pax record `size` only from 8 GiB on. JSON compact, keys in fixed order, RepoTags sorted. Nothing but the
// inputs decides the bytes.
#pragma once

#include "cooper/base/ranged.hpp"
#include "cooper/oci/graph.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace cooper::oci {

/// Raised only when the bytes of the archive for the same inputs change.
inline constexpr int kArchiveFormatVersion = 1;

enum class ArchiveFormat {
    Hybrid,  ///< the default: every loader tried takes it
    Docker,  ///< without oci-layout, index.json and manifest blobs, for tools that choke on them
};

/// An image and the names that it has in the archive ("docker.io/library/app:1"; none: loads by ID). The layers must be
/// plain or gzip (see convert.hpp).
struct ArchiveImage {
    Image image;
    std::vector<std::string> repo_tags;
};

/// A stretch of the archive.
struct Segment {
    /// Bytes known from the start: headers, JSON, padding, end.
    struct Literal {
        std::string bytes;
    };
    /// All of a layer blob.
    struct Blob {
        Descriptor descriptor;
        std::shared_ptr<const Blobs> blobs;
        std::optional<Digest> diff_id;
        bool any_content = false;  ///< oci-archive: not only plain and gzip layers
    };
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    std::variant<Literal, Blob> content;
};

/// The bytes of a docker-archive. Is a Ranged; a value that is cheap to copy; safe from several threads.
class ArchivePlan final : public Ranged {
public:
    /// Needs the manifests and configs only. Throws Error{InvalidInput}: no image, two images that claim one name, a
    /// layer of another compression than plain or gzip, sizes that disagree for one digest.
    static ArchivePlan make(const std::vector<ArchiveImage>& images, ArchiveFormat format = ArchiveFormat::Hybrid);

    /// An oci-archive: an OCI layout in one tar, whole graphs with their exact manifests, layers of any compression.
    /// Members: oci-layout, index.json (one entry per graph and name: annotation ref.name), `documents` (readers of
    /// layouts pass them by), manifests, then other blobs in order of first use, each once. Headers as above. Throws
    /// Error{InvalidInput}: no graph, two graphs that claim one name.
    struct NamedGraph {
        Graph graph;
        std::vector<std::string> names;
    };
    struct Document {
        std::string path;
        std::string text;
    };
    static ArchivePlan make_oci(const std::vector<NamedGraph>& graphs, const std::vector<Document>& documents = {});

    using Ranged::open;
    [[nodiscard]] std::uint64_t size() const override;
    /// The bytes of any range; blobs are read as their source gives them and **not verified** here: use the archive
    /// writer (archive_writer.hpp) for verified bytes.
    [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t offset, std::uint64_t length) const override;
    /// In order, without gaps.
    [[nodiscard]] const std::vector<Segment>& segments() const noexcept;
    /// A digest over format version and all that decides the bytes: equal plans make equal archives.
    [[nodiscard]] const Digest& identity() const noexcept;

private:
    struct State;
    explicit ArchivePlan(std::shared_ptr<const State> state) : state_(std::move(state)) {}
    std::shared_ptr<const State> state_;
};

}  // namespace cooper::oci
