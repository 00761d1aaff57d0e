// What inputs of tags are called in records and, for profile cooper, in what is hashed (private; `cooper_tags()` and
// `TagRecord` say what each one holds). Never rename one: tags of profile cooper depend on them.
#pragma once

#include "cooper/build/tag_record.hpp"

#include <string_view>

namespace cooper::build::kind {

inline constexpr std::string_view kVersion = "version";
inline constexpr std::string_view kBase = "base";
inline constexpr std::string_view kScratch = "scratch";
inline constexpr std::string_view kBaseName = "base name";
inline constexpr std::string_view kSuffix = "suffix";
inline constexpr std::string_view kPlatform = "platform";
inline constexpr std::string_view kTarget = "target";
inline constexpr std::string_view kBuildArgument = "build argument";
inline constexpr std::string_view kSecretBuildArgument = "secret build argument";
inline constexpr std::string_view kRecipe = "recipe";
inline constexpr std::string_view kBrowser = "browser";
inline constexpr std::string_view kExtraDependency = "extra dependency";
inline constexpr std::string_view kSecretExtraDependency = "secret extra dependency";
inline constexpr std::string_view kLockFile = "lock file";
inline constexpr std::string_view kFile = "file";
inline constexpr std::string_view kDirectory = "directory";
inline constexpr std::string_view kSymlink = "symlink";
inline constexpr std::string_view kSource = "source";

/// Kinds whose order counts and that may repeat.
inline bool is_ordered(std::string_view kind) noexcept {
    return kind == kLockFile || kind == kExtraDependency || kind == kSecretExtraDependency;
}

/// What a change is looked for under: a file that became a symlink changed, it was not removed and added.
inline std::string_view family(std::string_view kind) noexcept {
    if (kind == kFile || kind == kDirectory || kind == kSymlink) {
        return "entry";
    }
    if (kind == kScratch) {
        return kBase;
    }
    if (kind == kSecretBuildArgument) {
        return kBuildArgument;
    }
    return kind == kSecretExtraDependency ? kExtraDependency : kind;
}

}  // namespace cooper::build::kind
