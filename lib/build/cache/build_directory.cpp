#include "cooper/build/build_directory.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string>

namespace cooper::build {

namespace {

namespace fs = std::filesystem;
using std::chrono::hours;

/// Of what nobody limits: what killed builds left goes at any age.
constexpr std::chrono::seconds kAnyAge = hours(24) * 365 * 100;
constexpr std::array<std::chrono::seconds, 6> kAges = {hours(24 * 30), hours(24 * 7), hours(24 * 2),
                                                       hours(12),      hours(3),      hours(1)};

BuildUsage collect_once(const fs::path& directory, std::chrono::seconds max_age, bool dry_run, const Run& run) {
    return {Snapshots::collect(directory / "layers", max_age, dry_run, run),
            CacheMounts::collect(directory / "mounts", max_age, dry_run, run), 0};
}

void add(const BuildUsage& more, BuildUsage& all) {
    all.layers.layers += more.layers.layers;
    all.layers.bytes += more.layers.bytes;
    all.mounts.mounts += more.mounts.mounts;
    all.mounts.bytes += more.mounts.bytes;
}

/// Hex digits of the diff IDs that are unpacked in any mode.
std::set<std::string> unpacked_layers(const fs::path& directory) {
    std::set<std::string> found;
    std::error_code unreadable;
    for (const auto& form : fs::directory_iterator(directory / "layers", unreadable)) {
        for (const auto& layer : fs::directory_iterator(form.path() / "layers", unreadable)) {
            found.insert(layer.path().filename().string());
        }
    }
    return found;
}

}  // namespace

BuildUsage build_usage(const fs::path& directory, const Run& run) {
    BuildUsage usage{Snapshots::usage(directory / "layers", run), CacheMounts::usage(directory / "mounts", run), 0};
    std::error_code absent;
    for (const auto& step : fs::directory_iterator(directory / "steps", absent)) {
        usage.steps += step.path().extension() == ".step" ? 1U : 0U;
    }
    return usage;
}

BuildUsage collect_builds(const fs::path& directory, const BuildGcOptions& options, const Run& run) {
    const std::uint64_t before = options.max_bytes ? build_usage(directory, run).bytes() : 0;
    BuildUsage removed = collect_once(directory, options.max_age.value_or(kAnyAge), options.dry_run, run);
    for (const std::chrono::seconds age : kAges) {
        if (!options.max_bytes || before - std::min(before, removed.bytes()) <= *options.max_bytes) {
            break;
        }
        const BuildUsage more = collect_once(directory, age, options.dry_run, run);
        if (options.dry_run) {
            removed = more;  // nothing went, so it counts what the ages before would have taken
        } else {
            add(more, removed);
        }
    }
    return removed;
}

std::uint64_t collect_steps(const fs::path& directory, const oci::Store& store,
                            std::optional<std::chrono::seconds> max_age, bool dry_run, const Run& run) {
    const std::set<std::string> unpacked = unpacked_layers(directory);
    return BuildCache(store, directory / "steps")
        .collect(
            max_age.value_or(kAnyAge),
            [&](const Digest& diff_id) { return unpacked.contains(std::string(diff_id.hex())); }, dry_run, run);
}

}  // namespace cooper::build
