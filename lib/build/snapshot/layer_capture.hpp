// Changes become a layer: dated, hashed, listed (private).
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/build/snapshots.hpp"

#include "build/snapshot/changes.hpp"
#include "build/snapshot/layer_index.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>

namespace cooper::build {

/// What a file's header says where the disk cannot.
using Describe = std::function<void(const Member& member, TarEntry& entry)>;

/// Reads the changed files in `tree`, writes the list of members, and gives names and sizes. The members must be dated.
CapturedLayer hash_layer(TreeRoot& tree, const Changes& changes, const std::filesystem::path& members,
                         const Describe& describe, const Run& run);

/// Times of members as the layer has them: whole seconds from 1970 to `epoch`.
void date_members(Changes& changes, std::int64_t epoch);

/// Makes the files in `tree` as young as the layer says; directories keep the times that they were found with. After
/// all other changes of the tree.
void set_times(TreeRoot& tree, const Changes& changes);

}  // namespace cooper::build
