#include "cooper/oci/archive_reader.hpp"

#include "cooper/base/compression.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/base/tar.hpp"

#include "base/json.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <map>

namespace cooper::oci {

namespace {

/// docker's, podman's and containers/image's archives stay far below both.
constexpr std::size_t kMaxTableOfContents = 1024 * 1024;
constexpr std::size_t kMaxMembers = 100'000;

struct Range {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};

/// Counts what is read, so that the place of a member in the file is known.
class CountingSource final : public Source {
public:
    explicit CountingSource(std::unique_ptr<Source> inner) : inner_(std::move(inner)) {}
    std::size_t read(MutableBytes into) override {
        const std::size_t count = inner_->read(into);
        count_ += count;
        return count;
    }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

private:
    std::unique_ptr<Source> inner_;
    std::uint64_t count_ = 0;
};

std::string without_dot(std::string_view path) {
    while (path.starts_with("./")) {
        path.remove_prefix(2);
    }
    return std::string(path);
}

/// The members of an archive by name: where each lies in the file.
class Members {
public:
    Members(std::shared_ptr<const FileRanged> file, const Run& run) : file_(std::move(file)) {
        std::uint64_t offset = 0;
        // A reader per member: contents are stepped over, not read.
        while (offset < file_->size()) {
            run.check();
            CountingSource source(file_->open(offset, file_->size() - offset));
            TarReader reader(source);
            const auto entry = reader.next();
            if (!entry) {
                return;
            }
            const std::uint64_t content = offset + source.count();
            if (entry->size > file_->size() - content) {
                throw IntegrityError("the archive ends inside its member " + entry->path,
                                     std::to_string(entry->size) + " bytes", std::to_string(file_->size() - content));
            }
            add(*entry, content);
            offset = content + entry->size + tar_padding(entry->size);
        }
    }

    /// nullptr: no such member.
    [[nodiscard]] const Range* find(const std::string& path) const {
        const auto link = links_.find(path);
        const auto found = ranges_.find(link == links_.end() ? path : link->second);
        return found == ranges_.end() ? nullptr : &found->second;
    }

    [[nodiscard]] const Range& get(const std::string& path) const {
        if (const Range* range = find(path)) {
            return *range;
        }
        throw Error(ErrorCode::Integrity,
                    "the archive's manifest.json names the member " + path + ", which is not there");
    }

    [[nodiscard]] std::string text(const std::string& path, std::size_t limit) const {
        const Range& range = get(path);
        return read_all(*open(range), limit, "archive member " + path);
    }

    [[nodiscard]] std::unique_ptr<Source> open(const Range& range, std::uint64_t skipped = 0) const {
        return file_->open(range.offset + skipped, range.size - skipped);
    }

private:
    void add(const TarEntry& entry, std::uint64_t offset) {
        const std::string path = without_dot(entry.path);
        if (ranges_.size() + links_.size() == kMaxMembers) {
            throw Error(ErrorCode::InvalidInput,
                        "the archive has more than " + std::to_string(kMaxMembers) + " members");
        }
        if (entry.type == TarType::Symlink) {
            // docker before 25 writes a layer that is shared as a link, "../ID/layer.tar". Resolved in this index
            // alone.
            links_[path] = (std::filesystem::path(path).parent_path() / entry.link).lexically_normal().string();
        } else if (entry.type == TarType::File) {
            if (!ranges_.emplace(path, Range{offset, entry.size}).second) {
                throw Error(ErrorCode::Integrity, "the archive has two members called " + path);
            }
        }
    }

    std::shared_ptr<const FileRanged> file_;
    std::map<std::string, Range> ranges_;
    std::map<std::string, std::string> links_;
};

class ArchiveBlobs final : public Blobs {
public:
    ArchiveBlobs(std::shared_ptr<const Members> members, std::map<Digest, Range> ranges)
        : members_(std::move(members)), ranges_(std::move(ranges)) {}

    [[nodiscard]] std::unique_ptr<Source> open(const Descriptor& blob, std::uint64_t offset,
                                               const Run& /*run*/) const override {
        const auto found = ranges_.find(blob.digest);
        if (found == ranges_.end()) {
            throw Error(ErrorCode::NotFound, "the archive has no blob " + blob.digest.text());
        }
        if (found->second.size != blob.size || offset > blob.size) {
            throw IntegrityError("the archive's blob " + blob.digest.text(), std::to_string(blob.size) + " bytes",
                                 std::to_string(found->second.size));
        }
        return members_->open(found->second, offset);
    }

private:
    std::shared_ptr<const Members> members_;
    std::map<Digest, Range> ranges_;
};

/// One entry of manifest.json.
struct Listing {
    std::string config;
    std::vector<std::string> repo_tags;
    std::vector<std::string> layers;
};

std::vector<std::string> strings_of(const json::Value* array, const std::string& what) {
    std::vector<std::string> strings;
    if (array == nullptr || array->is_null()) {
        return strings;
    }
    if (!array->is_array()) {
        throw Error(ErrorCode::InvalidInput, "manifest.json: " + what + " is not an array");
    }
    for (const json::Value& each : *array) {
        if (!each.is_string()) {
            throw Error(ErrorCode::InvalidInput, "manifest.json: an element of " + what + " is not a string");
        }
        strings.push_back(each.get<std::string>());
    }
    return strings;
}

std::vector<Listing> read_listings(const Members& members) {
    if (members.find("manifest.json") == nullptr) {
        throw Error(ErrorCode::InvalidInput, "no docker-archive: it has no manifest.json");
    }
    const json::Value document = json::parse(members.text("manifest.json", kMaxTableOfContents), "manifest.json");
    if (!document.is_array() || document.empty()) {
        throw Error(ErrorCode::InvalidInput, "manifest.json is not an array of images");
    }
    std::vector<Listing> listings;
    for (const json::Value& each : document) {
        Listing listing;
        listing.config = without_dot(json::string_member(each, "Config", "manifest.json"));
        listing.repo_tags = strings_of(json::find_member(each, "RepoTags"), "RepoTags");
        for (const std::string& layer : strings_of(json::find_member(each, "Layers"), "Layers")) {
            listing.layers.push_back(without_dot(layer));
        }
        if (listing.layers.size() > kMaxLayers) {
            throw Error(ErrorCode::InvalidInput,
                        "manifest.json: more than " + std::to_string(kMaxLayers) + " layers in one image");
        }
        listings.push_back(std::move(listing));
    }
    return listings;
}

std::string names_of(const std::vector<Listing>& listings) {
    std::string names;
    for (const Listing& listing : listings) {
        for (const std::string& tag : listing.repo_tags) {
            names += (names.empty() ? "" : ", ") + tag;
        }
    }
    return names.empty() ? "none has a name" : names;
}

bool is_called(const Listing& listing, const Reference& name) {
    const std::string wanted = name.with_tag(name.effective_tag().value_or("latest")).text();
    for (const std::string& tag : listing.repo_tags) {
        if (Reference::parse(tag).text() == wanted) {
            return true;
        }
    }
    return false;
}

const Listing& choose(const std::vector<Listing>& listings, const std::optional<Reference>& name) {
    if (!name) {
        if (listings.size() == 1) {
            return listings[0];
        }
        throw Error(ErrorCode::InvalidInput, "the archive holds " + std::to_string(listings.size()) + " images")
            .advise("name one: docker-archive:FILE:NAME:TAG (" + names_of(listings) + ")");
    }
    for (const Listing& listing : listings) {
        if (is_called(listing, *name)) {
            return listing;
        }
    }
    throw Error(ErrorCode::NotFound, "the archive has no image " + name->familiar() + " (" + names_of(listings) + ")");
}

std::string blob_path(const Digest& digest) {
    return "blobs/" + std::string(digest.algorithm_name()) + "/" + std::string(digest.hex());
}

/// The manifest of index.json whose config is `config`; nullopt when the archive has none.
std::optional<Manifest> find_manifest(const Members& members, const Digest& config) {
    if (members.find("index.json") == nullptr) {
        return std::nullopt;
    }
    const std::string text = members.text("index.json", kMaxDocument);
    const Index index = Index::parse(classify_manifest(text, media_type::kOciIndex).raw);
    for (const Descriptor& entry : index.manifests) {
        if (members.find(blob_path(entry.digest)) == nullptr) {
            continue;  // docker 25 lists manifests of other platforms that it did not save
        }
        auto [kind, raw] = classify_manifest(members.text(blob_path(entry.digest), kMaxDocument), entry.media_type);
        if (raw.digest != entry.digest) {
            throw IntegrityError("the archive's manifest", entry.digest.text(), raw.digest.text());
        }
        if (kind == ManifestKind::Image) {
            Manifest manifest = Manifest::parse(std::move(raw));
            if (manifest.config.digest == config) {
                return manifest;
            }
        }
    }
    return std::nullopt;
}

std::string_view layer_type(Compression compression, const std::string& path) {
    switch (compression) {
        case Compression::None:
            return media_type::kOciLayer;
        case Compression::Gzip:
            return media_type::kOciLayerGzip;
        case Compression::Zstd:
            return media_type::kOciLayerZstd;
        case Compression::Xz:
        case Compression::Bzip2:
            break;
    }
    throw Error(ErrorCode::Unsupported, "layer " + path + " is compressed with " + std::string(to_string(compression)));
}

Descriptor described(std::string media_type, Digest digest, std::uint64_t size) {
    return {std::move(media_type), std::move(digest), size, {}, {}, std::nullopt, {}};
}

Descriptor describe_layer(const Members& members, const std::string& path, const Run& run) {
    const Range& range = members.get(path);
    const auto source = members.open(range);
    std::vector<std::byte> buffer(kStreamStep);
    Hasher hasher;
    std::string_view type;
    for (std::size_t count = read_full(*source, buffer); count > 0; count = read_full(*source, buffer)) {
        run.check();
        const Bytes chunk = Bytes(buffer).first(count);
        if (type.empty()) {
            type = layer_type(detect_compression(chunk), path);
        }
        hasher.update(chunk);
    }
    if (type.empty()) {
        throw Error(ErrorCode::Integrity, "layer " + path + " is empty");
    }
    return described(std::string(type), hasher.finish(), range.size);
}

/// A manifest for an archive that has none.
Manifest make_manifest(const Members& members, const Listing& listing, const Config& config, const Run& run) {
    const auto value_of = [](const Descriptor& descriptor) {
        return json::Value{
            {"mediaType", descriptor.media_type}, {"digest", descriptor.digest.text()}, {"size", descriptor.size}};
    };
    json::Value layers = json::Value::array();
    for (std::size_t i = 0; i < listing.layers.size(); ++i) {
        const Descriptor layer = describe_layer(members, listing.layers[i], run);
        if (layer.media_type == media_type::kOciLayer && i < config.diff_ids.size() &&
            layer.digest != config.diff_ids[i]) {
            throw IntegrityError("layer " + std::to_string(i + 1) + " of the archive", config.diff_ids[i].text(),
                                 layer.digest.text());
        }
        layers.push_back(value_of(layer));
    }
    const Descriptor config_descriptor =
        described(std::string(media_type::kOciConfig), config.image_id(), config.raw.size());
    const json::Value document{{"schemaVersion", 2},
                               {"mediaType", media_type::kOciManifest},
                               {"config", value_of(config_descriptor)},
                               {"layers", std::move(layers)}};
    return Manifest::parse(classify_manifest(json::write(document), media_type::kOciManifest).raw);
}

/// Where the layers of `manifest` lie: under their digests when the archive is laid out that way, else as listed.
std::map<Digest, Range> locate(const Members& members, const Listing& listing, const Manifest& manifest) {
    std::map<Digest, Range> ranges{{manifest.config.digest, members.get(listing.config)}};
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
        const Descriptor& layer = manifest.layers[i];
        const Range* range = members.find(blob_path(layer.digest));
        if (range == nullptr && i < listing.layers.size()) {
            range = &members.get(listing.layers[i]);
        }
        if (range == nullptr || range->size != layer.size) {
            throw IntegrityError(
                "layer " + std::to_string(i + 1) + " of the archive (" + layer.digest.shortened() + ")",
                std::to_string(layer.size) + " bytes",
                range == nullptr ? "no such member" : std::to_string(range->size));
        }
        ranges.emplace(layer.digest, *range);
    }
    return ranges;
}

void refuse_compressed(const FileRanged& file) {
    std::array<std::byte, 6> beginning{};
    const std::size_t count =
        read_full(*file.open(0, std::min<std::uint64_t>(file.size(), beginning.size())), beginning);
    const Compression compression = detect_compression(Bytes(beginning).first(count));
    if (compression != Compression::None) {
        throw Error(ErrorCode::Unsupported,
                    "the archive as a whole is compressed with " + std::string(to_string(compression)))
            .advise("decompress it first: its layers must be found without reading it all");
    }
}

}  // namespace

ArchivedImage read_docker_archive(const std::filesystem::path& path, const std::optional<Reference>& name,
                                  const Run& run) {
    return in_context("reading docker-archive " + path.string(), [&] {
        auto file = std::make_shared<const FileRanged>(path);
        refuse_compressed(*file);
        const auto members = std::make_shared<const Members>(file, run);
        const std::vector<Listing> listings = read_listings(*members);
        const Listing& listing = choose(listings, name);

        Config config = Config::parse(members->text(listing.config, kMaxDocument));
        auto found = find_manifest(*members, config.image_id());
        Manifest manifest = found ? std::move(*found) : make_manifest(*members, listing, config, run);
        auto blobs = std::make_shared<ArchiveBlobs>(members, locate(*members, listing, manifest));
        ArchivedImage archived{{std::move(manifest), std::move(config), std::move(blobs)}, listing.repo_tags};
        archived.image.check();
        return archived;
    });
}

}  // namespace cooper::oci
