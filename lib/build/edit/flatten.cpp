#include "cooper/build/flatten.hpp"

#include "cooper/base/error.hpp"

#include "build/edit/config_text.hpp"
#include "build/edit/edit_blobs.hpp"
#include "build/edit/file_system.hpp"
#include "build/edit/manifest_text.hpp"
#include "build/layer/layer_stream.hpp"
#include "build/layer/layer_writer.hpp"

#include <algorithm>
#include <numeric>

namespace cooper::build {

namespace {

constexpr std::string_view kHeaders = "reading layers";
constexpr std::string_view kTask = "flattening";

/// A path that is no directory, and where its content stands.
struct Placed {
    const std::string* path = nullptr;
    FileSystem::NodeNumber node = 0;
};

/// Writes a file system as one tar: directories first, sorted, then the rest in the order of the layers, so that each
/// layer is read once more from its beginning to its end.
class Flattener {
public:
    Flattener(const oci::Image& image, const FileSystem& files, TarWriter& tar, const Run& run)
        : image_(image), files_(files), tar_(tar), run_(run) {}

    void write() {
        std::vector<std::vector<Placed>> by_layer(image_.manifest.layers.size());
        for (const auto& [path, number] : files_.paths()) {
            const auto& node = files_.node(number);
            if (node.type() == TarType::Directory) {
                tar_.add(node.header(path.empty() ? "." : path));
            } else {
                by_layer[node.layer].push_back({&path, number});
            }
        }
        const auto& layers = image_.manifest.layers;
        const auto total = std::accumulate(layers.begin(), layers.end(), std::uint64_t{0},
                                           [](std::uint64_t sum, const auto& layer) { return sum + layer.size; });
        run_.progress->begin(kTask, total);
        std::uint64_t done = 0;
        for (std::size_t layer = 0; layer < by_layer.size(); ++layer) {
            write_layer(layer, std::move(by_layer[layer]));
            run_.progress->advance(kTask, done += layers[layer].size);
        }
        tar_.finish();
        run_.progress->end(kTask);
    }

    [[nodiscard]] std::uint64_t written() const noexcept { return written_; }

private:
    void write_layer(std::size_t layer, std::vector<Placed> placed) {
        const auto member_of = [&](const Placed& each) { return files_.node(each.node).entry->member; };
        // Stable: the paths of one file stay sorted.
        std::stable_sort(placed.begin(), placed.end(),
                         [&](const Placed& a, const Placed& b) { return member_of(a) < member_of(b); });
        const bool has_content = std::any_of(
            placed.begin(), placed.end(), [&](const Placed& each) { return files_.node(each.node).entry->size > 0; });
        written_ += placed.size();
        if (!has_content) {
            MemorySource nothing(std::string_view{});
            write_members(placed.begin(), placed.end(), nothing);
            return;
        }
        in_context("reading " + layer_name(image_, layer), [&] {
            LayerStream stream(image_, layer, run_);
            TarReader reader(stream);
            std::uint32_t member = 0;
            for (auto at = placed.begin(); at != placed.end();) {
                skip_to(reader, member, member_of(*at));
                const auto end = std::find_if(at, placed.end(),
                                              [&](const Placed& each) { return member_of(each) != member_of(*at); });
                write_members(at, end, reader.content());
                at = end;
            }
            stream.finish();
        });
    }

    /// Leaves the reader at member `wanted`; `next` is the number of the one that it gives next.
    void skip_to(TarReader& reader, std::uint32_t& next, std::uint32_t wanted) const {
        for (; next <= wanted; ++next) {
            run_.check();
            if (!reader.next()) {
                throw Error(ErrorCode::Integrity, "the layer has fewer entries than when it was read before");
            }
        }
    }

    /// Members of the tar by their paths; those of one file are links to its first.
    void write_members(std::vector<Placed>::iterator at, std::vector<Placed>::iterator end, Source& content) {
        const Placed* file = nullptr;
        for (; at != end; ++at) {
            auto header = files_.node(at->node).header(*at->path);
            if (header.type != TarType::File) {
                tar_.add(header);
            } else if (file == nullptr || file->node != at->node) {
                tar_.add(header, content, run_.stop);
                file = &*at;
            } else {
                header.type = TarType::HardLink;
                header.link = *file->path;
                header.size = 0;
                header.xattrs.clear();  // they are the file's
                tar_.add(header);
            }
        }
    }

    const oci::Image& image_;
    const FileSystem& files_;
    TarWriter& tar_;
    const Run& run_;
    std::uint64_t written_ = 0;
};

/// The listings must outlive the file system.
FileSystem merged(const std::vector<LayerListing>& listings) {
    FileSystem files;
    for (const auto& listing : listings) {
        files.add(listing);
    }
    return files;
}

BuiltLayer flat_layer(const oci::Image& image, const FlattenOptions& options, const Run& run) {
    std::vector<LayerOf> layers;
    for (std::size_t i = 0; i < image.manifest.layers.size(); ++i) {
        layers.push_back({&image, i});
    }
    const auto listings = list_layers(layers, Contents::Ignored, std::string(kHeaders), run);
    const auto files = merged(listings);
    LayerWriter writer(options.spool, options.compression);
    TarWriter tar(writer);
    Flattener flattener(image, files, tar, run);
    flattener.write();
    auto layer = writer.take();
    layer.files = flattener.written();
    return layer;
}

bool is_docker(const oci::Manifest& manifest) {
    return manifest.raw.media_type == oci::media_type::kDockerManifest;
}

/// OCI's name for the layer's type, or docker's in a schema 2 manifest; that has no zstd layers which docker reads.
std::string_view layer_type(bool docker, Compression compression) {
    if (docker && compression != Compression::Zstd) {
        return compression == Compression::Gzip ? oci::media_type::kDockerLayerGzip : oci::media_type::kDockerLayer;
    }
    switch (compression) {
        case Compression::Gzip:
            return oci::media_type::kOciLayerGzip;
        case Compression::Zstd:
            return oci::media_type::kOciLayerZstd;
        default:
            return oci::media_type::kOciLayer;
    }
}

std::string flat_config(const oci::Image& image, const Digest& diff_id, TimePoint time) {
    ObjectText document(image.config.raw);
    set_diff_ids(document, {diff_id.text()});
    const auto count = std::to_string(image.manifest.layers.size());
    document.set("history", "[" + history_entry(time, "cooper flatten: " + count + " layers", false) + "]");
    return document.text();
}

}  // namespace

oci::Image flatten(const oci::Image& image, const FlattenOptions& options, const Run& run) {
    image.check();
    if (image.manifest.layers.empty()) {
        throw Error(ErrorCode::InvalidInput, "the image has no layers to flatten");
    }
    auto layer = flat_layer(image, options, run);
    const auto kind = options.compression.kind;
    layer.descriptor.media_type = layer_type(is_docker(image.manifest), kind);
    const auto& first = image.manifest.layers.front();
    if (image.config.diff_ids == std::vector{layer.diff_id} && first.media_type == layer.descriptor.media_type) {
        return image;
    }
    const auto config = flat_config(image, layer.diff_id, options.edit_time.value_or(TimePoint{}));
    ManifestText manifest(image.manifest);
    if (kind == Compression::Zstd) {
        manifest.make_oci();
    }
    manifest.set_config(config);
    manifest.set_layers({descriptor_text(layer.descriptor)});
    return {manifest.finish(), oci::Config::parse(config),
            edit_blobs({{{sha256(config), config}}, {{layer.descriptor.digest, layer.file}}, {}, image.blobs})};
}

}  // namespace cooper::build
