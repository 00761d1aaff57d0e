// release.json: read strictly, written canonically, merged by whoever comes later.
#include "cooper/delivery/release_record.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/delivery/keys.hpp"

#include "base/json.hpp"
#include "delivery/builds/release_members.hpp"
#include "delivery/changelog/changelog_text.hpp"
#include "delivery/changelog/markdown.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <span>
#include <tuple>

namespace cooper::delivery {
namespace {

using Sorted = nlohmann::json;  // members by key, as RFC 8785 wants them (ours are all ASCII)

constexpr std::string_view kSchema = "cooper.release/v1";
constexpr std::string_view kSchemaStart = "cooper.release/";
constexpr std::string_view kAvailable = "available";
constexpr std::string_view kWithdrawn = "withdrawn";
// Of one build. The largest known has 14 images.
constexpr std::size_t kMaxImages = 1000;
constexpr std::size_t kMaxCommits = 100;
constexpr std::size_t kMaxPushed = 1000;  // tags of one image
constexpr std::size_t kMaxGates = 100;    // of one image

constexpr std::array<std::string_view, 9> kRecordMembers = {"schema", "branch", "version",   "published", "commits",
                                                            "images", "status", "withdrawn", "signature"};
constexpr std::array<std::string_view, 4> kCommitMembers = {"repository", "commit", "subject", "run"};
constexpr std::array<std::string_view, 12> kImageMembers = {"name",     "tag",         "key",      "file",
                                                            "size",     "sha256",      "image_id", "manifest",
                                                            "platform", "lock_sha256", "pushed",   "gates"};
constexpr std::array<std::string_view, 3> kGateMembers = {"kind", "command", "subject"};

void set_unless_empty(Sorted& object, const char* key, const std::string& value) {
    if (!value.empty()) {
        object[key] = valid_utf8(value);
    }
}

Sorted json_of(const ReleaseCommit& commit) {
    Sorted object{{"commit", valid_utf8(commit.commit)}};
    set_unless_empty(object, "repository", commit.repository);
    set_unless_empty(object, "subject", commit.subject);
    set_unless_empty(object, "run", commit.run);
    return object;
}

Sorted json_of(const PassedGate& gate) {
    Sorted object{{"kind", valid_utf8(gate.kind)}};
    set_unless_empty(object, "command", gate.command);
    set_unless_empty(object, "subject", gate.subject);
    return object;
}

Sorted json_of(const ReleasedImage& image) {
    Sorted object{{"name", valid_utf8(image.name)}, {"tag", valid_utf8(image.tag)}};
    set_unless_empty(object, "key", image.key);
    set_unless_empty(object, "file", image.file);
    if (image.size > 0) {
        object["size"] = image.size;
    }
    set_unless_empty(object, "sha256", image.sha256);
    set_unless_empty(object, "image_id", image.image_id);
    set_unless_empty(object, "manifest", image.manifest);
    set_unless_empty(object, "platform", image.platform);
    set_unless_empty(object, "lock_sha256", image.lock_sha256);
    for (const std::string& tag : image.pushed) {
        object["pushed"].push_back(valid_utf8(tag));
    }
    for (const PassedGate& gate : image.gates) {
        object["gates"].push_back(json_of(gate));
    }
    return object;
}

auto order_of(const ReleasedImage& image) {
    return std::tie(image.name, image.tag);
}
auto order_of(const ReleaseCommit& commit) {
    return std::tie(commit.repository, commit.commit);
}
auto order_of(const PassedGate& gate) {
    return std::tie(gate.kind, gate.command, gate.subject);
}
const std::string& order_of(const std::string& text) {
    return text;
}

template <class T>
void sort(std::vector<T>& values) {
    std::stable_sort(values.begin(), values.end(), [](const T& a, const T& b) { return order_of(a) < order_of(b); });
}

template <class T>
void add_all(std::vector<T>& to, const std::vector<T>& values) {
    to.insert(to.end(), values.begin(), values.end());
    sort(to);
    to.erase(std::unique(to.begin(), to.end()), to.end());
}

ReleaseRecord in_order(ReleaseRecord record) {
    sort(record.images);
    sort(record.commits);
    for (ReleasedImage& image : record.images) {
        add_all(image.pushed, {});
        add_all(image.gates, {});
    }
    return record;
}

/// Reads a document whose schema is known.
class RecordReader {
public:
    explicit RecordReader(const std::string& what) : what_(what) {}

    [[nodiscard]] ReleaseRecord read(const json::Value& root) const {
        ReleaseRecord record;
        record.branch = json::string_member(root, "branch", what_);
        in_context(what_, [&] { branch_key(record.branch); });
        record.version = text(root, "version");
        record.published = time(root, "published");
        for (const json::Value& commit : list(root, "commits", kMaxCommits)) {
            record.commits.push_back(commit_of(commit));
        }
        for (const json::Value& image : list(root, "images", kMaxImages)) {
            record.images.push_back(image_of(image));
        }
        record.withdrawn = withdrawal_of(root);
        if (const json::Value* signature = json::find_member(root, "signature")) {
            record.signed_by = "sha256:" + hex(*signature, "key_sha256");
        }
        record = in_order(std::move(record));
        refuse_twice(record.commits, "a commit");
        refuse_twice(record.images, "an image");
        return record;
    }

private:
    template <class T>
    void refuse_twice(const std::vector<T>& sorted, const char* what) const {
        const auto same = [](const T& a, const T& b) { return order_of(a) == order_of(b); };
        if (std::adjacent_find(sorted.begin(), sorted.end(), same) != sorted.end()) {
            refuse(std::string(what) + " is listed twice");
        }
    }

    [[noreturn]] void refuse(const std::string& why) const { throw Error(ErrorCode::InvalidInput, what_ + ": " + why); }

    [[nodiscard]] const json::Value& list(const json::Value& object, std::string_view key, std::size_t most) const {
        static const json::Value kNone = json::Value::array();
        const json::Value* found = json::find_member(object, key);
        if (found == nullptr) {
            return kNone;
        }
        if (!found->is_array() || found->size() > most) {
            refuse(std::string(key) + " is not a list of at most " + std::to_string(most));
        }
        return *found;
    }

    [[nodiscard]] std::string text(const json::Value& object, std::string_view key) const {
        return json::find_string(object, key, what_).value_or("");
    }

    [[nodiscard]] TimePoint time(const json::Value& object, std::string_view key) const {
        const std::string written = json::string_member(object, key, what_);
        const auto time = parse_rfc3339(written);
        if (!time) {
            refuse(std::string(key) + " is not a time: \"" + oci::printable(written) + "\"");
        }
        return *time;
    }

    [[nodiscard]] std::string hex(const json::Value& object, std::string_view key) const {
        const std::string written = json::string_member(object, key, what_);
        if (!Digest::try_parse("sha256:" + written)) {
            refuse(std::string(key) + " is no SHA-256 in hex: \"" + oci::printable(written) + "\"");
        }
        return written;
    }
    [[nodiscard]] std::string find_hex(const json::Value& object, std::string_view key) const {
        return json::find_member(object, key) == nullptr ? std::string() : hex(object, key);
    }

    [[nodiscard]] std::string find_digest(const json::Value& object, std::string_view key) const {
        std::string written = text(object, key);
        if (!written.empty() && !Digest::try_parse(written)) {
            refuse(std::string(key) + " is no digest: \"" + oci::printable(written) + "\"");
        }
        return written;
    }

    [[nodiscard]] ReleaseCommit commit_of(const json::Value& object) const {
        ReleaseCommit commit;
        commit.commit = in_context(what_, [&] { return check_commit(json::string_member(object, "commit", what_)); });
        commit.repository = text(object, "repository");
        commit.subject = text(object, "subject");
        commit.run = text(object, "run");
        return commit;
    }

    [[nodiscard]] ReleasedImage image_of(const json::Value& object) const {
        ReleasedImage image;
        image.name = json::string_member(object, "name", what_);
        image.tag = json::string_member(object, "tag", what_);
        const std::string tarball = in_context(what_, [&] { return tarball_name(image.name, image.tag); });
        image.key = text(object, "key");
        image.file = text(object, "file");
        if (!image.key.empty() && (image.key.substr(image.key.rfind('/') + 1) != tarball)) {
            refuse("the key of " + image.name + ":" + image.tag + " is another tarball's: \"" +
                   oci::printable(image.key) + "\"");
        }
        if (image.file != (image.key.empty() ? std::string() : safe_file_name(tarball))) {
            refuse("file is not the name of " + tarball + ": \"" + oci::printable(image.file) + "\"");
        }
        if (json::find_member(object, "size") != nullptr) {
            image.size = json::uint_member(object, "size", what_);
        }
        image.sha256 = find_hex(object, "sha256");
        image.image_id = find_digest(object, "image_id");
        image.manifest = find_digest(object, "manifest");
        image.platform = text(object, "platform");
        image.lock_sha256 = find_hex(object, "lock_sha256");
        for (const json::Value& tag : list(object, "pushed", kMaxPushed)) {
            if (!tag.is_string()) {
                refuse("pushed has an element that is not a string");
            }
            image.pushed.push_back(tag.get<std::string>());
        }
        for (const json::Value& gate : list(object, "gates", kMaxGates)) {
            image.gates.push_back(
                {json::string_member(gate, "kind", what_), text(gate, "command"), text(gate, "subject")});
        }
        return image;
    }

    [[nodiscard]] std::optional<Withdrawal> withdrawal_of(const json::Value& root) const {
        const std::string status = json::string_member(root, "status", what_);
        if (status != kAvailable && status != kWithdrawn) {
            refuse("status is \"" + oci::printable(status) + "\"");
        }
        if (status == kAvailable) {
            return std::nullopt;
        }
        const json::Value& object = json::member(root, "withdrawn", what_);
        const TimePoint when = time(object, "time");
        return Withdrawal{when, json::string_member(object, "reason", what_)};
    }

    const std::string& what_;
};

json::Value parse_record(std::string_view text, const std::string& what) {
    if (text.size() > kMaxReleaseRecord) {
        throw Error(ErrorCode::InvalidInput, what + " has " + std::to_string(text.size()) +
                                                 " bytes: that is no release.json, which has at most " +
                                                 format_bytes(kMaxReleaseRecord));
    }
    json::Value root = json::parse(text, what);
    const std::string schema = json::string_member(root, "schema", what);
    if (schema == kSchema) {
        return root;
    }
    if (!schema.starts_with(kSchemaStart)) {
        throw Error(ErrorCode::InvalidInput, what + " is no record of a release: its schema is \"" +
                                                 oci::printable(schema) + "\", not " + std::string(kSchema));
    }
    Error error(ErrorCode::Unsupported,
                what + " is of the schema " + oci::printable(schema) + "; this cooper knows " + std::string(kSchema));
    error.advise("use a cooper at least as new as the one that made the release");
    throw error;
}

void check_members(const json::Value& object, std::span<const std::string_view> known, const std::string& what) {
    for (const auto& [key, value] : object.items()) {
        if (std::find(known.begin(), known.end(), key) == known.end()) {
            Error error(ErrorCode::Unsupported,
                        what + " has the member \"" + oci::printable(key) + "\", which this cooper would lose");
            error.advise("use a cooper at least as new as the one that made the release");
            throw error;
        }
    }
}

/// A repository that one side does not know tells no builds apart, as in the changelog.
bool is_same_commit(const ReleaseCommit& a, const ReleaseCommit& b) {
    return a.commit == b.commit && (a.repository == b.repository || a.repository.empty() || b.repository.empty());
}

/// A run that does the same again is no news: what is known stays.
void merge_commit(std::vector<ReleaseCommit>& commits, const ReleaseCommit& ours) {
    auto there = std::find_if(commits.begin(), commits.end(),
                              [&](const ReleaseCommit& commit) { return order_of(commit) == order_of(ours); });
    if (there == commits.end()) {
        there = std::find_if(commits.begin(), commits.end(),
                             [&](const ReleaseCommit& commit) { return is_same_commit(commit, ours); });
    }
    if (there == commits.end()) {
        commits.push_back(ours);
        return;
    }
    for (std::string ReleaseCommit::*member :
         {&ReleaseCommit::repository, &ReleaseCommit::subject, &ReleaseCommit::run}) {
        if ((*there).*member == "") {
            (*there).*member = ours.*member;
        }
    }
}

/// Of the same image, what it passed and where it was pushed adds up. `images` are in order.
void merge_image(std::vector<ReleasedImage>& images, const ReleasedImage& ours) {
    const auto there =
        std::lower_bound(images.begin(), images.end(), ours,
                         [](const ReleasedImage& a, const ReleasedImage& b) { return order_of(a) < order_of(b); });
    if (there == images.end() || order_of(*there) != order_of(ours)) {
        images.insert(there, ours);
        return;
    }
    ReleasedImage merged = ours;
    if (there->manifest == ours.manifest && there->image_id == ours.image_id) {
        add_all(merged.pushed, there->pushed);
        add_all(merged.gates, there->gates);
        if (merged.key.empty()) {
            merged.key = there->key;
            merged.file = there->file;
            merged.size = there->size;
            merged.sha256 = there->sha256;
            merged.lock_sha256 = there->lock_sha256;
        }
    }
    *there = std::move(merged);
}

}  // namespace

std::string release_to_json(const ReleaseRecord& given) {
    const ReleaseRecord record = in_order(given);
    Sorted object{{"schema", kSchema},
                  {"branch", valid_utf8(record.branch)},
                  {"published", format_rfc3339(record.published)},
                  {"status", record.withdrawn ? kWithdrawn : kAvailable}};
    set_unless_empty(object, "version", record.version);
    Sorted& commits = object["commits"] = Sorted::array();
    for (const ReleaseCommit& commit : record.commits) {
        commits.push_back(json_of(commit));
    }
    Sorted& images = object["images"] = Sorted::array();
    for (const ReleasedImage& image : record.images) {
        images.push_back(json_of(image));
    }
    if (record.withdrawn) {
        object["withdrawn"] = {{"time", format_rfc3339(record.withdrawn->time)},
                               {"reason", valid_utf8(record.withdrawn->reason)}};
    }
    if (const auto key = Digest::try_parse(record.signed_by)) {
        object["signature"] = {{"key_sha256", key->hex()}};
    }
    return object.dump() + "\n";
}

ReleaseRecord release_from_json(std::string_view text, const std::string& what) {
    return RecordReader(what).read(parse_record(text, what));
}

ReleaseRecord merge_releases(ReleaseRecord there, const ReleaseRecord& ours) {
    there = in_order(std::move(there));
    there.published = std::min(there.published, ours.published);
    there.branch = ours.branch;
    there.signed_by = ours.signed_by;
    there.withdrawn = later_withdrawal(there.withdrawn, ours.withdrawn);
    if (!ours.version.empty()) {
        there.version = ours.version;
    }
    for (const ReleaseCommit& commit : ours.commits) {
        merge_commit(there.commits, commit);
    }
    for (const ReleasedImage& image : ours.images) {
        merge_image(there.images, image);
    }
    return in_order(std::move(there));
}

void check_nothing_unknown(std::string_view text, const std::string& what) {
    const json::Value root = json::parse(text, what);
    check_members(root, kRecordMembers, what);
    const auto each = [](const json::Value& object, const char* key, const auto& check) {
        if (const json::Value* values = json::find_member(object, key)) {
            std::for_each(values->begin(), values->end(), check);
        }
    };
    each(root, "commits", [&](const json::Value& commit) { check_members(commit, kCommitMembers, what); });
    each(root, "images", [&](const json::Value& image) {
        check_members(image, kImageMembers, what);
        each(image, "gates", [&](const json::Value& gate) { check_members(gate, kGateMembers, what); });
    });
}

}  // namespace cooper::delivery
