// OCI image layouts on disk: read, written and understood by skopeo, umoci, podman, crane, BuildKit.
// OCI image specification 1.1, image-layout.md.
#pragma once

#include "cooper/oci/graph.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::oci {

/// What a name in index.json is written as.
inline constexpr std::string_view kRefNameAnnotation = "org.opencontainers.image.ref.name";
inline constexpr std::string_view kContainerdNameAnnotation = "io.containerd.image.name";

/// Which entry of an index.json is meant: "" (the only one), "NAME" (annotation ref.name, else containerd's name),
/// "@N" (the N-th, from 0), "sha256:…" or "@sha256:…" (by digest; also one that is only listed below an index).
/// Throws Error: NotFound that lists the names present, InvalidInput when more than one fits.
const Descriptor& choose_entry(const Index& index, std::string_view which);

/// A directory that is an OCI image layout. A handle: cheap; documents are read when they are asked for. Safe from
/// several threads.
class OciLayout {
public:
    /// An existing layout; throws Error: NotFound, InvalidInput (no or another `oci-layout`, no index.json).
    static OciLayout open(const std::filesystem::path& directory);
    /// The same, or a new one in an absent or empty directory (anything else there is Error{Conflict}).
    static OciLayout open_or_create(const std::filesystem::path& directory);

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return directory_; }
    /// index.json as it is now.
    [[nodiscard]] Index index() const;
    /// The graph of the entry `which` (see choose_entry); manifests verified, blobs read from the directory. Paths are
    /// made of digests only, and no symlink is followed below the directory.
    [[nodiscard]] Graph graph(std::string_view which, const Run& run) const;
    /// The layout's blobs (not verified here).
    [[nodiscard]] std::shared_ptr<const Blobs> blobs() const;
    [[nodiscard]] bool has(const Descriptor& blob) const;
    /// The size of what lies at the blob's place; nullopt when nothing does.
    [[nodiscard]] std::optional<std::uint64_t> find_size(const Digest& blob) const;

    struct Written {
        std::uint64_t bytes_written = 0;
        std::uint64_t bytes_reused = 0;  ///< blobs that were there with the right size
    };
    struct WriteOptions {
        unsigned connections = 4;
        std::string task;
    };
    /// Writes all of `graph` (each blob appears whole and verified, or not at all) and then, last, its entry in
    /// index.json, atomically and under a lock so that several processes may add to one layout. Another image's entry
    /// that had one of `names` goes (its blobs stay); no name: an entry without annotations, once. Foreign layers,
    /// which registries do not give out, are left out.
    Written write(const Graph& graph, const std::vector<std::string>& names, const WriteOptions& options,
                  const Run& run) const;
    /// Takes the entry out of index.json; blobs stay (`store gc`). False: there was none.
    bool remove(std::string_view which) const;

private:
    explicit OciLayout(std::filesystem::path directory) : directory_(std::move(directory)) {}
    std::filesystem::path directory_;
};

}  // namespace cooper::oci
