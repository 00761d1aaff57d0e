#include "delivery/explain/documents.hpp"

#include "cooper/base/error.hpp"
#include "cooper/build/diff.hpp"

#include "base/json.hpp"
#include "delivery/explain/causes.hpp"
#include "delivery/explain/unified_diff.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <vector>

namespace cooper::delivery {

namespace {

constexpr std::size_t kMaxDocumentLines = 40;
constexpr std::size_t kDigestDigits = 64;

bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/// Digests, sizes and names of members that are digests: they say no more than that something below differs.
bool only_follows(ExplainLevel level, const build::ValueChange& change) {
    if (level == ExplainLevel::Config) {
        return fits("/rootfs/diff_ids/*", change.pointer);
    }
    const bool one_sided = !change.before || !change.after;
    if (one_sided) {
        return fits("/*/Layers/*|/layers/*|/*/LayerSources/*", change.pointer);
    }
    return fits("*/size", change.pointer) ||
           (*change.before != *change.after && without_digests(*change.before) == without_digests(*change.after));
}

std::string spelling_detail(std::string_view a, std::string_view b, const std::string& where) {
    const bool same_order = json::write(json::parse(a, where)) == json::write(json::parse(b, where));
    return same_order ? "other spaces or escapes" : "another order of members";
}

Difference difference_at(ExplainLevel level, const std::string& where, std::string field) {
    Difference difference;
    difference.level = level;
    difference.where = where;
    difference.field = std::move(field);
    return difference;
}

void compare_json(ExplainLevel level, const std::string& where, std::string_view a, std::string_view b,
                  Findings& findings) {
    auto changes = build::diff_json(a, b, where);
    for (auto& change : changes) {
        auto difference = difference_at(level, where, "value");
        difference.follows = only_follows(level, change);
        difference.path = std::move(change.pointer);
        difference.a = std::move(change.before);
        difference.b = std::move(change.after);
        findings.add(std::move(difference));
    }
    if (changes.empty()) {
        auto difference = difference_at(level, where, "spelling");
        difference.a = std::to_string(a.size()) + " bytes";
        difference.b = std::to_string(b.size()) + " bytes";
        difference.detail = spelling_detail(a, b, where);
        findings.add(std::move(difference));
    }
}

bool is_json(std::string_view text) {
    try {
        static_cast<void>(json::parse(text, "document"));
        return true;
    } catch (const Error&) {
        return false;
    }
}

}  // namespace

std::string without_digests(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto end = static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_hex) - text.begin());
        out += end == kDigestDigits ? "X" : text.substr(0, end);
        if (end < text.size()) {
            out += text[end];
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

void compare_documents(ExplainLevel level, const std::string& where, std::string_view a, std::string_view b,
                       const Telling& to) {
    if (a == b) {
        return;
    }
    to.report.write(Side::A, where, "", a);
    to.report.write(Side::B, where, "", b);
    if (is_json(a) && is_json(b)) {
        compare_json(level, where, a, b, to.findings);
        return;
    }
    auto difference = difference_at(level, where, "content");
    difference.path = where;
    difference.detail = unified_diff(a, b, kMaxDocumentLines);
    to.findings.add(std::move(difference));
}

std::vector<std::string> steps_of(const std::string& config) {
    std::vector<std::string> steps;
    const auto document = json::parse(config, "config");
    const auto* history = json::find_member(document, "history");
    if (history == nullptr || !history->is_array()) {
        return steps;
    }
    for (const auto& step : *history) {
        if (!step.is_object() || step.value("empty_layer", false)) {
            continue;
        }
        steps.push_back(json::find_string(step, "created_by", "config: history").value_or(""));
    }
    return steps;
}

}  // namespace cooper::delivery
