// What builds keep beside a store: unpacked layers, cache mounts, steps, records. For counting and collecting it.
//
//   DIRECTORY/layers    Snapshots
//   DIRECTORY/mounts    CacheMounts
//   DIRECTORY/steps     BuildCache
//   DIRECTORY/records   remember_record()
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/build/build_cache.hpp"
#include "cooper/build/snapshots.hpp"
#include "cooper/oci/store.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace cooper::build {

struct BuildUsage {
    Snapshots::Usage layers;
    CacheMounts::Usage mounts;
    std::uint64_t steps = 0;
    /// Of layers and mounts; steps and records are small.
    [[nodiscard]] std::uint64_t bytes() const noexcept { return layers.bytes + mounts.bytes; }
};

/// What this process can read of it; of other users' files that is after confine_process().
BuildUsage build_usage(const std::filesystem::path& directory, const Run& run);

struct BuildGcOptions {
    std::optional<std::chrono::seconds> max_age;  ///< layers and mounts not used for so long go
    /// What was used last goes last, until no more than this is left: by steps, from a month's age to an hour's.
    std::optional<std::uint64_t> max_bytes;
    bool dry_run = false;
};
/// Removes unpacked layers and cache mounts by these limits, and what killed builds left. What running builds use
/// stays, and what another isolation mode made (confine_process). Steps whose layer is nowhere go with
/// collect_steps(). Returns what went.
BuildUsage collect_builds(const std::filesystem::path& directory, const BuildGcOptions& options, const Run& run);

/// After Store::gc(): removes steps whose layer is neither unpacked nor in `store`, and those not used for `max_age`.
/// Returns how many.
std::uint64_t collect_steps(const std::filesystem::path& directory, const oci::Store& store,
                            std::optional<std::chrono::seconds> max_age, bool dry_run, const Run& run);

}  // namespace cooper::build
