#include "delivery/explain/findings.hpp"

#include <algorithm>
#include <array>

namespace cooper::delivery {

namespace {

constexpr std::size_t kMostFieldsNamed = 4;

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
    return std::to_string(count) + " " + std::string(count == 1 ? one : many);
}

/// What was found on one level, in all places together.
struct LevelSum {
    std::uint64_t places = 0;
    std::uint64_t paths = 0;
    std::map<std::string, std::uint64_t> fields;
    std::string first_place;
};

LevelSum sum_of(const Explanation& explanation, ExplainLevel level) {
    LevelSum sum;
    for (const auto& place : explanation.places) {
        if (place.level != level) {
            continue;
        }
        sum.first_place = sum.places++ == 0 ? place.where : sum.first_place;
        sum.paths += place.paths;
        for (const auto& [field, count] : place.fields) {
            sum.fields[field] += count;
        }
    }
    return sum;
}

/// "all in their mtime", or "12 mtime, 3 content, 1 entry".
std::string fields_text(const LevelSum& sum) {
    if (sum.fields.size() == 1) {
        return (sum.paths == 1 ? "in its " : "all in their ") + sum.fields.begin()->first;
    }
    std::vector<std::pair<std::uint64_t, std::string>> ordered;
    for (const auto& [field, count] : sum.fields) {
        ordered.emplace_back(count, field);
    }
    std::stable_sort(ordered.begin(), ordered.end(), [](const auto& x, const auto& y) { return x.first > y.first; });
    std::string text;
    for (std::size_t i = 0; i < std::min(ordered.size(), kMostFieldsNamed); ++i) {
        text += (text.empty() ? "" : ", ") + std::to_string(ordered[i].first) + " " + ordered[i].second;
    }
    return text + (ordered.size() > kMostFieldsNamed ? ", …" : "");
}

std::string document_part(const LevelSum& sum) {
    if (sum.places == 0) {
        return "";
    }
    return sum.places == 1 ? sum.first_place + " differs" : std::to_string(sum.places) + " documents differ";
}

std::string layers_part(const Explanation& explanation, const LayerCounts& layers) {
    if (layers.different == 0) {
        return "";
    }
    std::string text = std::to_string(layers.different) + " of " + counted(layers.all, "layer", "layers") +
                       (layers.different == 1 ? " differs" : " differ");
    const auto compression = sum_of(explanation, ExplainLevel::Layers);
    const auto entries = sum_of(explanation, ExplainLevel::Entries);
    const auto content = sum_of(explanation, ExplainLevel::Content);
    std::string more;
    if (entries.paths > 0) {
        more = counted(entries.paths, "entry", "entries") + ", " + fields_text(entries);
    }
    if (content.paths > 0) {
        more += (more.empty() ? "" : "; ") + counted(content.paths, "file", "files") + " in content";
    }
    if (more.empty() && compression.places > 0) {
        more = fields_text(compression);
    }
    return text + (more.empty() ? "" : ": " + more);
}

}  // namespace

std::string verdict_of(const Explanation& explanation, const LayerCounts& layers) {
    if (explanation.identical) {
        return "identical";
    }
    if (explanation.same()) {
        return "equal but for what was ignored (" + counted(explanation.ignored, "difference", "differences") + ")";
    }
    const auto file = sum_of(explanation, ExplainLevel::File);
    const auto members = sum_of(explanation, ExplainLevel::Members);
    const std::array parts = {
        file.places == 0 ? std::string() : "the files differ " + fields_text(file),
        members.paths == 0
            ? std::string()
            : counted(members.paths, "archive member differs", "archive members differ") + ": " + fields_text(members),
        document_part(sum_of(explanation, ExplainLevel::Documents)),
        document_part(sum_of(explanation, ExplainLevel::Config)),
        layers_part(explanation, layers),
    };
    std::string text;
    for (const auto& part : parts) {
        text += (text.empty() || part.empty() ? "" : "; ") + part;
    }
    return text;
}

}  // namespace cooper::delivery
