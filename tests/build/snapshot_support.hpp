// Snapshots in a directory of their own, for the tests.
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/files.hpp"
#include "cooper/build/snapshots.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace cooper::testing {

/// What the tests need to mount overlay file systems: root, in a mount namespace of its own from the first call on.
/// False: they cannot be had here.
bool can_mount_overlays();

/// Root with overlay mounts; or, with `overlay` false, with copies in the same form.
build::Confinement root_confinement(bool overlay);

/// Files with owners, no mounts, no marks of overlay mounts.
build::Confinement chroot_confinement();

/// The tar of a captured layer.
std::string layer_tar(const build::Snapshots& snapshots, const Digest& diff_id);
/// The members of a layer, one line each: path, type, mode, owner, size or target, time, attributes, hash of content.
std::vector<std::string> layer_lines(const build::Snapshots& snapshots, const Digest& diff_id);
/// Only the paths, joined by blanks.
std::string layer_paths(const build::Snapshots& snapshots, const Digest& diff_id);

/// Runs a script of sh in a directory; its failure fails the test.
void run_script(const std::filesystem::path& directory, const std::string& script);

constexpr std::int64_t kSnapshotEpoch = 1'000'000'000;

}  // namespace cooper::testing
