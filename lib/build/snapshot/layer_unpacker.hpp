// One layer unpacked by itself, as overlay mounts want it (private).
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/base/run.hpp"
#include "cooper/base/stream.hpp"

#include "build/snapshot/disk_form.hpp"
#include "build/snapshot/layer_index.hpp"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace cooper::build {

/// The tree that has a path of the layers below, and the path.
struct FoundBelow {
    std::filesystem::path tree;
    std::string path;
};
using FindBelow = std::function<std::optional<FoundBelow>(const std::string& path)>;

/// Unpacks `tar` into `tree`, an empty directory. Whiteouts become marks of overlay mounts where the form has them, and
/// stand in the index either way. A link to a file of a lower layer becomes a copy of it. Everything is hostile: as
/// apply_layer().
LayerIndex unpack_layer(Source& tar, const std::filesystem::path& tree, const DiskForm& form, const FindBelow& below,
                        const Run& run);

}  // namespace cooper::build
