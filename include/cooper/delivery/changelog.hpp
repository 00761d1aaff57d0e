// CHANGELOG.md of a branch: parsed and written so that foreign text stays byte for byte (`trust-and-delivery.md` 4.5).
#pragma once

#include "cooper/base/clock.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::delivery {

/// A build that must not be used any more.
struct Withdrawal {
    TimePoint time;
    std::string reason;  ///< one line; withdraw_build() makes it one
    bool operator==(const Withdrawal&) const = default;
};

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
    std::optional<Withdrawal> withdrawn = std::nullopt;
};

/// The entry's text: heading, Commit, Status, Images, Notes, Links, Repository lines, each ended by "\n", no blank line
/// at the end.
std::string render(const ChangelogEntry& entry);

/// What was read back of an entry; `begin` and `end` are byte offsets in the document.
struct ParsedEntry {
    TimePoint time;
    std::string short_sha;
    std::string commit;  ///< from the Commit line's link or code, else the short SHA
    std::string repository;
    std::vector<std::string> images;
    std::string status;  ///< as it stands there ("WITHDRAWN 2024-01-16 - reason"); empty: none
    std::size_t begin = 0;
    std::size_t end = 0;
};

/// What a Status line says: nullopt for anything but "WITHDRAWN", at 00:00:00Z of its day (1970-01-01: it names none),
/// with the reason that was given.
std::optional<Withdrawal> withdrawal_of(std::string_view status);

/// Entries in document order; anything else in the document is left alone.
std::vector<ParsedEntry> parse_changelog(std::string_view document);

/// `document` with `entry` merged in: a new one goes directly under "## Build History" (the heading is appended when it
/// is missing) in order of time, newest first; one with the same repository and commit keeps its first time and gains
/// images, and its Status when `entry` was withdrawn (one of a later day stays); nothing to change returns the same
/// bytes. All other bytes stay.
std::string merge_entry(std::string_view document, const ChangelogEntry& entry);

/// The same for many at once, in one pass; the order of `entries` does not matter.
std::string merge_entries(std::string_view document, std::vector<ChangelogEntry> entries);

/// The identity of an entry is (repository, commit). Short names decide where one side does not know the full commit; a
/// repository that one side does not know tells no builds apart.
bool is_same_build(const ParsedEntry& there, const ChangelogEntry& entry);

/// True when the document has an entry for this repository and commit with all these images, and says that it was
/// withdrawn if it was.
bool contains_entry(std::string_view document, const ChangelogEntry& entry);

/// The per-build entry object's text (`BRANCH/.entries/…json`, the repair source and the truth where a store has no
/// conditional writes) and back. Earlier versions of cooper read it without "withdrawn". Throws Error{InvalidInput}
/// naming the member.
std::string entry_to_json(const ChangelogEntry& entry);
ChangelogEntry entry_from_json(std::string_view text);

}  // namespace cooper::delivery
