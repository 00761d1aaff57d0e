// Manifests, indexes and configs: only Error leaves the parsers, the bytes stay, and what was read keeps its bounds.
// The first byte chooses the Content-Type that the document is served with.
#include "cooper/oci/config.hpp"
#include "cooper/oci/manifest.hpp"

#include "fuzz/fuzz.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace {

using namespace cooper::oci;
using cooper::fuzz::check;

void read_manifest(const std::string& text, std::string_view content_type) {
    ClassifiedManifest found = classify_manifest(text, content_type);
    check(found.raw.bytes == text && found.raw.digest == cooper::sha256(text), "raw bytes stay and name themselves");
    if (found.kind == ManifestKind::Index) {
        const Index index = Index::parse(std::move(found.raw));
        check(index.manifests.size() <= kMaxIndexEntries, "entries are bounded");
        const Descriptor& chosen = choose_platform(index, Platform::parse("linux/amd64"));
        check(&chosen >= index.manifests.data() && &chosen < index.manifests.data() + index.manifests.size(),
              "the choice is of the index");
        return;
    }
    const Manifest manifest = Manifest::parse(std::move(found.raw));
    check(manifest.layers.size() <= kMaxLayers && manifest.config.size <= kMaxDocument,
          "layers and config are bounded");
    for (const Descriptor& layer : manifest.layers) {
        check(layer.size <= kMaxBlobSize && is_layer_media_type(layer.media_type), "layers are layers of bounded size");
    }
}

void read_config(const std::string& text) {
    const Config config = Config::parse(text);
    check(config.raw == text, "raw bytes stay");
    check(!config.has_history || config.non_empty_history == config.diff_ids.size(), "history fits the layers");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::array<std::string_view, 4> kTypes = {"", media_type::kOciManifest, media_type::kDockerManifest,
                                                        media_type::kOciIndex};
    if (size == 0) {
        return 0;
    }
    const std::string text(cooper::fuzz::text_of(data, size).substr(1));
    cooper::fuzz::expect_only_errors([&] { read_manifest(text, kTypes.at(data[0] % kTypes.size())); });
    cooper::fuzz::expect_only_errors([&] { read_config(text); });
    return 0;
}
