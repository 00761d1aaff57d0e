// A layer from a directory: the same bytes each time (`trust-and-delivery.md` 1.2, `registry-and-engine.md` 6).
#pragma once

#include "cooper/base/compression.hpp"
#include "cooper/base/run.hpp"
#include "cooper/base/tar.hpp"
#include "cooper/oci/image.hpp"

#include <cstdint>
#include <filesystem>
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
    /// Reads all layers of `image` (verified: digest and diff ID), headers only kept. Bounded by TarLimits.
    static BaseTree read(const oci::Image& image, const Run& run);
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
};

/// Writes the layer into `spool`. Entries sorted bytewise, parents first; hard links by (device, inode): the first path
/// is the file; sockets are skipped with a notice; devices are refused; a file that changes while it is read is an
/// Error naming it. user.* and security.capability xattrs are kept. Symlinked parents of the base are followed, its
/// directories are not repeated. `base` gets the layer's entries, for the next layer on top.
BuiltLayer build_layer(const LayerOptions& options, BaseTree& base, const std::filesystem::path& spool, const Run& run);

}  // namespace cooper::build
