// The changelog under concurrency (`trust-and-delivery.md` 4): an entry object for each build is written first and is
// the truth; CHANGELOG.md is changed by compare-and-swap, or rendered from the entry objects where a store cannot do
// that.
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/delivery/changelog.hpp"
#include "cooper/delivery/publish.hpp"

#include "delivery/changelog/changelog_text.hpp"
#include "delivery/changelog/withdraw_entry.hpp"
#include "delivery/place/swap_text.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace cooper::delivery {
namespace {

constexpr std::size_t kHashDigits = 12;
constexpr const char* kWithdrawalMark = "w";  // no hex digit

std::string changelog_key(const std::string& prefix) {
    return prefix + "/CHANGELOG.md";
}
std::string entries_prefix(const std::string& prefix) {
    return prefix + "/.entries/";
}

/// `{utc}-{commit}-{hash}.json`; the hash is over repository and images, so two publishers of one commit have two
/// objects, and a build that gains images gets a second one. That of a withdrawn build is marked by a "w".
std::string entry_key(const std::string& prefix, const ChangelogEntry& entry) {
    Hasher hasher;
    hasher.update(written_repository(entry.repository) + "\n" + written_images(entry.images));
    if (entry.withdrawn) {
        hasher.update("\n" + format_rfc3339(entry.withdrawn->time) + "\n" + entry.withdrawn->reason);
    }
    const Digest digest = hasher.finish();
    return entries_prefix(prefix) + format_amz(entry.time) + "-" + entry.commit + "-" +
           (entry.withdrawn ? kWithdrawalMark : "") + std::string(digest.hex().substr(0, kHashDigits)) + ".json";
}

struct EntryKey {
    std::string_view commit;  ///< empty: it is the key of something else
    bool withdrawal = false;
};
EntryKey parse_entry_key(std::string_view key) {
    const std::vector<std::string_view> parts = split(key.substr(key.rfind('/') + 1), '-');
    return parts.size() == 3 && parts[2].ends_with(".json") ? EntryKey{parts[1], parts[2].starts_with(kWithdrawalMark)}
                                                            : EntryKey{};
}

std::vector<std::string> entry_keys(Place& place, const std::string& prefix, const Run& run) {
    std::vector<std::string> keys = place.list(entries_prefix(prefix), run);
    std::erase_if(keys, [](const std::string& key) { return parse_entry_key(key).commit.empty(); });
    return keys;
}

/// nullopt, with a warning, for an object that is no entry: one bad object must not stop all deliveries of a branch.
std::optional<ChangelogEntry> read_entry(Place& place, const std::string& key, const Run& run) {
    const auto text = place.find_text(key, run);
    try {
        return text ? std::optional(entry_from_json(text->text)) : std::nullopt;
    } catch (const Error& error) {
        if (error.code() != ErrorCode::InvalidInput) {
            throw;
        }
        run.progress->notice(NoticeLevel::Warning,
                             place.name() + "/" + key + " is left out of the changelog: " + error.what());
        return std::nullopt;
    }
}

std::vector<ChangelogEntry> read_entries(Place& place, const std::vector<std::string>& keys, const Run& run) {
    std::vector<ChangelogEntry> entries;
    entries.reserve(keys.size());
    for (const std::string& key : keys) {
        run.check();
        if (auto entry = read_entry(place, key, run)) {
            entries.push_back(std::move(*entry));
        }
    }
    return entries;
}

/// Writes the entry object, once per build: an earlier run of this build that did not get as far as the changelog left
/// one, whose time is then the build's time.
ChangelogEntry record_entry(Place& place, const std::string& prefix, ChangelogEntry entry, bool conditional,
                            const Run& run) {
    for (const std::string& key : entry_keys(place, prefix, run)) {
        if (parse_entry_key(key).commit != entry.commit) {
            continue;
        }
        const auto there = read_entry(place, key, run);
        if (there && written_repository(there->repository) == written_repository(entry.repository)) {
            entry.time = std::min(entry.time, there->time);
            if (there->images == entry.images && (!entry.withdrawn || there->withdrawn == entry.withdrawn)) {
                return entry;
            }
        }
    }
    const std::string key = entry_key(prefix, entry);
    if (conditional) {
        // False: this very entry is there already. An answer that was lost is settled by the look below.
        try {
            place.replace_text(key, entry_to_json(entry), std::nullopt, run);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::Unavailable || !place.find_text(key, run)) {
                throw;
            }
        }
    } else {
        place.put_text(key, entry_to_json(entry), run);
    }
    return entry;
}

/// Objects that a document may lack. One is left out only if the document has its commit, no second object adds images
/// to it, and it was not withdrawn.
std::vector<std::string> keys_to_read(std::vector<std::string> keys, const std::string& document) {
    std::set<std::string, std::less<>> in_document;
    for (const ParsedEntry& there : parse_changelog(document)) {
        in_document.insert(there.commit);
    }
    std::map<std::string, int, std::less<>> objects;
    for (const std::string& key : keys) {
        ++objects[std::string(parse_entry_key(key).commit)];
    }
    std::erase_if(keys, [&](const std::string& key) {
        const auto [commit, withdrawal] = parse_entry_key(key);
        return !withdrawal && objects.find(commit)->second == 1 && in_document.contains(commit);
    });
    return keys;
}

template <class Merge>
TextChange change_of(const Merge& merge) {
    return {"the changelog", "", [merge](const std::string* there) { return merge(there ? *there : std::string()); }};
}

/// No entry can be lost where the last writer wins, as its object was written before any of this.
bool render_until_stable(Place& place, const std::string& prefix, const std::vector<ChangelogEntry>& own,
                         const Run& run) {
    const auto merge = [&](const std::string& before) {
        std::vector<ChangelogEntry> entries =
            read_entries(place, keys_to_read(entry_keys(place, prefix, run), before), run);
        entries.insert(entries.end(), own.begin(), own.end());
        return merge_entries(before, std::move(entries));
    };
    return settle_text(place, changelog_key(prefix), change_of(merge), run);
}

}  // namespace

LostRace::LostRace(const std::string& message) : Error(ErrorCode::Conflict, message) {
    advise("the entry is kept in .entries/: run the command again, or `cooper changelog --rebuild`");
}
LostRace::~LostRace() = default;

bool update_changelog(Place& place, const std::string& branch_prefix, const ChangelogEntry& entry, const Run& run) {
    const std::string key = changelog_key(branch_prefix);
    if (const auto found = place.find_text(key, run); found && contains_entry(found->text, entry)) {
        return false;
    }
    const bool conditional = place.has_conditional_writes(run);
    const ChangelogEntry recorded = record_entry(place, branch_prefix, entry, conditional, run);
    if (!conditional) {
        return render_until_stable(place, branch_prefix, {recorded}, run);
    }
    return swap_text(place, key, change_of([&](const std::string& text) { return merge_entry(text, recorded); }), run);
}

bool withdraw_entry(Place& place, const std::string& branch_prefix, const ParsedEntry& there,
                    const Withdrawal& withdrawal, const Run& run) {
    ChangelogEntry entry;
    entry.time = there.time;
    entry.commit = there.commit;
    entry.short_sha = there.short_sha;
    entry.repository = there.repository;
    entry.images = there.images;
    entry.withdrawn = withdrawal;
    for (const std::string& key : entry_keys(place, branch_prefix, run)) {
        // A document without links knows the short name alone.
        const bool maybe = parse_entry_key(key).commit.starts_with(there.short_sha);
        const auto recorded = maybe ? read_entry(place, key, run) : std::nullopt;
        if (recorded && is_same_build(there, *recorded)) {
            entry.commit = recorded->commit;
            entry.repository = recorded->repository;
            entry.subject = recorded->subject;
            entry.notes = recorded->notes;
            entry.commit_url = recorded->commit_url;
            entry.build_url = recorded->build_url;
        }
    }
    return update_changelog(place, branch_prefix, entry, run);
}

bool rebuild_changelog(Place& place, const std::string& branch_prefix, const Run& run) {
    const std::vector<ChangelogEntry> entries = read_entries(place, entry_keys(place, branch_prefix, run), run);
    if (entries.empty()) {
        return false;
    }
    if (!place.has_conditional_writes(run)) {
        return render_until_stable(place, branch_prefix, entries, run);
    }
    return swap_text(place, changelog_key(branch_prefix),
                     change_of([&](const std::string& text) { return merge_entries(text, entries); }), run);
}

}  // namespace cooper::delivery
