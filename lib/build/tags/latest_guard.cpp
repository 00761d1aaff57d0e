#include "build/tags/latest_guard.hpp"

#include "cooper/base/error.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

/// A checkout of one tag brings that tag along and no other.
bool could_look(const GitFacts& facts, const Version& candidate) {
    return !facts.shallow || std::any_of(facts.version_tags.begin(), facts.version_tags.end(), [&](const auto& tag) {
        const auto version = find_version(tag);
        return version && std::is_neq(compare_precedence(*version, candidate));
    });
}

std::string what_was_seen(const GitFacts& facts, const std::optional<Version>& candidate) {
    if (!candidate) {
        return "";
    }
    return could_look(facts, *candidate)
               ? ", and no version tag is higher"
               : ", though whether a higher one exists could not be looked up: a shallow clone without tags";
}

}  // namespace

std::optional<Version> highest_release(const std::vector<std::string>& tags) {
    std::optional<Version> highest;
    for (const auto& tag : tags) {
        auto version = find_version(tag);
        if (version && version->is_release() && (!highest || std::is_gt(compare_precedence(*version, *highest)))) {
            highest = std::move(version);
        }
    }
    return highest;
}

LatestAnswer decide_latest(const LatestQuestion& question, const GitFacts& facts) {
    if (question.wish == Latest::Never) {
        return {false, "never was asked for"};
    }
    const auto& candidate = question.candidate;
    const auto highest = highest_release(facts.version_tags);
    const bool backwards = candidate && highest && std::is_lt(compare_precedence(*candidate, *highest));
    const std::string lower = backwards ? candidate->text() + " is lower than the release " + highest->text() : "";
    if (question.wish == Latest::Always) {
        if (backwards && !question.force) {
            throw Error(ErrorCode::InvalidInput, "'latest' would move backwards: " + lower)
                .advise("leave the decision to auto, or force it when the older release is meant to be the latest");
        }
        return {true, backwards ? "forced, though " + lower : "always was asked for" + what_was_seen(facts, candidate)};
    }
    if (candidate && !candidate->is_release()) {
        return {false, candidate->text() + " is a pre-release"};
    }
    if (!question.given) {
        return {false, question.because};
    }
    if (backwards) {
        return question.force ? LatestAnswer{true, "forced, though " + lower} : LatestAnswer{false, lower};
    }
    return {true, question.because + what_was_seen(facts, candidate)};
}

}  // namespace cooper::build
