// CHANGELOG.md of a branch: parsed and written so that foreign text stays byte for byte (`trust-and-delivery.md` 4.5).
#pragma once

#include "cooper/base/clock.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::delivery {

/// One build's entry. Texts are as given; rendering escapes them, so that no subject or note can forge an entry.
struct ChangelogEntry {
    TimePoint time;
    std::string commit;  ///< full SHA where known
    std::string short_sha;
    std::string subject;
    std::vector<std::string> images;  ///< "openhands", sorted, each once
    std::string notes;                ///< empty: no Notes line; several lines are quoted
    std::string commit_url;           ///< empty: none
    std::string build_url;
    std::string repository;  ///< written when set
};

/// The entry's text: heading, Commit, Images, Notes, Links, Repository lines, each ended by "\n", no blank line at the
/// end.
std::string render(const ChangelogEntry& entry);

/// What was read back of an entry; `begin` and `end` are byte offsets in the document.
struct ParsedEntry {
    TimePoint time;
    std::string short_sha;
    std::string commit;  ///< from the Commit line's link or code, else the short SHA
    std::string repository;
    std::vector<std::string> images;
    std::size_t begin = 0;
    std::size_t end = 0;
};

/// Entries in document order; anything else in the document is left alone.
std::vector<ParsedEntry> parse_changelog(std::string_view document);

/// `document` with `entry` merged in: a new one goes directly under "## Build History" (the heading is appended when it
/// is missing) in order of time, newest first; one with the same repository and commit keeps its first time and gains
/// images; nothing to change returns the same bytes. All other bytes stay.
std::string merge_entry(std::string_view document, const ChangelogEntry& entry);

/// The same for many at once, in one pass; the order of `entries` does not matter.
std::string merge_entries(std::string_view document, std::vector<ChangelogEntry> entries);

/// The identity of an entry is (repository, commit). Short names decide where one side does not know the full commit; a
/// repository that one side does not know tells no builds apart.
bool is_same_build(const ParsedEntry& there, const ChangelogEntry& entry);

/// True when the document has an entry for this repository and commit with all these images.
bool contains_entry(std::string_view document, const ChangelogEntry& entry);

/// The per-build entry object's text (`BRANCH/.entries/…json`, the repair source and the truth where a store has no
/// conditional writes) and back. Throws Error{InvalidInput} naming the member.
std::string entry_to_json(const ChangelogEntry& entry);
ChangelogEntry entry_from_json(std::string_view text);

}  // namespace cooper::delivery
