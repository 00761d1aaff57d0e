#include "delivery/explain/images.hpp"

#include "cooper/base/error.hpp"

#include "base/workers.hpp"
#include "build/edit/alignment.hpp"
#include "delivery/explain/compression.hpp"
#include "delivery/explain/contents.hpp"
#include "delivery/explain/layer_entries.hpp"

#include <algorithm>

namespace cooper::delivery {

namespace {

constexpr std::string_view kTask = "explaining layers";

Difference in_layers(const std::string& where, std::string field) {
    Difference difference;
    difference.level = ExplainLevel::Layers;
    difference.where = where;
    difference.field = std::move(field);
    return difference;
}

/// "layer 2 of 9", and where it is another one in B, "layer 2 of 9 (3 of 10 in B)".
std::string layer_place(const ImagePair& pair, const build::AlignedPair& layer) {
    const auto in = [](std::size_t index, const SideImage& side) {
        return std::to_string(index + 1) + " of " + std::to_string(side.image.manifest.layers.size());
    };
    const auto a = layer.before ? in(*layer.before, *pair.a) : "", b = layer.after ? in(*layer.after, *pair.b) : "";
    return "layer " + (a.empty() ? b : a) + (a.empty() || b.empty() || a == b ? "" : " (" + b + " in B)") + pair.label;
}

std::string layer_text(const oci::Image& image, std::size_t index) {
    const auto& layer = image.manifest.layers[index];
    return layer.digest.shortened() + ", " + std::to_string(layer.size) + " bytes";
}

/// Reads one layer, or says why nobody can.
class LayerReading {
public:
    LayerReading(const oci::Image& image, std::size_t index) : image_(image), index_(index) {}
    void read(std::atomic<std::size_t>& bytes, const Run& run) {
        try {
            listed = list_entries(image_, index_, bytes, run);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::Integrity) {
                throw;
            }
            damage = error.what();
        }
    }

    ListedLayer listed;
    std::optional<std::string> damage;

private:
    const oci::Image& image_;
    std::size_t index_;
};

}  // namespace

void ImageComparison::compare(const ImagePair& pair) {
    if (pair.a == nullptr || pair.b == nullptr) {
        Difference difference;
        difference.level = ExplainLevel::Documents;
        difference.where = "images";
        difference.path = pair.label.substr(pair.label.empty() ? 0 : std::string_view(" of ").size());
        difference.field = "image";
        const auto& image = pair.a != nullptr ? *pair.a : *pair.b;
        (pair.a != nullptr ? difference.a : difference.b) = image.image.config.image_id().text();
        to_.findings.add(std::move(difference));
        return;
    }
    const auto &a = pair.a->image, &b = pair.b->image;
    if (a.manifest.raw.digest == b.manifest.raw.digest) {
        to_.findings.layers.all += a.manifest.layers.size();
        return;
    }
    if (pair.a->has_manifest && pair.b->has_manifest) {
        compare_documents(ExplainLevel::Documents, "manifest" + pair.label, a.manifest.raw.bytes, b.manifest.raw.bytes,
                          to_);
    }
    compare_documents(ExplainLevel::Config, "config" + pair.label, a.config.raw, b.config.raw, to_);
    compare_layers(pair);
}

void ImageComparison::compare_layers(const ImagePair& pair) {
    const auto &a = pair.a->image, &b = pair.b->image;
    const auto &old_ids = a.config.diff_ids, &new_ids = b.config.diff_ids;
    const auto steps_a = steps_of(a.config.raw), steps_b = steps_of(b.config.raw);
    const auto step = [](const std::vector<std::string>& steps, const std::optional<std::size_t>& index) {
        return index && *index < steps.size() ? steps[*index] : std::string();
    };
    auto& counts = to_.findings.layers;
    for (const auto& layer : build::align(old_ids.size(), new_ids.size(),
                                          [&](std::size_t i, std::size_t j) { return old_ids[i] == new_ids[j]; })) {
        ++counts.all;
        if (layer.equal && a.manifest.layers[*layer.before].digest == b.manifest.layers[*layer.after].digest) {
            continue;
        }
        ++counts.different;
        const auto where = layer_place(pair, layer);
        const auto about = step(steps_b, layer.after);
        for (const auto level : {ExplainLevel::Layers, ExplainLevel::Entries, ExplainLevel::Content}) {
            to_.findings.describe(level, where, about.empty() ? step(steps_a, layer.before) : about);
        }
        if (!layer.before || !layer.after) {
            auto difference = in_layers(where, "layer");
            difference.a = layer.before ? std::optional(layer_text(a, *layer.before)) : std::nullopt;
            difference.b = layer.after ? std::optional(layer_text(b, *layer.after)) : std::nullopt;
            to_.findings.add(std::move(difference));
        } else if (!compared_.emplace(a.manifest.layers[*layer.before].digest, b.manifest.layers[*layer.after].digest)
                        .second) {
            --counts.different;  // told where it was first met
        } else if (layer.equal) {
            compare_blobs(pair, *layer.before, *layer.after, where);
        } else {
            compare_layer(pair, *layer.before, *layer.after, where);
        }
    }
}

void ImageComparison::compare_blobs(const ImagePair& pair, std::size_t a, std::size_t b, const std::string& where) {
    const auto opener = [&](const oci::Image& image, std::size_t index) {
        return [&image, index, this] { return image.blobs->open(image.manifest.layers[index], 0, run_); };
    };
    compare_compression(in_layers(where, ""), opener(pair.a->image, a), opener(pair.b->image, b), to_.findings, run_);
}

void ImageComparison::compare_layer(const ImagePair& pair, std::size_t a, std::size_t b, const std::string& where) {
    const auto &image_a = pair.a->image, &image_b = pair.b->image;
    const auto seen = to_.findings.seen();
    LayerReading x(image_a, a), y(image_b, b);
    std::atomic<std::size_t> bytes = 0;
    run_.progress->begin(kTask, 0);
    Workers workers(run_);
    for (auto* reading : {&x, &y}) {
        workers.start([&bytes, reading, inner = workers.run()] { reading->read(bytes, inner); });
    }
    workers.join();
    if (x.damage || y.damage) {
        tell_unreadable(where, std::move(x.damage), std::move(y.damage));
        return;
    }
    const auto changed = compare_entries(x.listed, y.listed, where, to_.findings);
    explain_contents({image_a, a, x.listed}, {image_b, b, y.listed}, changed, where, to_.findings, to_.report, run_);
    run_.progress->end(kTask);
    if (to_.findings.seen() == seen) {
        auto difference = in_layers(where, "bytes");
        difference.a = layer_text(image_a, a);
        difference.b = layer_text(image_b, b);
        difference.detail = "the tars differ, but in no entry";
        to_.findings.add(std::move(difference));
    }
}

void ImageComparison::tell_unreadable(const std::string& where, std::optional<std::string> a,
                                      std::optional<std::string> b) {
    auto difference = in_layers(where, "unreadable");
    difference.a = a ? std::move(a) : std::optional<std::string>("readable");
    difference.b = b ? std::move(b) : std::optional<std::string>("readable");
    to_.findings.add(std::move(difference));
}

}  // namespace cooper::delivery
