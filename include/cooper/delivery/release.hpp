// Release: several images into a bucket and registries, all of them or none of them.
//
// First everything is staged: uploads are left open, manifests are pushed by digest, nothing has a name. Gates look at
// the very bytes that were staged. Then a journal in the place (BRANCH/.releases/COMMIT-….json) says what is going to
// be named, and names appear: uploads complete, locks and checksums, tags, moving tags (`latest`), release.json, and
// the changelog last. A run that was cut before the journal left nothing to see; one that was cut after it is finished,
// or taken back, by the next one.
#pragma once

#include "cooper/delivery/build_info.hpp"
#include "cooper/delivery/evidence.hpp"
#include "cooper/delivery/gate.hpp"
#include "cooper/delivery/publish.hpp"
#include "cooper/delivery/release_record.hpp"
#include "cooper/oci/registry.hpp"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace cooper::delivery {

/// Tags that come to name an image in a registry.
struct ReleasePush {
    oci::Reference repository;             ///< no tag, no digest
    std::vector<std::string> tags;         ///< refused when they name another manifest, unless replace_tags
    std::vector<std::string> moving_tags;  ///< "latest": moved after all others
};

/// One image of a release with its destinations.
struct ReleaseImage {
    PublishImage image;
    oci::Graph graph;                 ///< what is pushed
    std::vector<ReleasePush> pushes;  ///< empty: to the place alone
    /// False for engines and docker-archives: they keep no manifest, so theirs proves nothing (check_evidence()).
    bool has_own_manifest = true;
    std::vector<oci::Reference> mount_from;  ///< repositories that may hold its blobs
};

struct ReleaseOptions {
    PublishOptions publish;
    oci::PushOptions push;
    std::string version;                    ///< for release.json; may be empty
    const EvidenceSet* evidence = nullptr;  ///< every image must have some, and be what it says
    std::vector<GateCommand> gates;
    std::filesystem::path logs;  ///< of gates
    /// A directory for the tarball that a gate reads, one at a time; asked for when one is needed.
    std::function<std::filesystem::path()> spool;
    Environment environment{{}};  ///< of gates, from which they get what gate.hpp says
    bool replace_tags = false;
};

struct ReleasedTag {
    std::string reference;  ///< "ghcr.io/acme/app:v1.2.3"
    Digest manifest;
    std::optional<Digest> before;  ///< what it named; nullopt: nothing
    bool moving = false;           ///< one like `latest`
    [[nodiscard]] bool changed() const noexcept { return before != manifest; }
};

struct Released {
    Published published;     ///< without images when there was no place
    std::string record_key;  ///< of release.json; empty without a place
    std::vector<ReleasedTag> tags;
    std::vector<GateReport> gates;
    bool changed = false;  ///< false: everything was there
};

/// Releases all of `images`, or nothing. `place` null: to registries only (there is no journal then: a crash between
/// two tags is mended by running again). `registry` null: nothing is pushed. A half-done release of the same commit is
/// finished from its journal first, whatever the images are now; one of another commit is told.
///
/// Before anything is visible it throws DifferentBytes (a tarball or tag has other content), NotTested, GateSaidNo,
/// GateBroke, Error{Conflict} (the build was withdrawn). Once names appear: LostRace when a tag was moved by others
/// meanwhile. A failure for good in that phase (a registry that refuses a tag) takes back what this run made visible,
/// tags to what they named before; one that may pass (Unavailable, Cancelled) leaves the journal, and the message says
/// how to go on.
Released release(const std::vector<ReleaseImage>& images, const BuildInfo& build, Place* place,
                 oci::RegistryClient* registry, const ReleaseOptions& options, const Run& run);

/// What release() would do.
struct ReleasePlan {
    std::vector<PlannedImage> images;  ///< empty without a place
    std::vector<ReleasedTag> tags;     ///< as they would be, and what they name now
};
/// Looks up what release() would look up, compares evidence, and writes nothing. Throws as release() does, but for
/// gates, which are not asked.
ReleasePlan plan_release(const std::vector<ReleaseImage>& images, const BuildInfo& build, Place* place,
                         oci::RegistryClient* registry, const ReleaseOptions& options, const Run& run);

/// A release whose names were appearing when it was cut, as its journal tells.
struct UnfinishedRelease {
    std::string journal_key;
    std::string commit;
    std::string repository;
    TimePoint begun;
    bool undoing = false;  ///< it was being taken back
    std::vector<std::string> images;
};
std::vector<UnfinishedRelease> unfinished_releases(Place& place, const std::string& branch, const Run& run);

/// Takes back the half-done releases of a commit: open uploads, tarballs that they completed with their locks, tags to
/// what they named before (those that named nothing are deleted, where the registry does that). What others changed
/// meanwhile is left, with a warning. How many they were; 0: none is half-done. Throws Error{Conflict} for one that is
/// in the changelog already: withdraw_build() is for that.
std::size_t undo_release(Place& place, const std::string& branch, const std::string& commit,
                         oci::RegistryClient* registry, const Run& run);

}  // namespace cooper::delivery
