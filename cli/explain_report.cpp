#include "explain_report.hpp"

#include "cooper/base/text.hpp"

#include <nlohmann/json.hpp>

#include <map>

namespace cooper::cli {

namespace {

constexpr std::size_t kLongestStep = 80;

std::string value_text(const std::optional<std::string>& value) {
    return value ? shortened(*value) : std::string("none");
}

/// Of lines that only one side has, that one.
std::string values_text(const delivery::Difference& difference) {
    const auto& [a, b] = std::tie(difference.a, difference.b);
    if (!a && !b) {
        return "";
    }
    if (!a || !b) {
        return std::string("  only in ") + (a ? "A: " : "B: ") + shortened(a ? *a : *b);
    }
    return "  " + value_text(a) + " -> " + value_text(b);
}

std::string indented(const std::string& text, std::string_view indent) {
    std::string out;
    for (const auto line : split(trim(text), '\n')) {
        out += std::string(indent) + printable(line) + "\n";
    }
    return out;
}

std::string difference_text(const delivery::Difference& difference) {
    const bool is_document = difference.field == "value";
    std::string line = "  " + printable(difference.path.empty() ? "(all)" : difference.path);
    line += is_document ? "" : "  " + printable(difference.field);
    line += values_text(difference);
    line += difference.kind.empty() ? "" : "  (" + printable(difference.kind) + ")";
    line += difference.more == 0 ? "" : "  and " + std::to_string(difference.more) + " more";
    line += difference.cause.empty() ? "\n" : "  [" + difference.cause + "]\n";
    if (difference.detail.find('\n') == std::string::npos) {
        return line + (difference.detail.empty() ? "" : "      " + printable(difference.detail) + "\n");
    }
    return line + indented(difference.detail, "    | ");
}

std::string place_title(const delivery::ExplainedPlace& place) {
    std::string title = place.where.empty() ? "archive, as a " + std::string(to_string(place.level)) : place.where;
    if (place.where.empty() && place.level == delivery::ExplainLevel::Members) {
        title = "archive members";
    }
    if (place.level == delivery::ExplainLevel::Content) {
        title += ", contents";
    }
    std::string fields;
    for (const auto& [field, count] : place.fields) {
        fields += (fields.empty() ? "" : ", ") + std::to_string(count) + " " + printable(field);
    }
    title = printable(title) + " (" + fields + ")";
    return title + (place.about.empty() ? "" : ": " + shortened(place.about, kLongestStep)) + "\n";
}

using ByPlace = std::map<std::pair<delivery::ExplainLevel, std::string>, std::string>;

Json value_json(const std::optional<std::string>& value) {
    return value ? Json(printable(*value)) : Json();
}

Json difference_json(const delivery::Difference& difference) {
    Json document{{"level", to_string(difference.level)},
                  {"where", printable(difference.where)},
                  {"path", printable(difference.path)},
                  {"field", printable(difference.field)},
                  {"a", value_json(difference.a)},
                  {"b", value_json(difference.b)},
                  {"cause", difference.cause.empty() ? Json() : Json(difference.cause)},
                  {"follows", difference.follows}};
    if (difference.more > 0) {
        document["more"] = difference.more;
    }
    if (!difference.kind.empty()) {
        document["kind"] = printable(difference.kind);
    }
    if (!difference.detail.empty()) {
        document["detail"] = printable(difference.detail);
    }
    return document;
}

}  // namespace

std::string explanation_text(const delivery::Explanation& explanation) {
    std::string out = printable(explanation.verdict) + "\n";
    ByPlace lines;
    std::uint64_t following = 0;
    for (const auto& difference : explanation.differences) {
        if (difference.follows) {
            ++following;
        } else {
            lines[{difference.level, difference.where}] += difference_text(difference);
        }
    }
    for (const auto& place : explanation.places) {
        out += "\n" + place_title(place) + lines[{place.level, place.where}];
    }
    if (explanation.not_listed > 0) {
        out += "\n" + std::to_string(explanation.not_listed) + " more differences are not listed (--max)\n";
    }
    if (following > 0) {
        out += "\ndigests, sizes and names that only follow from the above are left out (--json has them)\n";
    }
    if (explanation.ignored > 0 && !explanation.same()) {
        out += "\n" + std::to_string(explanation.ignored) + " differences were ignored as asked\n";
    }
    out += explanation.causes.empty() ? "" : "\ncauses\n";
    for (const auto& [cause, count, example] : explanation.causes) {
        out += "  " + std::string(cause.id) + " (" + std::to_string(count) + "): " + std::string(cause.why) +
               "\n      remedy: " + std::string(cause.remedy) + "\n      first seen: " + shortened(example) + "\n";
    }
    return out;
}

Json explanation_json(const delivery::Explanation& explanation) {
    Json differences = Json::array(), places = Json::array(), causes = Json::array();
    for (const auto& difference : explanation.differences) {
        differences.push_back(difference_json(difference));
    }
    for (const auto& place : explanation.places) {
        Json fields = Json::object();
        for (const auto& [field, count] : place.fields) {
            fields[printable(field)] = count;
        }
        places.push_back({{"level", to_string(place.level)},
                          {"where", printable(place.where)},
                          {"about", printable(place.about)},
                          {"paths", place.paths},
                          {"fields", std::move(fields)}});
    }
    for (const auto& [cause, count, example] : explanation.causes) {
        causes.push_back({{"id", cause.id},
                          {"count", count},
                          {"why", cause.why},
                          {"remedy", cause.remedy},
                          {"example", printable(example)}});
    }
    return {{"identical", explanation.identical},
            {"same", explanation.same()},
            {"verdict", printable(explanation.verdict)},
            {"found", explanation.found},
            {"not_listed", explanation.not_listed},
            {"ignored", explanation.ignored},
            {"places", std::move(places)},
            {"differences", std::move(differences)},
            {"causes", std::move(causes)}};
}

}  // namespace cooper::cli
