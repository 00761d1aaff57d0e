#include "cooper/oci/docker_archive.hpp"

#include "cooper/oci/reference.hpp"

#include "base/json.hpp"
#include "oci/archive/plan_state.hpp"
#include "oci/layout/entries.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>

namespace cooper::oci {

namespace {

/// An image as it stands in the archive: its names checked, qualified, sorted, each once.
struct NamedImage {
    const Image* image;
    std::vector<Reference> names;
};

/// The loaders' rule: every name is NAME:TAG, fully qualified, so that docker and podman agree on it.
Reference qualified_name(const std::string& text) {
    const Reference name = Reference::parse(text);
    if (!name.tag() || name.digest()) {
        throw Error(ErrorCode::InvalidInput, "a name in an archive must be NAME:TAG, not \"" + text + "\"");
    }
    return name;
}

/// The same image given twice becomes one with the names of both.
std::vector<NamedImage> name_images(const std::vector<ArchiveImage>& images) {
    std::vector<NamedImage> named;
    std::map<std::string, std::size_t> owner_of;  // qualified name -> index in `named`
    for (const ArchiveImage& given : images) {
        given.image.check();
        auto same = std::find_if(named.begin(), named.end(), [&](const NamedImage& other) {
            return other.image->manifest.raw.digest == given.image.manifest.raw.digest;
        });
        if (same == named.end()) {
            same = named.insert(named.end(), NamedImage{&given.image, {}});
        }
        const auto index = static_cast<std::size_t>(same - named.begin());
        for (const std::string& text : given.repo_tags) {
            const Reference name = qualified_name(text);
            const auto [owner, fresh] = owner_of.emplace(name.text(), index);
            if (owner->second != index) {
                throw Error(ErrorCode::InvalidInput, "two images of one archive claim the name " + name.text());
            }
            if (fresh) {
                same->names.push_back(name);
            }
        }
    }
    for (NamedImage& image : named) {
        std::sort(image.names.begin(), image.names.end(),
                  [](const Reference& a, const Reference& b) { return a.text() < b.text(); });
    }
    return named;
}

/// index.json: one entry per name, and one without annotations for an image without names.
std::string index_document(const std::vector<NamedImage>& images) {
    json::Value manifests = json::Value::array();
    for (const NamedImage& named : images) {
        const RawManifest& raw = named.image->manifest.raw;
        json::Value entry = {{"mediaType", raw.media_type}, {"digest", raw.digest.text()}, {"size", raw.bytes.size()}};
        if (named.names.empty()) {
            manifests.push_back(entry);
        }
        for (const Reference& name : named.names) {
            entry["annotations"] = {{"io.containerd.image.name", name.text()},
                                    {"org.opencontainers.image.ref.name", *name.tag()}};
            manifests.push_back(entry);
        }
    }
    return json::write(
        {{"schemaVersion", 2}, {"mediaType", media_type::kOciIndex}, {"manifests", std::move(manifests)}});
}

/// manifest.json, the docker-archive's table of contents.
std::string manifest_document(const std::vector<NamedImage>& images) {
    json::Value document = json::Value::array();
    for (const NamedImage& named : images) {
        json::Value tags;  // null: untagged, loads by ID
        for (const Reference& name : named.names) {
            tags.push_back(name.text());
        }
        json::Value layers = json::Value::array();
        for (const Descriptor& layer : named.image->manifest.layers) {
            layers.push_back(blob_path(layer.digest));
        }
        document.push_back({{"Config", blob_path(named.image->manifest.config.digest)},
                            {"RepoTags", std::move(tags)},
                            {"Layers", std::move(layers)}});
    }
    return json::write(document);
}

void check_layer(const Descriptor& layer) {
    const std::string_view type = layer.media_type;
    if (type != media_type::kOciLayer && type != media_type::kOciLayerGzip && type != media_type::kDockerLayer &&
        type != media_type::kDockerLayerGzip) {
        throw Error(ErrorCode::InvalidInput, "layer " + layer.digest.shortened() + " of type " + layer.media_type +
                                                 " must be converted to gzip or plain before it goes into an archive");
    }
}

/// Manifests (hybrid only) and configs, each distinct blob once.
void lay_out_documents(MemberLayout& layout, const std::vector<NamedImage>& images, ArchiveFormat format) {
    std::set<Digest> written;
    if (format == ArchiveFormat::Hybrid) {
        for (const NamedImage& named : images) {
            const RawManifest& raw = named.image->manifest.raw;
            if (written.insert(raw.digest).second) {
                layout.document(blob_path(raw.digest), raw.bytes);
            }
        }
    }
    for (const NamedImage& named : images) {
        const Digest& digest = named.image->manifest.config.digest;
        if (written.insert(digest).second) {
            layout.document(blob_path(digest), named.image->config.raw);
        }
    }
}

void lay_out_layers(MemberLayout& layout, const std::vector<NamedImage>& images) {
    std::map<Digest, std::uint64_t> size_of;
    for (const NamedImage& named : images) {
        const std::vector<Descriptor>& layers = named.image->manifest.layers;
        for (std::size_t i = 0; i < layers.size(); ++i) {
            check_layer(layers[i]);
            const auto [known, fresh] = size_of.emplace(layers[i].digest, layers[i].size);
            if (known->second != layers[i].size) {
                throw IntegrityError("two sizes are claimed for layer " + layers[i].digest.text(),
                                     std::to_string(known->second), std::to_string(layers[i].size));
            }
            if (fresh) {
                layout.blob({layers[i], named.image->blobs, named.image->config.diff_ids[i]});
            }
        }
    }
}

/// Reads a range of the plan, segment after segment.
class PlanSource final : public Source {
public:
    PlanSource(ArchivePlan plan, std::uint64_t offset, std::uint64_t length)
        : plan_(std::move(plan)), position_(offset), end_(offset + length) {
        const std::vector<Segment>& segments = plan_.segments();
        next_ = static_cast<std::size_t>(
            std::upper_bound(segments.begin(), segments.end(), offset,
                             [](std::uint64_t at, const Segment& segment) { return at < segment.offset; }) -
            segments.begin());
        next_ -= next_ > 0 ? 1 : 0;
    }

    std::size_t read(MutableBytes into) override {
        if (position_ == end_ || into.empty()) {
            return 0;
        }
        if (!current_) {
            open_segment();
        }
        const std::uint64_t left = std::min(end_, segment_end_) - position_;
        const std::size_t count = current_->read(into.first(std::min<std::uint64_t>(into.size(), left)));
        if (count == 0) {
            throw IntegrityError("a blob of the archive ended early, at byte " + std::to_string(position_),
                                 std::to_string(left) + " more bytes", "0");
        }
        position_ += count;
        if (position_ == segment_end_) {
            current_.reset();
        }
        return count;
    }

private:
    void open_segment() {
        const Segment& segment = plan_.segments().at(next_++);
        const std::uint64_t skip_bytes = position_ - segment.offset;
        segment_end_ = segment.offset + segment.length;
        if (const auto* literal = std::get_if<Segment::Literal>(&segment.content)) {
            current_ = std::make_unique<MemorySource>(std::string_view(literal->bytes).substr(skip_bytes));
        } else {
            const auto& blob = std::get<Segment::Blob>(segment.content);
            current_ = blob.blobs->open(blob.descriptor, skip_bytes, Run{});
        }
    }

    ArchivePlan plan_;  // keeps literals and blob handles alive
    std::uint64_t position_;
    std::uint64_t end_;
    std::size_t next_ = 0;
    std::uint64_t segment_end_ = 0;
    std::unique_ptr<Source> current_;
};

}  // namespace

ArchivePlan ArchivePlan::make(const std::vector<ArchiveImage>& images, ArchiveFormat format) {
    if (images.empty()) {
        throw Error(ErrorCode::InvalidInput, "an archive needs at least one image");
    }
    const std::vector<NamedImage> named = name_images(images);
    MemberLayout layout;
    if (format == ArchiveFormat::Hybrid) {
        layout.document("oci-layout", kLayoutDocument);
        layout.document("index.json", index_document(named));
    }
    layout.document("manifest.json", manifest_document(named));
    lay_out_documents(layout, named, format);
    lay_out_layers(layout, named);
    return ArchivePlan(std::make_shared<State>(State{std::move(layout).finish("cooper docker-archive")}));
}

std::uint64_t ArchivePlan::size() const {
    return state_->size;
}

const std::vector<Segment>& ArchivePlan::segments() const noexcept {
    return state_->segments;
}

const Digest& ArchivePlan::identity() const noexcept {
    return state_->identity;
}

std::unique_ptr<Source> ArchivePlan::open(std::uint64_t offset, std::uint64_t length) const {
    check_range(offset, length);
    return std::make_unique<PlanSource>(*this, offset, length);
}

}  // namespace cooper::oci
