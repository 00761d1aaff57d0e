#include "cooper/build/rebase.hpp"

#include "cooper/base/error.hpp"

#include "base/json.hpp"
#include "build/edit/config_text.hpp"
#include "build/edit/edit_blobs.hpp"
#include "build/edit/inherited_config.hpp"
#include "build/edit/manifest_text.hpp"
#include "build/edit/rebase_check.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::build {

namespace {

constexpr std::string_view kBaseDigest = "org.opencontainers.image.base.digest";
constexpr std::string_view kBaseName = "org.opencontainers.image.base.name";

[[noreturn]] void not_built_on(const std::string& why) {
    throw Error(ErrorCode::InvalidInput, "the image is not built on the old base: " + why)
        .advise(
            "name the very version of the base that the image was built on, by digest; where the image says it, it "
            "is the annotation org.opencontainers.image.base.digest");
}

void check_bases(const oci::Image& image, const oci::Image& old_base, const oci::Image& new_base) {
    const auto &own = image.config.diff_ids, &base = old_base.config.diff_ids;
    const auto told = [](std::size_t layer) { return "layer " + std::to_string(layer + 1); };
    const auto [a, b] = std::mismatch(own.begin(), own.end(), base.begin(), base.end());
    if (b != base.end()) {
        const auto layer = static_cast<std::size_t>(b - base.begin());
        if (a == own.end()) {
            not_built_on("it has " + std::to_string(own.size()) + " layers, the base " + std::to_string(base.size()));
        }
        not_built_on(told(layer) + " of " + std::to_string(base.size()) + " is " + a->shortened() +
                     " in the image and " + b->shortened() + " in the base (diff IDs)");
    }
    if (image.config.platform != new_base.config.platform) {
        throw Error(ErrorCode::InvalidInput, "the image is for " + image.config.platform.text() +
                                                 ", the new base for " + new_base.config.platform.text());
    }
}

std::vector<std::string> history_of(const oci::Config& config) {
    std::vector<std::string> entries;
    if (config.has_history) {
        const ObjectText document(config.raw);
        const auto array = array_of(document, "history");
        for (std::size_t i = 0; i < array.size(); ++i) {
            entries.push_back(array.at(i));
        }
    }
    return entries;
}

bool has_layer(const std::string& entry) {
    const ObjectText text(entry);
    const auto* empty = text.find("empty_layer");
    return empty == nullptr || *empty != "true";
}

/// The image's entries that are not the old base's: those after as many as the base has, if they begin alike; else
/// those after its layers.
std::vector<std::string> own_history(const oci::Config& image, const oci::Config& old_base) {
    auto entries = history_of(image);
    const auto base = history_of(old_base);
    const auto same = [](const std::string& a, const std::string& b) {
        return a == b || json::parse(a, "config") == json::parse(b, "config");
    };
    std::size_t count = base.size();
    if (base.empty() || base.size() > entries.size() || !std::equal(base.begin(), base.end(), entries.begin(), same)) {
        count = 0;
        for (std::size_t layers = 0; count < entries.size() && layers < old_base.diff_ids.size(); ++count) {
            layers += has_layer(entries[count]) ? 1U : 0U;
        }
    }
    entries.erase(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(count));
    return entries;
}

std::vector<std::string> base_history(const oci::Config& new_base) {
    auto entries = history_of(new_base);
    if (entries.empty()) {
        entries.assign(new_base.diff_ids.size(), R"({"created_by":"a layer of a base without history"})");
    }
    return entries;
}

std::string array_text(const std::vector<std::string>& elements) {
    ArrayText array("[]");
    for (const auto& element : elements) {
        array.add(element);
    }
    return array.text();
}

std::string rebased_config(const oci::Config& image, const oci::Config& old_base, const oci::Config& new_base,
                           std::vector<std::string>& taken) {
    ObjectText document(image.raw);
    taken = inherit_config(document, ObjectText(old_base.raw), ObjectText(new_base.raw));
    std::vector<std::string> diff_ids;
    for (const auto& diff_id : new_base.diff_ids) {
        diff_ids.push_back(diff_id.text());
    }
    for (std::size_t i = old_base.diff_ids.size(); i < image.diff_ids.size(); ++i) {
        diff_ids.push_back(image.diff_ids[i].text());
    }
    set_diff_ids(document, diff_ids);
    if (image.has_history) {
        auto history = base_history(new_base);
        for (auto& entry : own_history(image, old_base)) {
            history.push_back(std::move(entry));
        }
        document.set("history", array_text(history));
    }
    return document.text();
}

/// The layers' descriptors, all of the kind that the manifest has in the end.
void exchange_layers(ManifestText& manifest, const oci::Image& image, const oci::Image& old_base,
                     const oci::Image& new_base) {
    const ManifestText base(new_base.manifest);
    const bool same_kind = image.manifest.raw.media_type == new_base.manifest.raw.media_type;
    if (!same_kind) {
        manifest.make_oci();
    }
    std::vector<std::string> layers;
    for (const auto& layer : base.layers()) {
        ObjectText descriptor(layer);
        if (!same_kind) {
            make_media_type_oci(descriptor);
        }
        layers.push_back(descriptor.text());
    }
    const auto& own = manifest.layers();
    layers.insert(layers.end(), own.begin() + static_cast<std::ptrdiff_t>(old_base.manifest.layers.size()), own.end());
    if (layers.size() > oci::kMaxLayers) {
        throw Error(ErrorCode::InvalidInput, "the image would have " + std::to_string(layers.size()) +
                                                 " layers: the limit is " + std::to_string(oci::kMaxLayers));
    }
    manifest.set_layers(layers);
}

void rename_base(ManifestText& manifest, const oci::Image& image, const oci::Image& new_base,
                 const std::string& base_name) {
    const auto& annotations = image.manifest.annotations;
    if (annotations.contains(std::string(kBaseDigest))) {
        manifest.set_annotation(kBaseDigest, new_base.manifest.raw.digest.text());
    }
    if (!annotations.contains(std::string(kBaseName))) {
        return;
    }
    if (base_name.empty()) {
        manifest.remove_annotation(kBaseName);
    } else {
        manifest.set_annotation(kBaseName, base_name);
    }
}

}  // namespace

Rebased rebase(const oci::Image& image, const oci::Image& old_base, const oci::Image& new_base,
               const RebaseOptions& options, const Run& run) {
    for (const auto* const each : {&image, &old_base, &new_base}) {
        each->check();
    }
    check_bases(image, old_base, new_base);
    const auto kept = image.manifest.layers.size() - old_base.manifest.layers.size();
    if (old_base.manifest.raw.digest == new_base.manifest.raw.digest) {
        return {image, kept, {}, {}};
    }
    std::vector<std::string> taken;
    const auto config = rebased_config(image.config, old_base.config, new_base.config, taken);
    ManifestText manifest(image.manifest);
    exchange_layers(manifest, image, old_base, new_base);
    rename_base(manifest, image, new_base, options.base_name);
    manifest.set_config(config);

    BlobOrigins origins{{{sha256(config), config}}, {}, {}, image.blobs};
    for (const auto& layer : new_base.manifest.layers) {
        origins.from.emplace(layer.digest, new_base.blobs);
    }
    Rebased rebased{
        {manifest.finish(), oci::Config::parse(config), edit_blobs(std::move(origins))}, kept, std::move(taken), {}};
    rebased.image.check();
    if (options.check_paths) {
        rebased.warnings = check_on_base(image, old_base, new_base, run);
    }
    return rebased;
}

}  // namespace cooper::build
