// From staged to visible, and back (private).
#pragma once

#include "cooper/delivery/release.hpp"

#include "delivery/release/journal.hpp"

#include <functional>
#include <string>
#include <vector>

namespace cooper::delivery {

/// A manifest that was pushed by digest; empty: it is fetched from there.
using FindManifest = std::function<const oci::RawManifest*(const Digest&)>;

/// Makes visible what a journal says, in its order, and again after a run that was cut: what is done already is left.
class Naming {
public:
    /// `place` null: there are tags alone. Borrows all of it.
    Naming(const Journal& journal, Place* place, oci::RegistryClient* registry, const SigningKey* key, const Run& run)
        : journal_(journal), place_(place), registry_(registry), key_(key), run_(run) {}

    /// Tarballs, locks, checksums, tags, moving tags. Can be taken back. Throws LostRace when somebody else gave a tag
    /// another manifest meanwhile; for moving tags that is remembered instead, for tell_races().
    void give_names(const FindManifest& find_manifest);
    /// release.json and the changelog: from here on it is the release.
    void declare();
    /// Throws LostRace when moving tags were moved by others.
    void tell_races() const;

    [[nodiscard]] bool changelog_changed() const noexcept { return changelog_changed_; }
    [[nodiscard]] const SideFilesResult& side_files() const noexcept { return side_files_; }

private:
    void complete_tarballs();
    void write_locks();
    void give_tags(bool moving, const FindManifest& find_manifest);
    [[nodiscard]] bool give_tag(const JournalTag& tag, const FindManifest& find_manifest, const Run& run) const;

    const Journal& journal_;
    Place* place_;
    oci::RegistryClient* registry_;
    const SigningKey* key_;
    const Run& run_;
    std::vector<std::string> races_;
    SideFilesResult side_files_;
    bool changelog_changed_ = false;
};

/// Takes back what a journal says: tags to what they named before, tarballs that became visible, what is staged. What
/// others changed meanwhile, and what may not be removed, is left with a warning.
void take_back(const Journal& journal, Place* place, oci::RegistryClient* registry, const Run& run);

/// The same of a journal that lies in `place`, and the journal with it. False: somebody else changed or removed it
/// first.
bool undo_journal(const StoredJournal& stored, Place& place, oci::RegistryClient* registry, const Run& run);

/// Calls `body` with 0 to count - 1, several at once; the first failure ends all.
void for_all(std::size_t count, const std::function<void(std::size_t, const Run&)>& body, const Run& run);

}  // namespace cooper::delivery
