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
    document["tags"] = Json::array();
    for (const auto& tag : released.tags) {
        document["tags"].push_back(json_of_tag(tag));
    }
    document["gates"] = Json::array();
    for (const auto& gate : released.gates) {
        document["gates"].push_back(json_of_gate(gate));
    }
    return document;
}

std::string tags_text(const delivery::Released& released) {
    std::string out;
    for (const auto& tag : released.tags) {
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
    const std::string tags = tags_text(released);
    out += tags.empty() ? "" : (out.empty() ? "" : "\n") + tags;
    out += released.changed ? "" : "\nEverything was there already.\n";
    print(out);
}

}  // namespace cooper::cli
