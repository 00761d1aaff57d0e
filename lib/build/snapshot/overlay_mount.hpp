// One overlay mount (Linux Documentation/filesystems/overlayfs.rst) of any number of layers (private).
#pragma once

#include <filesystem>
#include <vector>

namespace cooper::build {

struct OverlayLayers {
    std::vector<std::filesystem::path> lower;  ///< the topmost first; at least two without `upper`, else one
    std::filesystem::path upper;               ///< empty: to read only
    std::filesystem::path work;                ///< empty, on upper's file system
    bool user_xattr = false;
};

/// Mounted as long as it lives. Nothing that was written is flushed to the disk by unmounting ("volatile").
class OverlayMount {
public:
    /// `target` is an existing directory. Throws SystemError with the kernel's words.
    OverlayMount(std::filesystem::path target, const OverlayLayers& layers);
    ~OverlayMount();
    OverlayMount(const OverlayMount&) = delete;
    OverlayMount& operator=(const OverlayMount&) = delete;

private:
    std::filesystem::path target_;
};

/// Whatever is mounted there.
void unmount_quietly(const std::filesystem::path& target) noexcept;

/// The older way, for kernels before 6.5, whose options are limited to a page (some 200 layers). For tests.
void mount_overlay_by_options(const std::filesystem::path& target, const OverlayLayers& layers);

}  // namespace cooper::build
