#include "build_report.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

std::string title_of(const BuildReport& report) {
    const auto& image = report.image;
    return image.settings.name + " (" + (image.target.empty() ? "" : image.target + ", ") + image.platform.text() + ")";
}

std::string build_text(const std::vector<BuildReport>& reports, bool dry_run) {
    std::string text;
    for (const BuildReport& report : reports) {
        const auto& reuse = report.decision.reuse;
        const auto& names = dry_run ? reuse.apply : report.applied;
        text += (reports.size() > 1 ? printable(title_of(report)) + "\n" : "") +
                aligned({{"image", dry_run ? reuse.image : report.name},
                         {"action", std::string(to_string(reuse.action))},
                         {"from", reuse.from},
                         {"found in", report.found_in},
                         {dry_run ? "to name" : "names", joined(names)},
                         {"pushed", report.pushed ? "yes" : ""}},
                        reports.size() > 1 ? "  " : "");
    }
    return text;
}

Json build_json(const std::vector<BuildReport>& reports) {
    Json images = Json::array();
    for (const BuildReport& report : reports) {
        const auto& image = report.image;
        const auto& reuse = report.decision.reuse;
        images.push_back(
            {{"name", image.settings.name},
             {"image", report.name.empty() ? reuse.image : report.name},
             {"target", image.target.empty() ? Json() : Json(image.target)},
             {"platform", image.platform.text()},
             {"profile", image.tags.record.profile},
             {"tags", {{"source", image.tags.source}, {"lock", image.tags.lock}, {"versioned", image.tags.versioned}}},
             {"base", image.names.base},
             {"action", to_string(reuse.action)},
             {"reason", report.decision.reason},
             {"from", reuse.from.empty() ? Json() : Json(reuse.from)},
             {"found_in", report.found_in.empty() ? Json() : Json(report.found_in)},
             {"built", report.built},
             {"pushed", report.pushed},
             {"to_apply", reuse.apply},
             {"applied", report.applied}});
    }
    return {{"images", std::move(images)}};
}

std::vector<std::pair<std::string, std::string>> build_outputs(const std::vector<BuildReport>& reports) {
    std::vector<std::string> images;
    std::vector<std::string> names;
    for (const BuildReport& report : reports) {
        images.push_back(report.name.empty() ? report.decision.reuse.image : report.name);
        names.insert(names.end(), report.applied.begin(), report.applied.end());
    }
    const BuildReport& first = reports.front();
    return {{"image", images.front()},
            {"images", joined(images, "\n")},
            {"action", std::string(to_string(first.decision.reuse.action))},
            {"names", joined(names, "\n")},
            {"source", first.image.tags.source},
            {"lock", first.image.tags.lock},
            {"versioned", first.image.tags.versioned}};
}

}  // namespace cooper::cli
