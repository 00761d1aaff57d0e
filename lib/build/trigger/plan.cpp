#include "cooper/build/trigger.hpp"

#include "base/json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::build {

namespace {

constexpr std::size_t kMostFilesNamed = 5;

std::string named_files(const std::vector<std::string>& files) {
    std::string text;
    for (std::size_t i = 0; i < std::min(files.size(), kMostFilesNamed); ++i) {
        text += (i == 0 ? "" : ", ") + files[i];
    }
    return text +
           (files.size() > kMostFilesNamed ? " and " + std::to_string(files.size() - kMostFilesNamed) + " more" : "");
}

bool writes_cache(CacheWrite write, const DepsChange& deps) {
    return write == CacheWrite::Always || (write == CacheWrite::IfDepsChanged && deps.changed);
}

std::string reason_of_build(const TriggerRow& row) {
    return row.fresh ? "build: base images are pulled, every step is run, and no image that exists is taken for it "
                       "(--force --pull --no-cache)"
                     : "build: images that exist under their content tags are taken or built on";
}

std::string reason_of_cache(const TriggerRow& row, const DepsChange& deps) {
    switch (row.cache_write) {
        case CacheWrite::Never:
            return "cache: not written";
        case CacheWrite::Always:
            return "cache: written, so that later builds begin with the fresh layers (--push)";
        case CacheWrite::IfDepsChanged:
            break;
    }
    if (!deps.unknown.empty()) {
        return "cache: written (--push), since whether dependencies changed is not known: " + deps.unknown;
    }
    return deps.changed ? "cache: written (--push), since dependencies changed: " + named_files(deps.files)
                        : "cache: not written, no dependencies changed";
}

std::string reason_of_publishing(const TriggerRow& row) {
    if (!row.publish) {
        return "publish: there is no publish job";
    }
    return row.latest ? "publish: the tested images and no others (--expect DIR), tags that exist are kept"
                      : "publish: the tested images and no others (--expect DIR), the version's tags get them "
                        "(--replace-tags)";
}

std::string reason_of_latest(const TriggerRow& row) {
    return row.latest ? "latest: moves to a release that no higher one precedes (--latest auto)"
                      : "latest: stays where it is (--latest never)";
}

}  // namespace

Plan make_plan(Trigger trigger, const DepsChange& deps, const std::string& version) {
    Plan plan;
    plan.row = row_of(trigger);
    plan.version = version;
    plan.deps = deps;
    plan.write_cache = writes_cache(plan.row.cache_write, deps);
    if (plan.row.fresh) {
        plan.build_flags = {"--force", "--pull", "--no-cache"};
    }
    if (plan.write_cache) {
        plan.build_flags.emplace_back("--push");
    }
    plan.reasons = {std::string(plan.row.why), reason_of_build(plan.row), reason_of_cache(plan.row, deps),
                    reason_of_publishing(plan.row)};
    if (plan.row.publish) {
        plan.publish_flags = {"--latest", plan.row.latest ? "auto" : "never"};
        if (!plan.row.latest) {
            plan.publish_flags.emplace_back("--replace-tags");
        }
        plan.reasons.push_back(reason_of_latest(plan.row));
    }
    plan.reasons.emplace_back(plan.row.small_matrix ? "matrix: the small set" : "matrix: the full set");
    return plan;
}

std::string plan_to_json(const Plan& plan) {
    const json::Value document = {
        {"trigger", to_string(plan.row.trigger)},
        {"fresh", plan.row.fresh},
        {"cache_write", to_string(plan.row.cache_write)},
        {"write_cache", plan.write_cache},
        {"publish", plan.row.publish},
        {"latest", plan.row.latest},
        {"small_matrix", plan.row.small_matrix},
        {"version", plan.version},
        {"deps", {{"changed", plan.deps.changed}, {"files", plan.deps.files}, {"unknown", plan.deps.unknown}}},
        {"build_flags", plan.build_flags},
        {"publish_flags", plan.publish_flags},
        {"reasons", plan.reasons},
    };
    constexpr int kIndent = 2;
    return document.dump(kIndent, ' ', true, json::Value::error_handler_t::replace) + "\n";
}

}  // namespace cooper::build
