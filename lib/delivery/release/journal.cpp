#include "delivery/release/journal.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/json.hpp"
#include "delivery/place/facts.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace cooper::delivery {
namespace {

constexpr std::string_view kSchema = "cooper.journal/v1";
constexpr std::string_view kDone = "{\"schema\":\"cooper.journal/v1\",\"done\":true}\n";
constexpr std::size_t kHashDigits = 12;
constexpr std::size_t kMaxMembers = 10'000;

std::string journals_prefix(const std::string& branch_prefix) {
    return branch_prefix + "/.releases/";
}

json::Value tarball_to_json(const StagedTarball& staged) {
    return {{"key", staged.key}, {"facts", facts_to_json(staged.facts)}, {"handle", staged.handle}};
}

StagedTarball tarball_from_json(const json::Value& object, const std::string& what) {
    StagedTarball staged;
    staged.key = json::string_member(object, "key", what);
    staged.handle = json::string_member(object, "handle", what);
    const auto facts = facts_from_json(json::string_member(object, "facts", what));
    if (!facts || facts->identity.empty() || facts->sha256.empty()) {
        throw Error(ErrorCode::InvalidInput,
                    what + ": the facts of " + percent_encode(staged.key, "/:@+") + " are none of a tarball");
    }
    staged.facts = *facts;
    return staged;
}

json::Value tag_to_json(const JournalTag& tag) {
    json::Value object{{"reference", tag.reference}, {"manifest", tag.manifest.text()}};
    if (tag.before) {
        object["before"] = tag.before->text();
    }
    if (tag.moving) {
        object["moving"] = true;
    }
    return object;
}

JournalTag tag_from_json(const json::Value& object, const std::string& what) {
    const auto before = json::find_string(object, "before", what);
    return {
        json::string_member(object, "reference", what), Digest::parse(json::string_member(object, "manifest", what)),
        before ? std::optional(Digest::parse(*before)) : std::nullopt, json::find_member(object, "moving") != nullptr};
}

/// The elements of an array member; empty when there is none.
const json::Value& array_member(const json::Value& object, std::string_view key, const std::string& what) {
    const json::Value& array = json::member(object, key, what);
    if (!array.is_array() || array.size() > kMaxMembers) {
        throw Error(ErrorCode::InvalidInput, what + ": " + std::string(key) + " is not an array of at most " +
                                                 std::to_string(kMaxMembers) + " elements");
    }
    return array;
}

bool is_done(const json::Value& object) {
    return json::find_member(object, "done") != nullptr;
}

}  // namespace

std::string journal_key(const Journal& journal) {
    std::set<std::string> images;
    for (const ReleasedImage& image : journal.record.images) {
        images.insert(image.name + ":" + image.tag);
    }
    Hasher hasher;
    hasher.update(journal.entry.repository + "\n");
    for (const std::string& image : images) {
        hasher.update(image + "\n");
    }
    const Digest digest = hasher.finish();
    return journals_prefix(journal.branch_prefix()) + journal.entry.commit + "-" +
           std::string(digest.hex().substr(0, kHashDigits)) + ".json";
}

std::string journal_to_json(const Journal& journal) {
    json::Value object{{"schema", kSchema},
                       {"folder", journal.folder},
                       {"begun", format_rfc3339(journal.begun)},
                       {"entry", entry_to_json(journal.entry)},
                       {"record", release_to_json(journal.record)}};
    object["tarballs"] = json::Value::array();
    for (const StagedTarball& staged : journal.tarballs) {
        object["tarballs"].push_back(tarball_to_json(staged));
    }
    object["locks"] = json::Value::array();
    for (const auto& [key, text] : journal.locks) {
        object["locks"].push_back({{"key", key}, {"text", text}});
    }
    object["tags"] = json::Value::array();
    for (const JournalTag& tag : journal.tags) {
        object["tags"].push_back(tag_to_json(tag));
    }
    if (journal.undoing) {
        object["undoing"] = true;
    }
    return json::write(object) + "\n";
}

Journal journal_from_json(std::string_view text, const std::string& what) {
    const json::Value object = json::parse(text, what);
    if (json::string_member(object, "schema", what) != kSchema) {
        throw Error(ErrorCode::Unsupported, what + " is of a schema that this cooper does not know");
    }
    Journal journal;
    journal.folder = json::string_member(object, "folder", what);
    const auto begun = parse_rfc3339(json::string_member(object, "begun", what));
    if (!begun || journal.folder.find('/') == std::string::npos) {
        throw Error(ErrorCode::InvalidInput, what + ": folder or begun are not what they must be");
    }
    journal.begun = *begun;
    journal.undoing = json::find_member(object, "undoing") != nullptr;
    journal.entry = entry_from_json(json::string_member(object, "entry", what));
    journal.record = release_from_json(json::string_member(object, "record", what), what);
    const auto check_key = [&](const std::string& key) {
        if (!key.starts_with(journal.folder + "/")) {
            throw Error(ErrorCode::InvalidInput, what + ": " + percent_encode(key, "/:@+") + " is not in its folder");
        }
    };
    for (const json::Value& each : array_member(object, "tarballs", what)) {
        journal.tarballs.push_back(tarball_from_json(each, what));
        check_key(journal.tarballs.back().key);
    }
    for (const json::Value& each : array_member(object, "locks", what)) {
        journal.locks.emplace_back(json::string_member(each, "key", what), json::string_member(each, "text", what));
        check_key(journal.locks.back().first);
    }
    for (const json::Value& each : array_member(object, "tags", what)) {
        journal.tags.push_back(tag_from_json(each, what));
    }
    return journal;
}

std::optional<StoredJournal> find_journal(Place& place, const std::string& key, const Run& run) {
    const auto text = place.find_text(key, run);
    const std::string what = place.name() + "/" + key;
    try {
        if (!text || is_done(json::parse(text->text, what))) {
            return std::nullopt;
        }
        return StoredJournal{key, text->etag, journal_from_json(text->text, what)};
    } catch (const Error& error) {
        if (error.code() != ErrorCode::InvalidInput && error.code() != ErrorCode::Unsupported) {
            throw;
        }
        run.progress->notice(NoticeLevel::Warning, std::string("a journal is passed over: ") + error.what());
        return std::nullopt;
    }
}

std::vector<StoredJournal> find_journals(Place& place, const std::string& branch_prefix, const std::string& commit,
                                         const Run& run) {
    std::vector<StoredJournal> journals;
    for (const std::string& key : place.list(journals_prefix(branch_prefix) + commit, run)) {
        run.check();
        if (auto stored = key.ends_with(".json") ? find_journal(place, key, run) : std::nullopt) {
            journals.push_back(std::move(*stored));
        }
    }
    std::stable_sort(journals.begin(), journals.end(),
                     [](const StoredJournal& a, const StoredJournal& b) { return a.journal.begun < b.journal.begun; });
    return journals;
}

bool write_journal(Place& place, const Journal& journal, const Run& run) {
    const std::string key = journal_key(journal);
    const std::string text = journal_to_json(journal);
    const auto there = place.find_text(key, run);
    const bool done = there && there->text == kDone;
    if (there && !done) {
        return there->text == text;
    }
    if (!place.has_conditional_writes(run)) {
        place.put_text(key, text, run);
        return true;
    }
    try {
        return place.replace_text(key, text, done ? std::optional(there->etag) : std::nullopt, run);
    } catch (const Error& error) {
        const auto now = error.code() == ErrorCode::Unavailable ? place.find_text(key, run) : std::nullopt;
        if (!now) {
            throw;
        }
        return now->text == text;
    }
}

bool mark_undoing(Place& place, const StoredJournal& stored, const Run& run) {
    if (stored.journal.undoing) {
        return true;
    }
    Journal journal = stored.journal;
    journal.undoing = true;
    if (!place.has_conditional_writes(run)) {
        place.put_text(stored.key, journal_to_json(journal), run);
        return true;
    }
    return place.replace_text(stored.key, journal_to_json(journal), stored.etag, run);
}

void remove_journal(Place& place, const std::string& key, const Run& run) {
    try {
        place.remove_text(key, run);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::AccessDenied) {
            throw;
        }
        place.put_text(key, std::string(kDone), run);
    }
}

}  // namespace cooper::delivery
