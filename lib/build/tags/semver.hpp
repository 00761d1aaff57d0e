// Versions as tags of git carry them.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace cooper::build {

/// Numbers are decimal digits without leading zeros, so that no length of them overflows.
struct Version {
    std::string major;
    std::string minor;
    std::string patch;
    std::string prerelease;  ///< "rc.1"; empty: a release
    std::string build;       ///< "build.5"

    [[nodiscard]] bool is_release() const noexcept { return prerelease.empty(); }
    /// "1.2.3-rc.1": without v and build metadata.
    [[nodiscard]] std::string text() const;
};

/// Semantic Versioning 2.0.0 with an optional "v", as strict as the library that metadata-action uses: numbers up to
/// 2^53 - 1, at most 256 characters, no leading zeros.
std::optional<Version> find_semver(std::string_view text);
/// Anything whose order is certain: find_semver(), and three numbers with leading zeros, which build.sh takes.
std::optional<Version> find_version(std::string_view text);
/// "1.2.3": three numbers and nothing else, any length, as build.sh has it. Views of `text`, leading zeros kept.
struct PlainVersion {
    std::string_view major;
    std::string_view minor;
    std::string_view patch;
};
std::optional<PlainVersion> find_plain_version(std::string_view text);

/// Precedence (Semantic Versioning 2.0.0, section 11): build metadata does not count.
std::strong_ordering compare_precedence(const Version& a, const Version& b);

}  // namespace cooper::build
