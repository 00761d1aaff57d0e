// Images for the tests of edits.
#pragma once

#include "cooper/build/edit.hpp"
#include "cooper/oci/graph.hpp"

#include "build/edit/edit_blobs.hpp"
#include "build/edit/json_text.hpp"
#include "build/tree_support.hpp"
#include "support/memory_image.hpp"

#include <string>
#include <vector>

namespace cooper::testing {

/// The image with another config text, and its blobs; layers stay.
inline oci::Image with_config(oci::Image image, const std::string& config) {
    const auto before = image.config.image_id();
    auto manifest = image.manifest.raw.bytes;
    const auto replace = [&manifest](const std::string& old_text, const std::string& new_text) {
        manifest.replace(manifest.find(old_text), old_text.size(), new_text);
    };
    replace(before.text(), sha256(config).text());
    replace("\"size\":" + std::to_string(image.config.raw.size()), "\"size\":" + std::to_string(config.size()));
    image.config = oci::Config::parse(config);
    image.blobs = build::edit_blobs({{{sha256(config), config}}, {}, {}, image.blobs});
    return with_manifest(std::move(image), manifest);
}

/// `image`'s config with `text` put before its last bracket, which closes it.
inline oci::Image with_member(const oci::Image& image, const std::string& text) {
    auto config = image.config.raw;
    config.insert(config.size() - 1, "," + text);
    return with_config(image, config);
}

/// The member of the config's text.
inline std::string config_member(const oci::Image& image, std::string_view key) {
    const build::ObjectText document(image.config.raw);
    const auto* found = document.find(key);
    return found == nullptr ? "" : *found;
}

/// Reads every blob of the graph that an image has, and checks it.
inline void check_blobs(const oci::Image& image) {
    const auto graph = oci::graph_of(image);
    for (const auto& blob : graph.blobs) {
        INFO(blob.digest.text());
        const auto source = verified(graph.source->open(blob, 0, {}), blob.digest, blob.size, "blob");
        CHECK(skip(*source, UINT64_MAX) == blob.size);
    }
}

}  // namespace cooper::testing
