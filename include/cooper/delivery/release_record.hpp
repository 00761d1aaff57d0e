// release.json: what a build's folder holds, as permanent facts (`trust-and-delivery.md` 4.1). Its appearance makes the
// build a release; the changelog only points at it.
#pragma once

#include "cooper/base/clock.hpp"
#include "cooper/base/digest.hpp"
#include "cooper/delivery/changelog.hpp"
#include "cooper/delivery/place.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::delivery {

inline constexpr std::string_view kReleaseFile = "release.json";
inline constexpr std::size_t kMaxReleaseRecord = 16U << 20;

/// A scan or test that the image passed before it was released.
struct PassedGate {
    std::string kind;     ///< "digest", "scan", "test"
    std::string command;  ///< its program's name, without arguments; empty: a digest gate
    std::string subject;  ///< what it looked at: the tarball's SHA-256 in hex, else the manifest's digest
    bool operator==(const PassedGate&) const = default;
};

/// One tarball of a release.
struct ReleasedImage {
    std::string name;  ///< "openhands"
    std::string tag;
    std::string key;   ///< below the place: "main/abc1234/openhands:latest.tar"; empty: only pushed
    std::string file;  ///< colon-free name to save under; empty: only pushed
    std::uint64_t size = 0;
    std::string sha256;               ///< hex, of the tarball; empty: only pushed
    std::string image_id;             ///< config digest
    std::string manifest;             ///< digest of the image's manifest as it was released
    std::string platform;             ///< "linux/amd64"
    std::string lock_sha256;          ///< hex
    std::vector<std::string> pushed;  ///< "ghcr.io/acme/openhands:v1.2.3", with tags that moved
    std::vector<PassedGate> gates;
    bool operator==(const ReleasedImage&) const = default;
};

/// Whose build it is. Two repositories may share a folder only when their commits have one short name.
struct ReleaseCommit {
    std::string repository;  ///< empty: not known
    std::string commit;
    std::string subject;
    std::string run;  ///< of CI; empty: by hand
    bool operator==(const ReleaseCommit&) const = default;
};

/// A value. Written canonically: the same record, the same bytes; images sorted by name and tag, commits by repository
/// and commit.
struct ReleaseRecord {
    std::string branch;
    std::string version;  ///< "v1.2.3"; empty: none was given
    TimePoint published;  ///< when the first part of it was
    std::vector<ReleaseCommit> commits;
    std::vector<ReleasedImage> images;
    std::optional<Withdrawal> withdrawn;
    std::string signed_by;  ///< fingerprint of the key that signs SHA256SUMS; empty: unsigned
    bool operator==(const ReleaseRecord&) const = default;
};

/// {"schema":"cooper.release/v1","branch":…,"published":…,"status":"available"|"withdrawn",…}; members that have
/// nothing to say are left out.
std::string release_to_json(const ReleaseRecord& record);
/// `what` names it in errors. Throws Error{InvalidInput} naming the member, Error{Unsupported} for a later schema.
ReleaseRecord release_from_json(std::string_view text, const std::string& what);

/// `there` with `ours` in it. Images by (name, tag): ours counts, and where both are one image, what it passed and
/// where it was pushed adds up. Commits by (repository, commit): what is known stays. The first time; a withdrawal
/// stays, of two the later. Merging the same again changes nothing.
ReleaseRecord merge_releases(ReleaseRecord there, const ReleaseRecord& ours);

/// nullopt: the folder ("main/abc1234") has none. Throws as release_from_json(), and Error{InvalidInput} for a record
/// of another branch or with keys in other folders.
std::optional<ReleaseRecord> find_release(Place& place, const std::string& folder, const Run& run);
/// Merges `record` into FOLDER/release.json by compare-and-swap. Where the place has no conditional writes each
/// writer's record lies in FOLDER/.release/ first, so that nobody's is lost. False: it was there already. Throws
/// LostRace, Error{InvalidInput} for what could not be read again, Error{Unsupported} rather than lose members that a
/// later cooper wrote.
bool write_release(Place& place, const std::string& folder, const ReleaseRecord& record, const Run& run);

}  // namespace cooper::delivery
