// The head of a delta as a document; its shape is told in cooper/delivery/delta.hpp.
#include "cooper/base/text.hpp"
#include "cooper/delivery/delta.hpp"
#include "cooper/delivery/keys.hpp"

#include "base/json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::delivery {
namespace {

using Sorted = nlohmann::json;  // members by key, as RFC 8785 wants them (ours are all ASCII)

constexpr std::string_view kSchemaStart = "cooper.delta/";
/// Sums of sizes below stay far from the end of 64 bits.
constexpr std::uint64_t kMaxSize = std::uint64_t{1} << 60;

Sorted json_of(const DeltaFile& file) {
    return {{"name", file.name}, {"size", file.size}, {"sha256", file.sha256.hex()}};
}

/// Without the member that names it.
Sorted json_of(const DeltaHead& head) {
    Sorted object{{"schema", kDeltaSchema}, {"old", json_of(head.old_file)}, {"new", json_of(head.new_file)}};
    Sorted& segments = object["segments"] = Sorted::array();
    for (const DeltaSegment& segment : head.segments) {
        Sorted& member = segments.emplace_back(Sorted::object());
        member[segment.sha256 ? "payload" : "old"] = segment.offset;
        member["size"] = segment.size;
        if (segment.sha256) {
            member["sha256"] = segment.sha256->hex();
        }
    }
    Sorted& assumed = object["assumed"] = Sorted::array();
    for (const AssumedBlob& blob : head.assumed) {
        assumed.push_back({{"offset", blob.offset}, {"size", blob.size}, {"sha256", blob.sha256.hex()}});
    }
    return object;
}

/// Reads a document whose version is known.
class HeadReader {
public:
    explicit HeadReader(std::string_view what) : what_(what) {}

    DeltaHead read(const json::Value& root) const {
        DeltaHead head{file_of(json::member(root, "old", what_)), file_of(json::member(root, "new", what_)), {}, {}};
        for (const json::Value& member : array(root, "segments")) {
            const bool payload = json::find_member(member, "payload") != nullptr;
            head.segments.push_back({number(member, payload ? "payload" : "old"), number(member, "size"),
                                     payload ? std::optional(digest(member)) : std::nullopt});
        }
        for (const json::Value& member : array(root, "assumed")) {
            head.assumed.push_back({number(member, "offset"), number(member, "size"), digest(member)});
        }
        return head;
    }

private:
    const json::Value& array(const json::Value& object, std::string_view key) const {
        const json::Value& value = json::member(object, key, what_);
        if (!value.is_array()) {
            throw Error(ErrorCode::InvalidInput, what_ + ": " + std::string(key) + " is not a list");
        }
        return value;
    }

    [[nodiscard]] std::uint64_t number(const json::Value& object, std::string_view key) const {
        const std::uint64_t value = json::uint_member(object, key, what_);
        if (value > kMaxSize) {
            throw Error(ErrorCode::InvalidInput, what_ + ": " + std::string(key) + " is too large");
        }
        return value;
    }

    [[nodiscard]] Digest digest(const json::Value& object) const {
        return Digest::parse("sha256:" + json::string_member(object, "sha256", what_));
    }

    [[nodiscard]] DeltaFile file_of(const json::Value& object) const {
        DeltaFile file{json::string_member(object, "name", what_), number(object, "size"), digest(object)};
        if (file.name.empty() || file.name != safe_file_name(file.name)) {
            throw Error(ErrorCode::InvalidInput, what_ + ": a file's name is no plain name");
        }
        return file;
    }

    std::string what_;
};

[[noreturn]] void refuse(std::string_view what, const std::string& problem) {
    throw Error(ErrorCode::Integrity, std::string(what) + ": " + problem);
}

/// Ranges of the old file lie in it, payload is used from its beginning without gaps (and again where it repeats), and
/// all of it is as long as the new file.
void check_segments(const DeltaHead& head, std::string_view what) {
    std::uint64_t payload = 0;
    std::uint64_t total = 0;
    for (const DeltaSegment& segment : head.segments) {
        const std::uint64_t end = segment.offset + segment.size;
        if (segment.size == 0 || (!segment.sha256 && end > head.old_file.size) ||
            (segment.sha256 && end > payload && segment.offset != payload)) {
            refuse(what, "a segment of " + std::to_string(segment.size) + " bytes at " +
                             std::to_string(segment.offset) + " does not fit what it is taken from");
        }
        payload = segment.sha256 ? std::max(payload, end) : payload;
        total += segment.size;
        if (total > head.new_file.size) {
            break;
        }
    }
    if (total != head.new_file.size) {
        refuse(what, "its segments do not make the " + std::to_string(head.new_file.size) + " bytes of the new file");
    }
}

void check_assumed(const DeltaHead& head, std::string_view what) {
    std::uint64_t end = 0;
    for (const AssumedBlob& blob : head.assumed) {
        if (blob.size == 0 || blob.offset < end || blob.offset + blob.size > head.old_file.size) {
            refuse(what, "the blobs of the old file that it assumes do not lie in it one after the other");
        }
        end = blob.offset + blob.size;
    }
}

void check_version(const std::string& schema, std::string_view what) {
    if (!schema.starts_with(kSchemaStart)) {
        throw Error(ErrorCode::InvalidInput, std::string(what) + " is no delta: its schema is \"" +
                                                 schema.substr(0, 40) + "\", not " + std::string(kDeltaSchema));
    }
    if (schema != kDeltaSchema) {
        throw UnknownDeltaVersion(std::string(what) + " is a delta of the schema " + schema.substr(0, 40) +
                                  "; this cooper knows " + std::string(kDeltaSchema));
    }
}

/// What is wrong with a document that says it is one of ours is damage: no cooper writes it otherwise.
template <class F>
auto or_damaged(std::string_view what, F&& body) {
    try {
        return body();
    } catch (const Error& error) {
        if (error.code() != ErrorCode::InvalidInput) {
            throw;
        }
        throw Error(ErrorCode::Integrity, std::string(what) + " was changed or damaged: " + error.what());
    }
}

}  // namespace

UnknownDeltaVersion::UnknownDeltaVersion(const std::string& message) : Error(ErrorCode::Unsupported, message) {
    advise("use the version of cooper that wrote the delta, or a newer one");
}
UnknownDeltaVersion::~UnknownDeltaVersion() = default;

std::uint64_t DeltaHead::payload_size() const {
    std::uint64_t end = 0;
    for (const DeltaSegment& segment : segments) {
        end = segment.sha256 ? std::max(end, segment.offset + segment.size) : end;
    }
    return end;
}

std::uint64_t DeltaHead::reused() const {
    std::uint64_t sum = 0;
    for (const DeltaSegment& segment : segments) {
        sum += segment.sha256 ? 0 : segment.size;
    }
    return sum;
}

std::string delta_head_to_json(const DeltaHead& head) {
    Sorted object = json_of(head);
    object["digest"] = sha256(object.dump()).text();
    return object.dump();
}

DeltaHead delta_head_from_json(std::string_view text, std::string_view what) {
    if (text.size() > kMaxDeltaHead || text.find(kSchemaStart) == std::string_view::npos) {
        throw Error(ErrorCode::InvalidInput,
                    std::string(what) + " is no delta: its first line says nothing of " + std::string(kDeltaSchema));
    }
    const json::Value root = or_damaged(what, [&] { return json::parse(text, what); });
    check_version(or_damaged(what, [&] { return json::string_member(root, "schema", what); }), what);
    const DeltaHead head = or_damaged(what, [&] { return HeadReader(what).read(root); });
    const std::string claimed = or_damaged(what, [&] { return json::string_member(root, "digest", what); });
    Sorted object = json_of(head);
    const Digest actual = sha256(object.dump());
    object["digest"] = actual.text();
    if (object.dump() != text) {
        throw IntegrityError(std::string(what) + " was changed or damaged: its head is not what its own digest says",
                             claimed.substr(0, 100), actual.text());
    }
    check_segments(head, what);
    check_assumed(head, what);
    return head;
}

}  // namespace cooper::delivery
