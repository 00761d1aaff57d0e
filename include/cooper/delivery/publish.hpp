// Publish: images become tarballs in a place, the branch's changelog gains an entry, and links are made to hand over.
#pragma once

#include "cooper/delivery/build_info.hpp"
#include "cooper/delivery/lock.hpp"
#include "cooper/delivery/place.hpp"
#include "cooper/delivery/side_files.hpp"
#include "cooper/delivery/signature.hpp"
#include "cooper/oci/convert.hpp"
#include "cooper/oci/docker_archive.hpp"

#include <chrono>
#include <functional>
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
    LockOrigin origin = {};              ///< for the lock
    LayerMakers makers = {};             ///< layers that cooper made, for the lock
    /// Whether a blob can be read without a network, for plan_publish(); empty: none can.
    std::function<bool(const oci::Descriptor&)> at_hand = {};
};

struct PublishOptions {
    oci::LayerForm layers = oci::LayerForm::Keep;
    oci::ArchiveFormat format = oci::ArchiveFormat::Hybrid;
    bool deep = false;
    std::chrono::seconds expires{12 * 3600};
    std::size_t memory = 40ULL << 20;  ///< bytes of part buffers
    unsigned connections = 4;
    bool reuse = true;                        ///< let the store copy what an older tarball of the image has
    std::string tool_version;                 ///< for the lock
    std::shared_ptr<const SigningKey> key{};  ///< signs SHA256SUMS; null: it stays unsigned
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
    Traffic traffic;       ///< all zero when it was already there
    std::string lock_key;  ///< where the lock lies
    std::string lock;      ///< the document
    Link link;
};

struct Published {
    std::vector<PublishedImage> images;
    SideFilesResult side_files;  ///< without a key, of an unchanged delivery: where the checksums are, no more
    std::string changelog_key;
    bool changelog_changed = false;
};

/// Delivers all images, each with its lock (lock.hpp) beside it, and the files for those who receive them
/// (side_files.hpp), then writes the changelog entry as the last write. Of
/// a tarball only what the newest one of that image in the place lacks is sent, where the store copies ranges; its
/// SHA-256 is computed from all its bytes all the same. An upload that was cut goes on where it stopped. Same commit
/// and same bytes again: nothing changes. Same commit, other bytes: Error{Conflict} (DifferentBytes), nothing
/// overwritten. A failure half-way leaves no changelog entry; tarballs that were completed stay and are found again by
/// the next run.
Published publish(const std::vector<PublishImage>& images, const BuildInfo& build, Place& place,
                  const PublishOptions& options, const Run& run);

/// What publish() would do for one image.
struct PlannedImage {
    std::string name;
    std::string tag;
    std::string key;
    bool already_there = false;  ///< nothing is left to do
    /// False: layers must be re-encoded first, so that nothing below but `fetch` and `at_hand` is known.
    bool size_known = true;
    std::uint64_t size = 0;
    std::uint64_t fetch = 0;     ///< bytes of blobs that come over the network
    std::uint64_t at_hand = 0;   ///< bytes of blobs that do not
    std::uint64_t copy = 0;      ///< bytes that the store copies out of `copied_from`
    std::uint64_t send = 0;      ///< bytes that are sent to the store
    std::uint64_t requests = 0;  ///< for blobs and parts, with beginning and end of the upload
    std::string copied_from;     ///< key; may be empty
};

/// Looks up what publish() would look up, and writes nothing. Throws as publish() does.
std::vector<PlannedImage> plan_publish(const std::vector<PublishImage>& images, const BuildInfo& build, Place& place,
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
