// Two files as stretches with digests where they may be equal: what a delta is made of (private).
#pragma once

#include "cooper/base/ranged.hpp"
#include "cooper/delivery/delta.hpp"
#include "cooper/delivery/lock.hpp"

#include "delivery/delta/cut.hpp"

#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

namespace cooper::delivery {

/// A file as stretches, in order and without gaps.
struct Outline {
    std::optional<DeltaFile> file;
    std::vector<Stretch> stretches;
    std::vector<std::optional<Digest>> digests;  ///< one for each; nullopt: the other file has no equal
};

struct ReadFile {
    const std::filesystem::path& path;
    const Ranged& bytes;
};

/// Reads both once, at the same time. Of layers that are plain tars and changed, once more: their files may have
/// stayed.
std::pair<Outline, Outline> compare_files(const ReadFile& before, const ReadFile& after, const Run& run);
std::pair<Outline, Outline> compare_with_lock(const Lock& before, const ReadFile& after, const Run& run);

}  // namespace cooper::delivery
