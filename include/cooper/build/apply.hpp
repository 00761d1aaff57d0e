// Applying layers to a directory: an image's file system, unpacked where nothing outside the directory can be touched.
//
// OCI image specification 1.1, layer.md ("Applying Changesets"). Everything in a layer is hostile
// (`trust-and-delivery.md` 5.2): every operation is relative to a directory descriptor inside the root (openat2
// RESOLVE_IN_ROOT|NO_MAGICLINKS, or a walk with O_NOFOLLOW that gives the same answers), no path is trusted as text.
//
// Where unpackers differ (`registry-and-engine.md` 6):
// - A parent that is a symlink is followed inside the root, as umoci and docker's vfs do (overlay mounts make a real
//   directory instead). A directory entry for the symlink itself replaces it.
// - Directories that no entry describes get mode 0755 and time 0; a directory keeps its time when a layer changes only
//   what it holds. Times are whole seconds, not before 1970.
// - A hard link leads to a regular file (or a symlink, which is not followed) inside the root, of this layer or a lower
//   one; its header's mode, owner and time are believed, as docker, podman and containerd do and umoci does not.
// - A character device 0/0 is the whiteout that overlay mounts take it for.
// - Attributes: user.*, and with owners security.capability, trusted.* and access lists; not those of overlay mounts,
//   nor labels that belong to the system.
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/base/stream.hpp"
#include "cooper/base/tar.hpp"
#include "cooper/oci/image.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace cooper::build {

struct ApplyOptions {
    /// False: files belong to the caller, devices are left out with a notice, unreadable modes are made readable by the
    /// owner while it works. True needs root (CAP_CHOWN, CAP_MKNOD, CAP_SETFCAP).
    bool owners = false;
    bool devices = true;  ///< with owners; false: left out with a notice, as where nobody may make them
    TarLimits limits;
    std::uint64_t max_layer_bytes = 32ULL << 30;   ///< of one layer's contents
    std::uint64_t max_total_bytes = 128ULL << 30;  ///< of all layers' contents
    std::string task;
};

struct Applied {
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;  ///< file contents written
    std::uint64_t whiteouts = 0;
    /// "PATH (what: why)": devices and xattrs that this user cannot make; at most 1,000 are listed.
    std::vector<std::string> left_out;
};

/// Applies one uncompressed layer tar to `root`, an existing directory. What the layer does to paths outside is done
/// inside or refused (Error{InvalidInput} naming the entry); duplicate paths: the last wins; a file replaces a symlink,
/// never what it points at; whiteouts hide lower layers only, never entries of their own layer. After an error the
/// directory is in an undefined state, but nothing outside was touched.
Applied apply_layer(Source& tar, const std::filesystem::path& root, const ApplyOptions& options, const Run& run);

/// Unpacks an image into `directory`, which appears whole (made beside it, mode 0700 while it works, then renamed) or
/// not at all: every blob digest and diff ID is checked before it is visible. `directory` must be absent or empty.
/// One file system pass per layer, the next layer's blob is fetched and inflated meanwhile.
Applied unpack(const oci::Image& image, const std::filesystem::path& directory, const ApplyOptions& options,
               const Run& run);

}  // namespace cooper::build
