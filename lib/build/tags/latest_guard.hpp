// Whether "latest" moves: the one rule for all dialects.
#pragma once

#include "cooper/build/git_tags.hpp"

#include "build/tags/semver.hpp"

#include <optional>
#include <string>
#include <vector>

namespace cooper::build {

/// The highest of those texts that are releases; nullopt: none is.
std::optional<Version> highest_release(const std::vector<std::string>& tags);

struct LatestQuestion {
    Latest wish = Latest::Auto;
    bool force = false;
    bool given = false;                ///< by the dialect, left to itself
    std::string because;               ///< a clause: what gives it, or why nothing does
    std::optional<Version> candidate;  ///< the version being named, if it is one
};

struct LatestAnswer {
    bool given = false;
    std::string reason;
};

/// Throws Error{InvalidInput} where Always would move it backwards without force.
LatestAnswer decide_latest(const LatestQuestion& question, const GitFacts& facts);

}  // namespace cooper::build
