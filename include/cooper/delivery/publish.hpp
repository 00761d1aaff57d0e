// Publish: images become tarballs in a place, the branch's changelog gains an entry, and links are made to hand over.
#pragma once

#include "cooper/delivery/build_info.hpp"
#include "cooper/delivery/place.hpp"
#include "cooper/oci/convert.hpp"
#include "cooper/oci/docker_archive.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace cooper::delivery {

/// One tarball: an image under the NAME:TAG that it is delivered as.
struct PublishImage {
    oci::Image image;
    std::string name;  ///< "openhands": file name and changelog
    std::string tag;
    std::vector<std::string> repo_tags;  ///< in the archive, fully qualified; RepoTags
    std::string source;                  ///< as the user wrote it, for messages
};

struct PublishOptions {
    oci::LayerForm layers = oci::LayerForm::Keep;
    oci::ArchiveFormat format = oci::ArchiveFormat::Hybrid;
    bool deep = false;
    std::chrono::seconds expires{12 * 3600};
    std::size_t memory = 40ULL << 20;  ///< bytes of part buffers
    unsigned connections = 4;
};

struct PublishedImage {
    std::string name;
    std::string tag;
    std::string key;
    std::string file;  ///< colon-free name to save under
    std::uint64_t size = 0;
    std::string sha256;  ///< hex, of the tarball
    std::string image_id;
    bool already_there = false;  ///< same bytes were there: nothing was written
    bool diff_ids_checked = false;
    Link link;
};

struct Published {
    std::vector<PublishedImage> images;
    std::string changelog_key;
    bool changelog_changed = false;
};

/// Delivers all images, then writes the changelog entry as the last write. Same commit and same bytes again: nothing
/// changes. Same commit, other bytes: Error{Conflict} (DifferentBytes), nothing overwritten. A failure half-way leaves
/// no changelog entry; tarballs that were completed stay and are found again by the next run.
Published publish(const std::vector<PublishImage>& images, const BuildInfo& build, Place& place,
                  const PublishOptions& options, const Run& run);

/// The key holds other bytes for the same commit: exit code 10.
class DifferentBytes : public Error {
public:
    explicit DifferentBytes(const std::string& message);
    ~DifferentBytes() override;
};
/// Lost the race for the changelog too often, or the store cannot do it safely: exit code 9.
class LostRace : public Error {
public:
    explicit LostRace(const std::string& message);
    ~LostRace() override;
};

/// Merges `entry` into BRANCH/CHANGELOG.md; the per-build entry object is written first. True when the document
/// changed.
bool update_changelog(Place& place, const std::string& branch_prefix, const struct ChangelogEntry& entry,
                      const Run& run);
/// Rebuilds CHANGELOG.md from the entry objects, keeping foreign text. True when it changed.
bool rebuild_changelog(Place& place, const std::string& branch_prefix, const Run& run);

}  // namespace cooper::delivery
