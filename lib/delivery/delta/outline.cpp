#include "delivery/delta/outline.hpp"

#include "cooper/delivery/keys.hpp"

#include "base/workers.hpp"
#include "delivery/delta/conveyor.hpp"

#include <unordered_map>
#include <unordered_set>

namespace cooper::delivery {
namespace {

/// With the members of the archive itself these make heads that stay below kMaxDeltaHead.
constexpr std::size_t kMaxInner = 50'000;

using SizeCounts = std::unordered_map<std::uint64_t, std::size_t>;
using Names = std::unordered_set<std::string>;  // of digests

Outline cut(const ReadFile& file, const Run& run) {
    return {std::nullopt, cut_at_members(file.bytes, 0, file.bytes.size(), run), {}};
}

SizeCounts count_sizes(const Outline& outline) {
    SizeCounts counts;
    for (const Stretch& stretch : outline.stretches) {
        ++counts[stretch.size];
    }
    return counts;
}

/// Hashes the whole file and, in the same pass, the stretches that may have an equal: those whose size occurs among
/// `others`, or `own` more than once.
void hash_outline(Outline& outline, const ReadFile& file, const SizeCounts& others, const SizeCounts& own,
                  const Run& run) {
    const std::string name = file.path.filename().string();
    Conveyor conveyor(Conveyor::Hash::Both, name, file.bytes.size(), run);
    std::vector<std::size_t> hashed;
    for (std::size_t i = 0; i < outline.stretches.size(); ++i) {
        const Stretch& stretch = outline.stretches[i];
        const auto twin = own.find(stretch.size);
        const bool wanted = others.contains(stretch.size) || (twin != own.end() && twin->second > 1);
        conveyor.carry(file.bytes, stretch.offset, stretch.size, nullptr, wanted);
        if (wanted) {
            conveyor.end_piece();
            hashed.push_back(i);
        }
    }
    outline.file = DeltaFile{safe_file_name(name), file.bytes.size(), conveyor.whole()};
    outline.digests.assign(outline.stretches.size(), std::nullopt);
    const auto digests = conveyor.pieces();
    for (std::size_t i = 0; i < hashed.size(); ++i) {
        outline.digests[hashed[i]] = digests[i];
    }
}

Names names_of(const Outline& outline) {
    Names names;
    for (const auto& digest : outline.digests) {
        if (digest) {
            names.insert(digest->text());
        }
    }
    return names;
}

/// A blob that has no equal in the other file, but is a tar with files that may have one.
struct ChangedTar {
    std::size_t index = 0;  // of the blob among the stretches
    std::vector<Stretch> inner;
};

std::vector<ChangedTar> changed_tars(const Outline& outline, const ReadFile& file, const Names& others,
                                     const Run& run) {
    std::vector<ChangedTar> found;
    std::size_t total = 0;
    for (std::size_t i = 0; i < outline.stretches.size(); ++i) {
        const Stretch& stretch = outline.stretches[i];
        const auto& digest = outline.digests[i];
        if (!stretch.blob || (digest && others.contains(digest->text()))) {
            continue;
        }
        ChangedTar tar{i, cut_at_members(file.bytes, stretch.offset, stretch.offset + stretch.size, run)};
        if (tar.inner.size() > 1 && total + tar.inner.size() <= kMaxInner) {
            total += tar.inner.size();
            found.push_back(std::move(tar));
        }
    }
    return found;
}

SizeCounts count_sizes(const std::vector<ChangedTar>& tars) {
    SizeCounts counts;
    for (const ChangedTar& tar : tars) {
        for (const Stretch& stretch : tar.inner) {
            ++counts[stretch.size];
        }
    }
    return counts;
}

/// Puts the files of changed tars in the tars' places, with the digests of those whose size occurs among `others`.
void refine(Outline& outline, const ReadFile& file, const std::vector<ChangedTar>& tars, const SizeCounts& others,
            const Run& run) {
    std::uint64_t total = 0;
    for (const ChangedTar& tar : tars) {
        for (const Stretch& stretch : tar.inner) {
            total += others.contains(stretch.size) ? stretch.size : 0;
        }
    }
    Conveyor conveyor(Conveyor::Hash::Pieces, file.path.filename().string() + ", changed layers", total, run);
    Outline finer{outline.file, {}, {}};
    std::vector<std::size_t> hashed;
    auto next = tars.begin();
    for (std::size_t i = 0; i < outline.stretches.size(); ++i) {
        if (next == tars.end() || next->index != i) {
            finer.stretches.push_back(outline.stretches[i]);
            finer.digests.push_back(outline.digests[i]);
            continue;
        }
        for (Stretch stretch : (next++)->inner) {
            stretch.blob = false;  // the head's list of blobs is of the archive's own
            if (others.contains(stretch.size)) {
                conveyor.carry(file.bytes, stretch.offset, stretch.size, nullptr, true);
                conveyor.end_piece();
                hashed.push_back(finer.stretches.size());
            }
            finer.stretches.push_back(stretch);
            finer.digests.emplace_back(std::nullopt);
        }
    }
    const auto digests = conveyor.pieces();
    for (std::size_t i = 0; i < hashed.size(); ++i) {
        finer.digests[hashed[i]] = digests[i];
    }
    outline = std::move(finer);
}

}  // namespace

std::pair<Outline, Outline> compare_files(const ReadFile& before, const ReadFile& after, const Run& run) {
    std::pair<Outline, Outline> both{cut(before, run), cut(after, run)};
    const SizeCounts before_sizes = count_sizes(both.first);
    const SizeCounts after_sizes = count_sizes(both.second);
    Workers readers(run);
    readers.start([&, reader = readers.run()] { hash_outline(both.first, before, after_sizes, {}, reader); });
    readers.start([&, reader = readers.run()] { hash_outline(both.second, after, before_sizes, after_sizes, reader); });
    readers.join();
    const auto before_tars = changed_tars(both.first, before, names_of(both.second), run);
    const auto after_tars = changed_tars(both.second, after, names_of(both.first), run);
    if (!before_tars.empty() && !after_tars.empty()) {
        Workers again(run);
        again.start([&, r = again.run()] { refine(both.first, before, before_tars, count_sizes(after_tars), r); });
        again.start([&, r = again.run()] { refine(both.second, after, after_tars, count_sizes(before_tars), r); });
        again.join();
    }
    return both;
}

std::pair<Outline, Outline> compare_with_lock(const Lock& before, const ReadFile& after, const Run& run) {
    const LockedOutput& output = before.output;
    std::pair<Outline, Outline> both{{DeltaFile{safe_file_name(output.name), output.size, output.sha256}, {}, {}},
                                     cut(after, run)};
    std::uint64_t offset = 0;
    for (const LockedSegment& segment : before.segments) {
        both.first.stretches.push_back({offset, segment.size, segment.blob});
        both.first.digests.emplace_back(segment.digest);
        offset += segment.size;
    }
    hash_outline(both.second, after, count_sizes(both.first), count_sizes(both.second), run);
    return both;
}

}  // namespace cooper::delivery
