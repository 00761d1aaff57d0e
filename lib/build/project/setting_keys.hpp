// The keys of the project file's images, in one table: what the parser takes, what the JSON Schema says and what
// `cooper init` writes come from it, so they cannot disagree.
#pragma once

#include "cooper/build/project.hpp"

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace cooper::build {

using SettingText = std::optional<std::string> ImageSettings::*;
using SettingFlag = std::optional<bool> ImageSettings::*;
using SettingTexts = std::optional<std::vector<std::string>> ImageSettings::*;
using SettingFiles = std::optional<std::vector<ExtraFile>> ImageSettings::*;
using SettingVariables = std::optional<TemplateMap> ImageSettings::*;
using SettingArguments = std::optional<std::vector<std::pair<std::string, std::string>>> ImageSettings::*;

struct SettingKey {
    std::string_view name;
    std::variant<SettingText, SettingFlag, SettingTexts, SettingFiles, SettingVariables, SettingArguments> member;
    /// Of the text, of each element, or of each name in an object. Throws Error{InvalidInput}.
    void (*check)(std::string_view text);
    std::span<const std::string_view> words;  ///< all that check() accepts; empty: cannot be listed
    std::string_view description;             ///< one line
    std::string_view example;                 ///< JSON
};

/// In the order of the file that `cooper init` writes.
std::span<const SettingKey> setting_keys();
/// nullptr: there is none.
const SettingKey* find_setting_key(std::string_view name);

/// Two keys that say the same in two ways: one layer has one of them at most, and it replaces the other one below.
struct SettingPair {
    std::string_view first_name;
    SettingText first;
    std::string_view second_name;
    SettingText second;
};
std::span<const SettingPair> exclusive_settings();

/// Throws Error{InvalidInput} for what no image's key can be: a name is a component of an image's name (distribution
/// specification 1.1).
void check_image_name(std::string_view name);

}  // namespace cooper::build
