// Release: several images into a bucket and registries, all of them or none of them.
//
// First everything is staged: uploads are left open, manifests are pushed by digest, nothing has a name. Then gates run
// over the very bytes that were staged. Then names appear: uploads complete, locks and checksums, tags, `latest`,
// release.json, and the changelog last. What was staged stands in a journal in the place
// (BRANCH/.releases/COMMIT-….json), so a run that was cut is finished, or taken back, by the next one.
#pragma once

#include "cooper/delivery/build_info.hpp"
#include "cooper/delivery/evidence.hpp"
#include "cooper/delivery/gate.hpp"
#include "cooper/delivery/publish.hpp"
#include "cooper/delivery/release_record.hpp"
#include "cooper/oci/registry.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cooper::delivery {

/// Tags that come to name an image in a registry.
struct ReleasePush {
    oci::Reference repository;             ///< no tag, no digest
    std::vector<std::string> tags;         ///< refused when they name another manifest, unless `replace`
    std::vector<std::string> moving_tags;  ///< "latest": moved after all others
};

/// One image of a release with its destinations.
struct ReleaseImage {
    PublishImage image;
    oci::Graph graph;                 ///< what is pushed; the image's own, or the index that it is from
    std::vector<ReleasePush> pushes;  ///< empty: to the place alone
};

struct ReleaseOptions {
    PublishOptions publish;
    oci::PushOptions push;
    std::string version;                    ///< for release.json; may be empty
    const EvidenceSet* evidence = nullptr;  ///< every image must have one, and be it
    std::vector<GateCommand> gates;
    std::filesystem::path logs;   ///< of gates; required with gates
    std::filesystem::path spool;  ///< for tarballs that a gate reads; required with such
    bool replace_tags = false;
    bool continue_other = false;  ///< go on although another commit's release of this branch is half-done
};

struct ReleasedTag {
    std::string reference;  ///< "ghcr.io/acme/app:v1.2.3"
    Digest manifest;
    std::optional<Digest> before;  ///< what it named; nullopt: nothing
    bool moved = false;            ///< false: it named this manifest already
};

struct Released {
    Published published;     ///< empty without a place
    std::string record_key;  ///< of release.json
    std::vector<ReleasedTag> tags;
    std::vector<GateReport> gates;
    bool finished_earlier = false;  ///< an earlier run of this release was cut and is finished now
    bool changed = false;           ///< false: everything was there
};

/// Releases all of `images`, or nothing. `place` null: to registries only (no journal: a crash between two tags is
/// mended by running again). `registry` null: nobody pushes. A run that was cut before names appeared is begun anew and
/// takes over what had arrived; one that was cut afterwards is finished from its journal, whatever the images are now.
///
/// Throws before anything is visible: DifferentBytes (a tarball or tag that has other bytes), NotTested, GateSaidNo,
/// GateBroke, Error{Conflict} (the build was withdrawn; another commit's release is half-done). Throws when names are
/// appearing: LostRace when a tag was moved by others meanwhile. A failure for good in that phase (a registry that
/// refuses a tag) takes back what this run made visible, tags to what they named before; one that may pass
/// (Unavailable, Cancelled) leaves the journal, and the message says how to finish or take back.
Released release(const std::vector<ReleaseImage>& images, const BuildInfo& build, Place* place,
                 oci::RegistryClient* registry, const ReleaseOptions& options, const Run& run);

/// A release that was cut, as its journal tells.
struct UnfinishedRelease {
    std::string journal_key;
    std::string branch;
    std::string commit;
    std::string repository;
    bool names_appear = false;  ///< true: it will be finished by the next run; false: nothing of it is visible
    TimePoint begun;
    std::vector<std::string> images;
};
std::vector<UnfinishedRelease> unfinished_releases(Place& place, const std::string& branch, const Run& run);

/// Takes back a release that was cut: uploads that are open, tarballs that it completed, tags to what they named before
/// (those that nothing had are deleted, where the registry does). What others changed meanwhile is left, with a
/// warning. Throws Error{NotFound}: there is none of this commit; Error{Conflict}: it is in the changelog, `withdraw`
/// is for that.
void undo_release(Place& place, const std::string& branch, const std::string& commit, oci::RegistryClient* registry,
                  const Run& run);

}  // namespace cooper::delivery
