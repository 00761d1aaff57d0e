#include "tags_report.hpp"

#include <algorithm>

namespace cooper::cli {

namespace {

std::string one_per_line(const std::vector<std::string>& texts) {
    std::string lines;
    for (const std::string& text : texts) {
        lines += printable(text) + "\n";
    }
    return lines;
}

/// Each tag in each repository; the bare tags when there is none.
std::vector<std::string> named(const std::vector<std::string>& images, const std::vector<std::string>& tags) {
    if (images.empty()) {
        return tags;
    }
    std::vector<std::string> names;
    for (const std::string& image : images) {
        for (const std::string& tag : tags) {
            names.push_back(image + ":" + tag);
        }
    }
    return names;
}

Json json_of(const std::optional<build::RecordedInput>& input) {
    if (!input) {
        return nullptr;
    }
    return {{"kind", input->kind},
            {"name", printable(input->name)},
            {"value", printable(input->value)},
            {"mode", input->mode == 0 ? Json() : Json(input->mode)},
            {"size", input->size}};
}

std::string_view text_of(build::TagChange::Kind kind) {
    switch (kind) {
        case build::TagChange::Kind::Added:
            return "added";
        case build::TagChange::Kind::Removed:
            return "removed";
        case build::TagChange::Kind::Changed:
            return "changed";
        case build::TagChange::Kind::Reordered:
            return "reordered";
    }
    return "";
}

std::vector<std::string> levels_of(const build::TagChange& change) {
    std::vector<std::string> levels;
    for (const build::TagLevel level : change.touches) {
        levels.emplace_back(to_string(level));
    }
    return levels;
}

}  // namespace

TagsReport report_of(const build::HashTags& tags, const std::vector<std::string>& images) {
    TagsReport report;
    const std::vector<std::string> names = named(images, {tags.source, tags.lock, tags.versioned});
    report.lines = one_per_line(names);
    report.json = {{"profile", tags.record.profile},
                   {"source", tags.source},
                   {"lock", tags.lock},
                   {"versioned", tags.versioned},
                   {"repository", tags.repository.empty() ? Json() : Json(tags.repository)},
                   {"names", names}};
    report.outputs = {
        {"source", tags.source}, {"lock", tags.lock}, {"versioned", tags.versioned}, {"names", joined(names, "\n")}};
    return report;
}

TagsReport report_of(const build::GitTags& tags) {
    TagsReport report;
    const std::vector<std::string> names = named(tags.repositories, tags.tags);
    report.lines = one_per_line(names);
    report.json = {{"version", tags.version},
                   {"tags", tags.tags},
                   {"names", names},
                   {"latest", tags.latest},
                   {"latest_reason", tags.latest_reason},
                   {"cache_from", named(tags.repositories, tags.cache_from)},
                   {"cache_to", tags.cache_to.empty() ? Json() : Json(named(tags.repositories, {tags.cache_to}))}};
    report.outputs = {
        {"version", tags.version},
        {"tags", joined(tags.tags, "\n")},
        {"names", joined(names, "\n")},
        {"latest", tags.latest ? "true" : "false"},
        {"cache-from", joined(named(tags.repositories, tags.cache_from), "\n")},
        {"cache-to", tags.cache_to.empty() ? "" : joined(named(tags.repositories, {tags.cache_to}), "\n")}};
    return report;
}

TagsReport report_of(const build::SdkTags& tags) {
    TagsReport report;
    report.lines = one_per_line(tags.all_tags);
    report.json = {{"profile", "sdk"},
                   {"names", tags.all_tags},
                   {"base_tag", tags.base_tag},
                   {"base_slug", tags.base_slug},
                   {"versioned", tags.versioned_tags},
                   {"cache_tags", tags.cache_tags},
                   {"short_sha", tags.short_sha},
                   {"sha", tags.long_sha}};
    report.outputs = {{"names", joined(tags.all_tags, "\n")},
                      {"base-tag", tags.base_tag},
                      {"cache-tags", joined(tags.cache_tags, "\n")}};
    return report;
}

void add_decision(TagsReport& report, const build::ReuseDecision& decision) {
    const std::string action(to_string(decision.action));
    std::vector<std::pair<std::string, std::string>> rows{
        {"action", action}, {"image", decision.image}, {"from", decision.from}};
    for (const std::string& name : decision.apply) {
        rows.emplace_back("apply", name);
    }
    report.lines = aligned(rows);
    report.json["reuse"] = {{"action", action},
                            {"image", decision.image},
                            {"from", decision.from.empty() ? Json() : Json(decision.from)},
                            {"apply", decision.apply}};
    report.outputs.insert(report.outputs.end(), {{"action", action},
                                                 {"image", decision.image},
                                                 {"from", decision.from},
                                                 {"apply", joined(decision.apply, "\n")}});
}

TagsReport report_of(const build::TagRecord& before, const build::TagRecord& after,
                     const std::vector<build::TagChange>& changes) {
    TagsReport report;
    Json tags = Json::object();
    std::vector<std::string> changed;
    for (const auto& now : after.tags) {
        const std::string& level = now.first;
        const std::string& tag = now.second;
        const auto old = std::find_if(before.tags.begin(), before.tags.end(),
                                      [&](const auto& there) { return there.first == level; });
        const std::string old_tag = old == before.tags.end() ? "" : old->second;
        const bool same = old_tag == tag;
        report.lines += printable(level + ": " + (same ? tag + ", as before" : old_tag + " -> " + tag)) + "\n";
        tags[level] = {{"before", old_tag}, {"after", tag}, {"changed", !same}};
        if (!same) {
            changed.push_back(level);
        }
    }
    Json list = Json::array();
    for (const build::TagChange& change : changes) {
        const std::vector<std::string> levels = levels_of(change);
        report.lines += "  " + printable(change.text()) + "  [" + joined(levels, ", ") + "]\n";
        list.push_back({{"change", text_of(change.kind)},
                        {"touches", levels},
                        {"before", json_of(change.before)},
                        {"after", json_of(change.after)}});
    }
    report.json = {{"profile", after.profile}, {"tags", std::move(tags)}, {"changes", std::move(list)}};
    report.outputs = {{"changed", joined(changed, "\n")}};
    return report;
}

}  // namespace cooper::cli
