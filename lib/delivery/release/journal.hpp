// What a release is about to make visible, written before the first name appears and gone after the last (private).
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/delivery/changelog.hpp"
#include "cooper/delivery/place.hpp"
#include "cooper/delivery/release_record.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::delivery {

struct JournalTag {
    std::string reference;  ///< "ghcr.io/acme/app:v1.2.3"
    Digest manifest;        ///< is in the repository by its digest
    std::optional<Digest> before;
    bool moving = false;
};

/// A value. With it and no image at all a release can be finished or taken back.
struct Journal {
    std::string folder;  ///< "main/abc1234"
    ChangelogEntry entry;
    TimePoint begun;
    bool undoing = false;
    std::vector<StagedTarball> tarballs;                     ///< that this release sent
    std::vector<std::pair<std::string, std::string>> locks;  ///< key and text of those that are to be written
    std::vector<JournalTag> tags;                            ///< those that change, moving ones last
    ReleaseRecord record;

    /// "main".
    [[nodiscard]] std::string branch_prefix() const { return folder.substr(0, folder.rfind('/')); }
};

/// BRANCH/.releases/COMMIT-HASH.json: one for each commit, repository and set of images.
std::string journal_key(const Journal& journal);

std::string journal_to_json(const Journal& journal);
/// Throws Error{InvalidInput}, Error{Unsupported} for a later schema.
Journal journal_from_json(std::string_view text, const std::string& what);

struct StoredJournal {
    std::string key;
    std::string etag;
    Journal journal;
};
/// All of a branch, oldest first; with `commit` only those of that one. What cannot be read is told and passed over.
std::vector<StoredJournal> find_journals(Place& place, const std::string& branch_prefix, const std::string& commit,
                                         const Run& run);
/// nullopt: there is none, it is done with, or it cannot be read (which is told).
std::optional<StoredJournal> find_journal(Place& place, const std::string& key, const Run& run);
/// False: there is one under this key already.
bool write_journal(Place& place, const Journal& journal, const Run& run);
/// From now on nobody finishes it. False: somebody else changed or removed it.
bool mark_undoing(Place& place, const StoredJournal& stored, const Run& run);
/// Done with it. Where this publisher may not delete, it is emptied.
void remove_journal(Place& place, const std::string& key, const Run& run);

}  // namespace cooper::delivery
