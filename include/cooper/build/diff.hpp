// What differs between two images: manifest and config member by member, layers, and the files in them.
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/run.hpp"
#include "cooper/base/tar.hpp"
#include "cooper/oci/graph.hpp"
#include "cooper/oci/image.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

enum class ChangeKind : std::uint8_t { Added, Removed, Changed };
std::string_view to_string(ChangeKind kind) noexcept;  ///< "added", "removed", "changed"

/// One place in a JSON document.
struct ValueChange {
    std::string pointer;                ///< RFC 6901, "/config/Env/3": in `after`, of what was removed in `before`
    std::optional<std::string> before;  ///< the value's own text; nullopt: not there
    std::optional<std::string> after;

    [[nodiscard]] ChangeKind kind() const noexcept;
    bool operator==(const ValueChange&) const = default;
};

/// What a path is, as a layer or a whole file system has it. `entry` has no path.
struct FileState {
    TarEntry entry;
    std::optional<Digest> content;  ///< files
    bool whiteout = false;          ///< in a layer: the path is taken away

    bool operator==(const FileState&) const = default;
};

struct FileChange {
    std::string path;
    std::optional<FileState> before;
    std::optional<FileState> after;
    /// Of what is on both sides: "type", "mode", "uid", "gid", "size", "mtime", "link", "device", "xattrs", "content",
    /// "whiteout". Never empty then.
    std::vector<std::string_view> fields;

    [[nodiscard]] ChangeKind kind() const noexcept;
};

/// A layer of one side and its counterpart of the other. Equal ones (by diff ID) are paired first, in order; what
/// is left between them is paired in order as well.
struct LayerDiff {
    std::optional<std::size_t> before;  ///< number from 0, in its image
    std::optional<std::size_t> after;
    bool same_content = false;  ///< the diff IDs agree
    bool same_blob = false;     ///< the digests too: not even compressed differently
    /// Entries by path, sorted (a layer without counterpart: all of them). Empty for layers that were not read, and for
    /// those of another diff ID whose entries agree in all but their order or the tar's own bytes.
    std::vector<FileChange> files;
    bool read = false;  ///< the entries were compared
};

struct DiffOptions {
    bool layers = true;       ///< compare files by layer; false: no layer is read for it
    bool file_system = true;  ///< compare the file systems that all layers make together
    /// Leaves out times of files, of the config and its history, and what follows from them: digests and sizes in the
    /// manifest, bytes that differ though no member does.
    bool ignore_times = false;
};

struct ImageDiff {
    std::vector<ValueChange> manifest;
    std::vector<ValueChange> config;
    /// Bytes of manifest or config differ, but no member does: another order, other spaces.
    bool other_spelling = false;
    std::vector<LayerDiff> layers;  ///< in order; also the equal ones
    std::vector<FileChange> files;  ///< of the whole file systems, sorted by path

    /// Nothing was found (with what the options left out).
    [[nodiscard]] bool same() const noexcept;
};

/// Compares two images. Layers on both sides are read once; contents are hashed and dropped, so memory goes with the
/// number of paths (bounded, Error{InvalidInput}). Each layer's digest and diff ID is checked. Equal manifests are
/// equal images: nothing is read then.
ImageDiff diff(const oci::Image& before, const oci::Image& after, const DiffOptions& options, const Run& run);

/// Members of two JSON documents by pointer, in the order of the first, then what only the second has. Arrays are
/// aligned by equal elements, `Env` by variable. Numbers are compared as they are spelt, strings by what they mean.
/// Throws Error{InvalidInput} for what is no JSON; `what` names it.
std::vector<ValueChange> diff_json(std::string_view before, std::string_view after, std::string_view what);

}  // namespace cooper::build
