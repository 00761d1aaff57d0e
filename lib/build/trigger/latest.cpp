#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/trigger.hpp"

#include "build/tags/latest_guard.hpp"
#include "build/tags/semver.hpp"
#include "oci/printable.hpp"

#include <optional>

namespace cooper::build {

namespace {

bool is_decimal(char c) {
    return c >= '0' && c <= '9';
}

bool separates(char c) {
    return c == '-' || c == '_' || c == '.';
}

/// What stands around the version in a tag.
struct TagShape {
    std::string_view before;  ///< "cpu-"
    std::string_view behind;  ///< "-slim"
};

/// The version begins here: at the tag's begin, or behind a separator that is not the point of a longer number.
bool may_begin(std::string_view before) {
    return before.empty() ||
           (separates(before.back()) && !(before.back() == '.' && before.size() > 1 && is_decimal(before.end()[-2])));
}

bool may_end(std::string_view behind) {
    return behind.empty() ||
           (separates(behind.front()) && !(behind.front() == '.' && behind.size() > 1 && is_decimal(behind[1])));
}

/// `number` is the version without its v; in the tag it may have one or not.
std::optional<TagShape> find_shape(std::string_view tag, std::string_view number) {
    for (std::size_t at = tag.find(number); at != std::string_view::npos; at = tag.find(number, at + 1)) {
        std::string_view before = tag.substr(0, at);
        const std::string_view behind = tag.substr(at + number.size());
        if (before.ends_with('v')) {
            before.remove_suffix(1);
        }
        if (may_begin(before) && may_end(behind)) {
            return TagShape{before, behind};
        }
    }
    return std::nullopt;
}

/// The versions of those tags that have this shape.
std::vector<std::string> versions_of_shape(const std::vector<std::string>& tags, const TagShape& shape) {
    std::vector<std::string> versions;
    for (const std::string_view tag : tags) {
        if (tag.size() > shape.before.size() + shape.behind.size() && tag.starts_with(shape.before) &&
            tag.ends_with(shape.behind)) {
            versions.emplace_back(
                tag.substr(shape.before.size(), tag.size() - shape.before.size() - shape.behind.size()));
        }
    }
    return versions;
}

}  // namespace

LatestDecision decide_latest(Latest latest, std::string_view version, std::string_view tag,
                             const std::vector<std::string>& there, bool force) {
    const auto candidate = find_version(version);
    if (!candidate) {
        throw Error(ErrorCode::InvalidInput, "\"" + oci::printable(version) + "\" is no version")
            .advise("v1.2.3, or v1.2.3-rc1 for a pre-release");
    }
    const std::string_view number = version.substr(version.starts_with('v') ? 1 : 0);
    const auto shape = find_shape(tag, number.substr(0, number.find('+')));
    if (!shape) {
        return {false, "", "the tag " + oci::printable(tag) + " does not hold the version " + oci::printable(version)};
    }
    LatestDecision decision;
    decision.tag = std::string(shape->before) + "latest" + std::string(shape->behind);
    if (latest == Latest::Never) {
        decision.reason = "never was asked for";
        return decision;
    }
    if (latest == Latest::Auto && !candidate->is_release()) {
        decision.reason = candidate->text() + " is a pre-release";
        return decision;
    }
    const auto highest = highest_release(versions_of_shape(there, *shape));
    if (highest && std::is_lt(compare_precedence(*candidate, *highest))) {
        const std::string lower =
            candidate->text() + " is lower than the release " + highest->text() + ", which is there";
        if (latest == Latest::Always && !force) {
            throw Error(ErrorCode::Conflict, decision.tag + " would move backwards: " + lower)
                .advise("leave the decision to auto, or force it when the older release is meant to be the latest");
        }
        decision.move = force;
        decision.reason = force ? "forced, though " + lower : lower;
        return decision;
    }
    decision.move = true;
    decision.reason = latest == Latest::Always ? "always was asked for, and no higher release is there"
                                               : candidate->text() + " is a release, and no higher one is there";
    return decision;
}

}  // namespace cooper::build
