// The changelog under concurrency (`trust-and-delivery.md` 4): an entry object for each build is written first and is
// the truth; CHANGELOG.md is changed by compare-and-swap, or rendered from the entry objects where a store cannot do
// that.
#include "cooper/base/error.hpp"
#include "cooper/base/retry.hpp"
#include "cooper/base/text.hpp"
#include "cooper/delivery/changelog.hpp"
#include "cooper/delivery/publish.hpp"

#include "delivery/changelog/changelog_text.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace cooper::delivery {
namespace {

// With twenty publishers in step one wins each round, so a few more rounds than publishers.
constexpr int kTries = 50;
constexpr RetryPolicy kPace{kTries, std::chrono::milliseconds(50), std::chrono::milliseconds(3000)};
constexpr std::size_t kHashDigits = 12;

std::string changelog_key(const std::string& prefix) {
    return prefix + "/CHANGELOG.md";
}
std::string entries_prefix(const std::string& prefix) {
    return prefix + "/.entries/";
}

/// `{utc}-{commit}-{hash}.json`; the hash is over repository and images, so two publishers of one commit have two
/// objects, and a build that gains images gets a second one.
std::string entry_key(const std::string& prefix, const ChangelogEntry& entry) {
    Hasher hasher;
    hasher.update(written_repository(entry.repository) + "\n" + written_images(entry.images));
    const Digest digest = hasher.finish();
    return entries_prefix(prefix) + format_amz(entry.time) + "-" + entry.commit + "-" +
           std::string(digest.hex().substr(0, kHashDigits)) + ".json";
}

/// The commit in an entry object's key; empty for any other key.
std::string_view commit_of_entry(std::string_view key) {
    const std::vector<std::string_view> parts = split(key.substr(key.rfind('/') + 1), '-');
    return parts.size() == 3 && parts[2].ends_with(".json") ? parts[1] : std::string_view();
}

std::vector<std::string> entry_keys(Place& place, const std::string& prefix, const Run& run) {
    std::vector<std::string> keys = place.list(entries_prefix(prefix), run);
    std::erase_if(keys, [](const std::string& key) { return commit_of_entry(key).empty(); });
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

std::string text_or_empty(const std::optional<Place::Text>& found) {
    return found ? found->text : std::string();
}

/// Writes the entry object, once per build: an earlier run of this build that did not get as far as the changelog left
/// one, whose time is then the build's time.
ChangelogEntry record_entry(Place& place, const std::string& prefix, ChangelogEntry entry, bool conditional,
                            const Run& run) {
    for (const std::string& key : entry_keys(place, prefix, run)) {
        if (commit_of_entry(key) != entry.commit) {
            continue;
        }
        const auto there = read_entry(place, key, run);
        if (there && written_repository(there->repository) == written_repository(entry.repository)) {
            entry.time = std::min(entry.time, there->time);
            if (there->images == entry.images) {
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

/// Compare-and-swap until `merge` has nothing to add to what is there. True when the document was changed.
template <class Merge>
bool swap_until_merged(Place& place, const std::string& key, const Merge& merge, const Run& run) {
    RetryBudget budget;
    Retrier retrier(kPace, budget, run);
    bool changed = false;
    std::string last_failure;
    do {
        const auto found = place.find_text(key, run);
        const std::string before = text_or_empty(found);
        const std::string after = merge(before);
        if (found && after == before) {
            return changed;  // also the proof that a write before was not lost to somebody who does not compare
        }
        try {
            if (place.replace_text(key, after, found ? std::optional(found->etag) : std::nullopt, run)) {
                changed = true;
                if (const auto check = place.find_text(key, run); check && merge(check->text) == check->text) {
                    return true;
                }
            }
            last_failure.clear();
        } catch (const Error& error) {
            // It may have been written all the same: what is there now tells.
            if (error.code() != ErrorCode::Unavailable) {
                throw;
            }
            changed = true;
            last_failure = error.what();
        }
    } while (retrier.again());
    if (!last_failure.empty()) {
        throw Error(ErrorCode::Unavailable, "writing the changelog: " + last_failure);
    }
    throw LostRace(place.name() + "/" + key + " was changed by others in each of " + std::to_string(kTries) +
                   " tries to add an entry");
}

/// Objects that a document may lack. One is left out only if the document has its commit and no second object adds
/// images to it.
std::vector<std::string> keys_to_read(std::vector<std::string> keys, const std::string& document) {
    std::set<std::string, std::less<>> in_document;
    for (const ParsedEntry& there : parse_changelog(document)) {
        in_document.insert(there.commit);
    }
    std::map<std::string, int, std::less<>> objects;
    for (const std::string& key : keys) {
        ++objects[std::string(commit_of_entry(key))];
    }
    std::erase_if(keys, [&](const std::string& key) {
        const std::string_view commit = commit_of_entry(key);
        return objects.find(commit)->second == 1 && in_document.contains(commit);
    });
    return keys;
}

/// Without conditional writes the last writer wins, and looks after itself: whoever wrote the document last lists the
/// entries once more afterwards and writes again if one is missing. No entry can be lost, as its object was written
/// before any of this.
bool render_until_stable(Place& place, const std::string& prefix, const std::vector<ChangelogEntry>& own,
                         const Run& run) {
    const std::string key = changelog_key(prefix);
    RetryBudget budget;
    Retrier retrier(kPace, budget, run);
    bool changed = false;
    do {
        std::vector<std::string> keys = entry_keys(place, prefix, run);
        const std::string before = text_or_empty(place.find_text(key, run));
        std::vector<ChangelogEntry> entries = read_entries(place, keys_to_read(std::move(keys), before), run);
        entries.insert(entries.end(), own.begin(), own.end());
        const std::string after = merge_entries(before, std::move(entries));
        if (after == before) {
            return changed;
        }
        place.put_text(key, after, run);
        changed = true;
    } while (retrier.again());
    throw LostRace(place.name() + "/" + key + " did not settle in " + std::to_string(kTries) +
                   " tries: other publishers keep overwriting it, and the store has no conditional writes");
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
    return swap_until_merged(
        place, key, [&](const std::string& text) { return merge_entry(text, recorded); }, run);
}

bool rebuild_changelog(Place& place, const std::string& branch_prefix, const Run& run) {
    const std::vector<ChangelogEntry> entries = read_entries(place, entry_keys(place, branch_prefix, run), run);
    if (entries.empty()) {
        return false;
    }
    if (!place.has_conditional_writes(run)) {
        return render_until_stable(place, branch_prefix, entries, run);
    }
    return swap_until_merged(
        place, changelog_key(branch_prefix), [&](const std::string& text) { return merge_entries(text, entries); },
        run);
}

}  // namespace cooper::delivery
