// The lock as a document; its shape is told in cooper/delivery/lock.hpp.
#include "cooper/base/error.hpp"
#include "cooper/delivery/lock.hpp"

#include "base/json.hpp"

#include <nlohmann/json.hpp>

namespace cooper::delivery {
namespace {

using Sorted = nlohmann::json;  // members by key, as RFC 8785 wants them (ours are all ASCII)

/// In one archive. Engines load far fewer.
constexpr std::size_t kMaxLockedImages = 1000;
constexpr std::string_view kSchemaStart = "cooper.lock/";
constexpr std::string_view kHybrid = "hybrid";
constexpr std::string_view kDocker = "docker";

void set_unless_empty(Sorted& object, const char* key, const std::string& value) {
    if (!value.empty()) {
        object[key] = value;
    }
}

Sorted json_of(const LockedImage& image) {
    Sorted object{{"manifest", image.manifest.bytes},
                  {"media_type", image.manifest.media_type},
                  {"config", image.config},
                  {"repo_tags", image.repo_tags}};
    set_unless_empty(object, "given", image.given);
    set_unless_empty(object, "pinned", image.pinned);
    if (image.base) {
        Sorted base = Sorted::object();
        set_unless_empty(base, "name", image.base->name);
        set_unless_empty(base, "digest", image.base->manifest);
        if (image.base->layers > 0) {
            base["layers"] = image.base->layers;
        }
        object["base"] = std::move(base);
    }
    if (image.build) {
        object["build"] = Sorted::parse(image.build->json());
    }
    return object;
}

Sorted json_of(const LockedLayer& layer) {
    Sorted object{{"digest", layer.blob.digest.text()},
                  {"size", layer.blob.size},
                  {"media_type", layer.blob.media_type},
                  {"diff_id", layer.diff_id.text()}};
    set_unless_empty(object, "compressor", layer.compressor);
    if (layer.made_from) {
        object["made_from"] = layer.made_from->text();
    }
    return object;
}

Sorted json_of(const LockedSource& source) {
    Sorted object = Sorted::object();
    set_unless_empty(object, "repository", source.repository);
    set_unless_empty(object, "branch", source.branch);
    set_unless_empty(object, "commit", source.commit);
    set_unless_empty(object, "tree", source.tree);
    return object;
}

/// Without the member that names it.
Sorted json_of(const Lock& lock) {
    Sorted object{{"schema", kLockSchema},
                  {"format_version", lock.format_version},
                  {"archive_format", lock.format == oci::ArchiveFormat::Hybrid ? kHybrid : kDocker},
                  {"tool", {{"version", lock.tool_version}}},
                  {"source", json_of(lock.source)},
                  {"output",
                   {{"name", lock.output.name},
                    {"size", lock.output.size},
                    {"sha256", lock.output.sha256.hex()},
                    {"plan", lock.output.plan.hex()}}}};
    Sorted& images = object["images"] = Sorted::array();
    for (const LockedImage& image : lock.images) {
        images.push_back(json_of(image));
    }
    Sorted& layers = object["layers"] = Sorted::array();
    for (const LockedLayer& layer : lock.layers) {
        layers.push_back(json_of(layer));
    }
    Sorted& segments = object["segments"] = Sorted::array();
    for (const LockedSegment& segment : lock.segments) {
        segments.push_back({{segment.blob ? "blob" : "literal", segment.digest.text()}, {"size", segment.size}});
    }
    return object;
}

/// Reads a document whose version is known.
class LockReader {
public:
    explicit LockReader(std::string_view what) : what_(what) {}

    Lock read(const json::Value& root) const {
        // g++ 12 destroys members twice when the initialiser of a nested aggregate's later member throws: whatever may
        // throw is a variable first, here and below.
        const oci::ArchiveFormat format = format_of(json::string_member(root, "archive_format", what_));
        std::string tool_version = json::string_member(json::member(root, "tool", what_), "version", what_);
        LockedSource source = source_of(json::member(root, "source", what_));
        LockedOutput output = output_of(json::member(root, "output", what_));
        Lock lock{.format = format,
                  .tool_version = std::move(tool_version),
                  .images = {},
                  .layers = {},
                  .segments = {},
                  .source = std::move(source),
                  .output = std::move(output)};
        if (array(root, "images").size() > kMaxLockedImages) {
            throw Error(ErrorCode::InvalidInput, what_ + ": more than " + std::to_string(kMaxLockedImages) + " images");
        }
        for (const json::Value& image : array(root, "images")) {
            lock.images.push_back(image_of(image));
        }
        for (const json::Value& layer : array(root, "layers")) {
            lock.layers.push_back(layer_of(layer));
        }
        for (const json::Value& segment : array(root, "segments")) {
            lock.segments.push_back(segment_of(segment));
        }
        return lock;
    }

private:
    const json::Value& array(const json::Value& object, std::string_view key) const {
        const json::Value& value = json::member(object, key, what_);
        if (!value.is_array()) {
            throw Error(ErrorCode::InvalidInput, what_ + ": " + std::string(key) + " is not a list");
        }
        return value;
    }

    [[nodiscard]] oci::ArchiveFormat format_of(const std::string& text) const {
        if (text != kHybrid && text != kDocker) {
            throw Error(ErrorCode::InvalidInput, what_ + ": archive_format is \"" + text.substr(0, 40) + "\"");
        }
        return text == kHybrid ? oci::ArchiveFormat::Hybrid : oci::ArchiveFormat::Docker;
    }

    [[nodiscard]] Digest digest(const json::Value& object, std::string_view key) const {
        return Digest::parse(json::string_member(object, key, what_));
    }
    [[nodiscard]] Digest hex_digest(const json::Value& object, std::string_view key) const {
        return Digest::parse("sha256:" + json::string_member(object, key, what_));
    }
    [[nodiscard]] std::string text(const json::Value& object, std::string_view key) const {
        return json::find_string(object, key, what_).value_or("");
    }

    [[nodiscard]] LockedSource source_of(const json::Value& object) const {
        LockedSource source;
        source.repository = text(object, "repository");
        source.branch = text(object, "branch");
        source.commit = text(object, "commit");
        source.tree = text(object, "tree");
        return source;
    }

    [[nodiscard]] LockedOutput output_of(const json::Value& object) const {
        std::string name = json::string_member(object, "name", what_);
        const std::uint64_t size = json::uint_member(object, "size", what_);
        Digest sha256 = hex_digest(object, "sha256");
        Digest plan = hex_digest(object, "plan");
        return {std::move(name), size, std::move(sha256), std::move(plan)};
    }

    [[nodiscard]] LockedImage image_of(const json::Value& object) const {
        const std::string media_type = json::string_member(object, "media_type", what_);
        oci::ClassifiedManifest manifest =
            oci::classify_manifest(json::string_member(object, "manifest", what_), media_type);
        LockedImage image{std::move(manifest.raw), {}, {}, {}, {}, {}};
        image.config = json::string_member(object, "config", what_);
        image.given = text(object, "given");
        image.pinned = text(object, "pinned");
        for (const json::Value& tag : array(object, "repo_tags")) {
            if (!tag.is_string()) {
                throw Error(ErrorCode::InvalidInput, what_ + ": a member of repo_tags is not a string");
            }
            image.repo_tags.push_back(tag.get<std::string>());
        }
        if (const json::Value* base = json::find_member(object, "base")) {
            image.base.emplace();
            image.base->name = text(*base, "name");
            image.base->manifest = text(*base, "digest");
            if (json::find_member(*base, "layers") != nullptr) {
                image.base->layers = json::uint_member(*base, "layers", what_);
            }
        }
        if (const json::Value* build = json::find_member(object, "build")) {
            image.build = build::BuildRecord::parse(json::write(*build), what_ + ": build");
        }
        return image;
    }

    [[nodiscard]] LockedLayer layer_of(const json::Value& object) const {
        Digest blob = digest(object, "digest");
        Digest diff_id = digest(object, "diff_id");
        LockedLayer layer{{{}, std::move(blob), 0, {}, {}, {}, {}}, std::move(diff_id), {}, {}};
        layer.blob.media_type = json::string_member(object, "media_type", what_);
        layer.blob.size = json::uint_member(object, "size", what_);
        layer.compressor = text(object, "compressor");
        if (json::find_member(object, "made_from") != nullptr) {
            layer.made_from = digest(object, "made_from");
        }
        return layer;
    }

    [[nodiscard]] LockedSegment segment_of(const json::Value& object) const {
        const bool blob = json::find_member(object, "blob") != nullptr;
        const std::uint64_t size = json::uint_member(object, "size", what_);
        return {size, digest(object, blob ? "blob" : "literal"), blob};
    }

    std::string what_;
};

void check_version(const json::Value& root, std::string_view what) {
    const std::string schema = json::string_member(root, "schema", what);
    if (!schema.starts_with(kSchemaStart)) {
        throw Error(ErrorCode::InvalidInput, std::string(what) + " is no lock: its schema is \"" +
                                                 schema.substr(0, 40) + "\", not " + std::string(kLockSchema));
    }
    if (schema != kLockSchema) {
        throw UnknownLockVersion(std::string(what) + " is a lock of the schema " + schema.substr(0, 40) +
                                 "; this cooper knows " + std::string(kLockSchema));
    }
    const std::uint64_t format = json::uint_member(root, "format_version", what);
    if (format != static_cast<std::uint64_t>(oci::kArchiveFormatVersion)) {
        throw UnknownLockVersion(std::string(what) + " is of an archive in format " + std::to_string(format) +
                                 "; this cooper writes format " + std::to_string(oci::kArchiveFormatVersion));
    }
}

/// Every byte must be what the members' values and the document's own digest make of it.
void check_spelling(const Lock& lock, const json::Value& root, std::string_view text, std::string_view what) {
    const Digest actual = sha256(json_of(lock).dump());
    const std::string claimed = json::string_member(root, "digest", what);
    if (claimed != actual.text()) {
        throw IntegrityError(
            std::string(what) + " was changed or damaged: its members are not what its own digest says",
            claimed.substr(0, 100), actual.text());
    }
    if (lock_to_json(lock) != text) {
        throw IntegrityError(std::string(what) + " was changed or damaged: it is not spelt as its members are written",
                             std::to_string(lock_to_json(lock).size()) + " bytes of canonical JSON",
                             std::to_string(text.size()) + " bytes that differ");
    }
}

}  // namespace

std::string lock_to_json(const Lock& lock) {
    Sorted object = json_of(lock);
    object["digest"] = sha256(object.dump()).text();
    return object.dump();
}

Lock lock_from_json(std::string_view text, std::string_view what) {
    const json::Value root = json::parse(text, what);
    check_version(root, what);
    Lock lock = LockReader(what).read(root);
    check_spelling(lock, root, text, what);
    static_cast<void>(plan_of(lock, nullptr));
    return lock;
}

}  // namespace cooper::delivery
