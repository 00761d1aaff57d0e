// A layer from a directory: the same bytes each time (`trust-and-delivery.md` 1.2, `registry-and-engine.md` 6).
#pragma once

#include "cooper/base/compression.hpp"
#include "cooper/base/run.hpp"
#include "cooper/base/tar.hpp"
#include "cooper/oci/image.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cooper::build {

/// What is known of one path of the file system that layers make together.
struct PathInfo {
    TarType type = TarType::File;
    std::string link;  ///< symlink target
};

/// The paths of an image's layers, merged with whiteouts applied, so that new entries resolve symlinked parents
/// (/lib -> usr/lib) and existing directories are not written again. Paths have no leading or trailing slash.
class BaseTree {
public:
    /// Reads all layers of `image` (verified: digest and diff ID), headers only kept. Bounded by TarLimits. Layers
    /// whose blob and diff ID were read before are found in the directory `memory` instead (empty: none), unless what
    /// is there is damaged or another user's; with all of them there no blob is opened.
    static BaseTree read(const oci::Image& image, const Run& run, const std::filesystem::path& memory = {});
    BaseTree() = default;
    [[nodiscard]] const PathInfo* find(const std::string& path) const;
    /// `path` with every symlinked parent followed inside the root. Throws Error{InvalidInput} for a loop or a parent
    /// that is no directory.
    [[nodiscard]] std::string resolve_parents(const std::string& path) const;
    /// Merges one more entry; a whiteout hides what is there by now.
    void apply(const TarEntry& entry);

private:
    class Merge;
    void place(const std::string& path, PathInfo info);
    void hide(const std::string& whiteout);
    void erase_below(const std::string& path);

    std::map<std::string, PathInfo> paths_;
};

/// How a layer's blob is compressed: what decides its bytes, given the tar.
struct LayerCompression {
    Compression kind = Compression::Gzip;  ///< None, Gzip or Zstd
    GzipOptions gzip;
    ZstdOptions zstd;

    /// Names compressor, version and parameters: gzip_fingerprint(), zstd_fingerprint(), or "none".
    [[nodiscard]] std::string fingerprint() const;
};

struct LayerOptions {
    std::filesystem::path directory;    ///< its content goes into the layer; a symlink to a directory is followed once
    std::string target = "/";           ///< where in the image; missing parents are made, 0755 0:0
    std::optional<std::int64_t> epoch;  ///< times later than this are clamped to it (SOURCE_DATE_EPOCH)
    std::uint64_t uid = 0;
    std::uint64_t gid = 0;
    bool preserve_modes = false;  ///< else 0644/0755 by the owner's execute bit, directories 0755, symlinks 0777
    bool preserve_owners = false;
    LayerCompression compression;
};

/// A layer blob on disk with both of its names.
struct BuiltLayer {
    oci::Descriptor descriptor;  ///< OCI media type
    Digest diff_id;
    std::filesystem::path file;  ///< below the spool directory given
    std::string target;          ///< as in LayerOptions, for the image's history
    std::uint64_t files = 0;     ///< entries that are no directories
    std::uint64_t tar_size = 0;
    std::string compressor;  ///< LayerCompression::fingerprint()
    bool reused = false;     ///< found in a LayerMemory
};

/// Writes the layer into `spool`. Entries sorted bytewise, parents first; hard links by (device, inode): the first path
/// is the file; sockets are skipped with a notice; devices are refused; a file that changes while it is read is an
/// Error naming it. user.* and security.capability xattrs are kept. Symlinked parents of the base are followed, its
/// directories are not repeated. `base` gets the layer's entries, for the next layer on top.
BuiltLayer build_layer(const LayerOptions& options, BaseTree& base, const std::filesystem::path& spool, const Run& run);

/// Where layers of earlier runs are found again: small files in a directory of this user, and their blobs wherever the
/// two functions have them (oci::Store). The functions are called in one thread.
struct LayerMemory {
    std::filesystem::path directory;  ///< made when something is remembered; empty: nothing is
    /// The file of a blob that is kept; nullopt when it is gone. Its content is verified by whoever reads it.
    std::function<std::optional<std::filesystem::path>(const Digest& blob)> find;
    /// Takes over the file of a new blob.
    std::function<void(const Digest& blob, const std::filesystem::path& file)> keep;
};

/// What compressed the layer blob that a LayerBuilder with a memory in `directory` made: LayerCompression::fingerprint().
/// Empty: not known.
std::string find_compressor(const std::filesystem::path& directory, const Digest& blob);

/// Layers on a base, one on another, that are not made again when nothing changed.
///
/// A directory counts as unchanged when every file has the path, type, mode, owner, size, mtime, ctime and inode that
/// it had (directories and links: what the layer says of them), and no file was so young then that it could have
/// changed without another time. Options, compressor, and what of the base decides the layer's paths must be the same
/// as well. Without the base's layers being looked at when they are the same; after that by the paths that they lead
/// to. So a memory never changes bytes; one that cannot be read or written is done without. Not thread-safe.
class LayerBuilder {
public:
    /// New blobs are written to `spool`, an existing directory that must outlive what is built.
    LayerBuilder(oci::Image base, std::filesystem::path spool, LayerMemory memory = {});
    ~LayerBuilder();
    LayerBuilder(const LayerBuilder&) = delete;
    LayerBuilder& operator=(const LayerBuilder&) = delete;

    /// The next layer on top, as build_layer() makes it. The file stays where the memory keeps it, or in the spool.
    BuiltLayer add(const LayerOptions& options, const Run& run);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace cooper::build
