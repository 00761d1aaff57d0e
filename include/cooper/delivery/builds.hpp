// Builds that were delivered: which one a customer's file is, links for an old one, and one that must not be used.
#pragma once

#include "cooper/delivery/place.hpp"
#include "cooper/delivery/publish.hpp"
#include "cooper/delivery/release_record.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::delivery {

/// A build's folder, found by what a person knows of it.
struct FoundBuild {
    std::string branch;
    std::string folder;  ///< "main/abc1234"
    std::string commit;  ///< as much as is known
    std::string repository;
    std::optional<TimePoint> time;
    std::optional<ReleaseRecord> release;  ///< nullopt: delivered without one (publish)
    std::optional<Withdrawal> withdrawn;
    std::vector<std::string> tarballs;  ///< keys
};

/// `commit`: seven digits or more; empty: the changelog's newest build that is not withdrawn. Throws Error{NotFound}
/// that names the builds there are, Error{Conflict} when several begin so.
FoundBuild find_build(Place& place, std::string_view branch, std::string_view commit, const Run& run);

struct WithdrawResult {
    FoundBuild build;
    bool changed = false;          ///< false: it was withdrawn with this reason before
    std::size_t labelled = 0;      ///< objects that carry the mark now
    bool labels_supported = true;  ///< false: the place has no labels; FOLDER/WITHDRAWN.txt says it alone
};
/// Marks a build: "**Status**: WITHDRAWN 2024-01-16 - REASON" in its changelog entry (which stays), status in
/// release.json, FOLDER/WITHDRAWN.txt beside the tarballs, and the label cooper-status=withdrawn on them where the
/// place has labels. Nothing is removed; checksums, signature and VERIFY.txt stay as customers have them. The changelog
/// is written last. Idempotent; another reason replaces the first. `reason`: one line of at most 500 characters
/// remains. A release.json that cannot be read is no obstacle (a warning). publish() and release() refuse the build
/// from then on. Throws as find_build(), Error{InvalidInput} without a reason, LostRace.
WithdrawResult withdraw_build(Place& place, std::string_view branch, std::string_view commit, const std::string& reason,
                              const Run& run);

/// Links of an old build, made anew.
struct RefreshedLinks {
    FoundBuild build;
    std::vector<PublishedImage> images;  ///< name, tag, key, file, size, sha256, image_id and link
};
/// `names` ("openhands" or "openhands:latest"; empty: all). Every object is looked up, so that no link is given to
/// nothing. Throws Error{NotFound} (with what there is), Error{Conflict} for a withdrawn build unless `withdrawn_too`,
/// IntegrityError for a tarball that is not what release.json says.
RefreshedLinks refresh_links(Place& place, std::string_view branch, std::string_view commit,
                             const std::vector<std::string>& names, std::chrono::seconds expires, bool withdrawn_too,
                             const Run& run);

/// One place where a file of this digest was delivered.
struct Delivered {
    FoundBuild build;
    std::string key;   ///< of the file
    std::string file;  ///< as customers save it
};
/// Which builds have a file (tarball, lock, …) of this SHA-256 (hex): by SHA256SUMS of each folder, several at once,
/// of one branch or (empty) all. Newest first; empty: none has. Lists that cannot be read, and those that release.json
/// contradicts, are told as warnings. Throws Error{InvalidInput} for what is no SHA-256, or a place of more than
/// 100,000 objects.
std::vector<Delivered> whose(Place& place, std::string_view branch, std::string_view sha256, const Run& run);

}  // namespace cooper::delivery
