#include "cooper/delivery/lock.hpp"

#include "cooper/base/compression.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include "delivery/lock/lock_layers.hpp"

#include <algorithm>
#include <set>

namespace cooper::delivery {
namespace {

constexpr const char* kBaseName = "org.opencontainers.image.base.name";
constexpr const char* kBaseDigest = "org.opencontainers.image.base.digest";

std::optional<LockedBase> annotated_base(const oci::Manifest& manifest) {
    const auto value = [&](const char* key) {
        const auto found = manifest.annotations.find(key);
        return found == manifest.annotations.end() ? std::string() : found->second;
    };
    LockedBase base;
    base.name = value(kBaseName);
    base.manifest = Digest::try_parse(value(kBaseDigest)) ? value(kBaseDigest) : "";
    return base.name.empty() && base.manifest.empty() ? std::nullopt : std::optional(base);
}

std::vector<LockedLayer> locked_layers(const LockInput& input) {
    std::vector<LockedLayer> layers;
    std::set<Digest> seen;
    for (const oci::ArchiveImage& image : input.images) {
        const auto& blobs = image.image.manifest.layers;
        for (std::size_t i = 0; i < blobs.size(); ++i) {
            if (!seen.insert(blobs[i].digest).second) {
                continue;
            }
            LockedLayer layer{{blobs[i].media_type, blobs[i].digest, blobs[i].size, {}, {}, {}, {}},
                              image.image.config.diff_ids[i],
                              {},
                              {}};
            if (const auto maker = input.makers.find(blobs[i].digest); maker != input.makers.end()) {
                layer.compressor = maker->second.compressor;
                layer.made_from = maker->second.made_from;
            }
            layers.push_back(std::move(layer));
        }
    }
    return layers;
}

oci::Image image_of(const LockedImage& locked, const std::shared_ptr<const oci::Blobs>& blobs) {
    oci::Image image{oci::Manifest::parse(locked.manifest), oci::Config::parse(locked.config), blobs};
    if (const Digest id = image.config.image_id(); id != image.manifest.config.digest) {
        throw IntegrityError("the config of " + locked.manifest.digest.shortened() + " in the lock",
                             image.manifest.config.digest.text(), id.text());
    }
    image.check();
    return image;
}

void check_layers(const Lock& lock, const LayersByDigest& layers, const oci::Image& image) {
    for (std::size_t i = 0; i < image.manifest.layers.size(); ++i) {
        const oci::Descriptor& blob = image.manifest.layers[i];
        const auto found = layers.find(blob.digest);
        const LockedLayer* locked = found == layers.end() ? nullptr : found->second;
        if (locked == nullptr || locked->blob.size != blob.size || locked->blob.media_type != blob.media_type ||
            locked->diff_id != image.config.diff_ids[i]) {
            throw Error(ErrorCode::InvalidInput, "the lock of " + lock.output.name + " says nothing, or another " +
                                                     "thing, of layer " + blob.digest.text());
        }
    }
}

std::string name_of_layer(const LockedImage& image, std::size_t number, std::size_t count) {
    std::string text = image.repo_tags.empty() ? image.manifest.digest.shortened() : image.repo_tags[0];
    text += ", layer " + std::to_string(number) + " of " + std::to_string(count);
    if (image.base) {
        const std::string& name = image.base->name.empty() ? image.base->manifest : image.base->name;
        const bool known = image.base->layers > 0;
        if (!known || number <= image.base->layers) {
            text += known ? ", of its base " + name : " (its base is " + name + ")";
        }
    }
    return text;
}

}  // namespace

UnknownLockVersion::UnknownLockVersion(const std::string& message) : Error(ErrorCode::Unsupported, message) {
    advise("use the version of cooper that wrote the lock, or a newer one");
}
UnknownLockVersion::~UnknownLockVersion() = default;

NotReproducible::NotReproducible(const std::string& message) : Error(ErrorCode::Integrity, message) {}
NotReproducible::~NotReproducible() = default;

const LockedLayer* Lock::find(const Digest& blob) const {
    const auto found =
        std::find_if(layers.begin(), layers.end(), [&](const LockedLayer& layer) { return layer.blob.digest == blob; });
    return found == layers.end() ? nullptr : &*found;
}

std::string Lock::owner_of(const Digest& blob) const {
    const auto all = owners_of(*this);
    const auto found = all.find(blob);
    return found == all.end() ? blob.text() : found->second;
}

std::map<Digest, std::string> owners_of(const Lock& lock) {
    std::map<Digest, std::string> owners;
    for (const LockedImage& image : lock.images) {
        const oci::Manifest manifest = oci::Manifest::parse(image.manifest);
        for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
            owners.try_emplace(manifest.layers[i].digest, name_of_layer(image, i + 1, manifest.layers.size()));
        }
    }
    return owners;
}

LayersByDigest layers_by_digest(const Lock& lock) {
    LayersByDigest layers;
    for (const LockedLayer& layer : lock.layers) {
        layers.emplace(layer.blob.digest, &layer);
    }
    return layers;
}

void note_conversion(const oci::Image& before, const oci::Image& after, oci::LayerForm form, LayerMakers& makers) {
    for (std::size_t i = 0; i < before.manifest.layers.size(); ++i) {
        const Digest& from = before.manifest.layers[i].digest;
        const Digest& to = after.manifest.layers[i].digest;
        if (from != to) {
            makers.insert_or_assign(
                to, LayerMaker{form == oci::LayerForm::Uncompressed ? "none" : gzip_fingerprint(), from});
        }
    }
}

std::vector<LockedSegment> locked_segments(const oci::ArchivePlan& plan) {
    std::vector<LockedSegment> segments;
    for (const oci::Segment& segment : plan.segments()) {
        if (const auto* literal = std::get_if<oci::Segment::Literal>(&segment.content)) {
            segments.push_back({segment.length, sha256(literal->bytes), false});
        } else {
            segments.push_back({segment.length, std::get<oci::Segment::Blob>(segment.content).descriptor.digest, true});
        }
    }
    return segments;
}

Lock make_lock(const LockInput& input) {
    Lock lock{.format = input.format,
              .tool_version = input.tool_version,
              .images = {},
              .layers = locked_layers(input),
              .segments = locked_segments(input.plan),
              .source = input.source,
              .output = {input.name, input.plan.size(), input.sha256, input.plan.identity()}};
    for (std::size_t i = 0; i < input.images.size(); ++i) {
        const oci::ArchiveImage& image = input.images[i];
        LockedImage locked{image.image.manifest.raw, image.image.config.raw, image.repo_tags, {}, {}, {}};
        if (i < input.origins.size()) {
            locked.given = input.origins[i].given;
            locked.pinned = input.origins[i].pinned;
            locked.base = input.origins[i].base;
            locked.build = input.origins[i].build;
        }
        if (!locked.base) {
            locked.base = annotated_base(image.image.manifest);
        }
        lock.images.push_back(std::move(locked));
    }
    return lock;
}

Lock read_lock(const std::filesystem::path& path) {
    return lock_from_json(read_file(path, kMaxLock), path.string());
}

oci::ArchivePlan plan_of(const Lock& lock, std::shared_ptr<const oci::Blobs> blobs) {
    const auto layers = layers_by_digest(lock);
    std::vector<oci::ArchiveImage> images;
    for (const LockedImage& locked : lock.images) {
        images.push_back({image_of(locked, blobs), locked.repo_tags});
        check_layers(lock, layers, images.back().image);
    }
    oci::ArchivePlan plan = oci::ArchivePlan::make(images, lock.format);
    if (plan.identity() != lock.output.plan || plan.size() != lock.output.size ||
        locked_segments(plan) != lock.segments) {
        throw IntegrityError("the layout of " + lock.output.name + " is not what its lock says",
                             "plan " + lock.output.plan.text(), plan.identity().text());
    }
    return plan;
}

}  // namespace cooper::delivery
