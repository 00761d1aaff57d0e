#include "release_report.hpp"

#include "publish_report.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

Json json_of_tag(const delivery::ReleasedTag& tag) {
    return {{"reference", tag.reference},
            {"manifest", tag.manifest.text()},
            {"before", tag.before ? Json(tag.before->text()) : Json()},
            {"changed", tag.changed()}};
}

Json json_of_tags(const std::vector<delivery::ReleasedTag>& tags) {
    Json all = Json::array();
    for (const auto& tag : tags) {
        all.push_back(json_of_tag(tag));
    }
    return all;
}

Json json_of_gate(const delivery::GateReport& gate) {
    return {{"kind", gate.passed.kind},       {"command", gate.passed.command},
            {"subject", gate.passed.subject}, {"took_ms", gate.took.count()},
            {"log", gate.log.string()},       {"report", gate.report.empty() ? Json() : Json(gate.report.string())}};
}

Json released_json(const delivery::Released& released, const delivery::BuildInfo& build, const delivery::Place* place) {
    Json document = place != nullptr ? published_json(released.published, build, *place) : Json::object();
    if (place != nullptr) {
        document["release"] = released.record_key;
    }
    document["changed"] = released.changed;
    document["tags"] = json_of_tags(released.tags);
    document["gates"] = Json::array();
    for (const auto& gate : released.gates) {
        document["gates"].push_back(json_of_gate(gate));
    }
    return document;
}

std::string tags_text(const std::vector<delivery::ReleasedTag>& tags) {
    std::string out;
    for (const auto& tag : tags) {
        out += printable(tag.reference) + "  " + tag.manifest.text() + (tag.changed() ? "" : "  (named it already)") +
               "\n";
    }
    return out;
}

}  // namespace

void print_released(const delivery::Released& released, const delivery::BuildInfo& build, const delivery::Place* place,
                    Session& session, bool json) {
    warn_of_links(released.published, session);
    if (json) {
        print_json(released_json(released, build, place));
        return;
    }
    std::string out;
    if (place != nullptr) {
        out = published_text(released.published, *place, session.run()) +
              aligned({{"release", place->name() + "/" + released.record_key}});
    }
    const std::string tags = tags_text(released.tags);
    out += tags.empty() ? "" : (out.empty() ? "" : "\n") + tags;
    out += released.changed ? "" : "\nEverything was there already.\n";
    print(out);
}

std::vector<std::pair<std::string, std::string>> released_outputs(const delivery::Released& released,
                                                                  const delivery::Place* place) {
    std::vector<std::pair<std::string, std::string>> outputs;
    if (place != nullptr) {
        outputs = published_outputs(released.published, *place);
        outputs.emplace_back("release", place->name() + "/" + released.record_key);
    }
    Json tags = Json::array();
    for (const auto& tag : released.tags) {
        tags.push_back(tag.reference + "@" + tag.manifest.text());
    }
    outputs.emplace_back("tags", tags.dump());
    outputs.emplace_back("changed", released.changed ? "true" : "false");
    return outputs;
}

void print_release_plan(const delivery::ReleasePlan& plan, const delivery::Place* place, bool json) {
    if (json) {
        Json document = place != nullptr ? plan_json(plan.images, *place) : Json::object();
        document["tags"] = json_of_tags(plan.tags);
        print_json(document);
        return;
    }
    print((place != nullptr ? plan_text(plan.images, *place) : "") + tags_text(plan.tags));
}

}  // namespace cooper::cli
