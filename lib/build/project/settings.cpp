// Layers of settings: one on top of another, and what the environment says.
#include "cooper/base/text.hpp"

#include "build/project/setting_keys.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>

namespace cooper::build {

namespace {

struct EnvironmentVariable {
    std::string_view name;
    std::string_view key;
    std::string_view profile;  ///< it counts for this one alone; empty: for all
};

constexpr std::array kVariables = {
    EnvironmentVariable{"BASE_IMAGE", "base", ""},
    EnvironmentVariable{"TARGET", "targets", ""},
    EnvironmentVariable{"CUSTOM_TAGS", "tags", ""},
    EnvironmentVariable{"RUNTIME_API_URL", "runtime_api_url", ""},
    EnvironmentVariable{"OH_RUNTIME_RUNTIME_IMAGE_REPO", "repository", "v0"},
};

template <class Value>
void replace(std::optional<Value>& lower, const std::optional<Value>& upper) {
    if (upper) {
        lower = upper;
    }
}

template <class Value>
void merge(std::optional<std::vector<std::pair<std::string, Value>>>& lower,
           const std::optional<std::vector<std::pair<std::string, Value>>>& upper) {
    if (!upper) {
        return;
    }
    if (!lower) {
        lower.emplace();
    }
    std::unordered_map<std::string, std::size_t> places;
    for (std::size_t i = 0; i < lower->size(); ++i) {
        places.insert_or_assign((*lower)[i].first, i);
    }
    for (const auto& [name, value] : *upper) {
        const auto [place, is_new] = places.emplace(name, lower->size());
        if (is_new) {
            lower->emplace_back(name, value);
        } else {
            (*lower)[place->second].second = value;
        }
    }
}

void lay_over(ImageSettings& lower, const ImageSettings& upper, const SettingKey& key) {
    std::visit(
        [&](auto member) {
            if constexpr (std::is_same_v<decltype(member), SettingVariables> ||
                          std::is_same_v<decltype(member), SettingArguments>) {
                merge(lower.*member, upper.*member);
            } else {
                replace(lower.*member, upper.*member);
            }
        },
        key.member);
}

std::vector<std::string> elements(std::string_view list) {
    std::vector<std::string> all;
    for (const std::string_view part : split(list, ',')) {
        if (!trim(part).empty()) {
            all.emplace_back(trim(part));
        }
    }
    return all;
}

/// The texts that a key has, one by one; none for what is no text.
std::vector<std::string_view> texts_of(const ImageSettings& settings, const SettingKey& key) {
    std::vector<std::string_view> texts;
    std::visit(
        [&](auto member) {
            const auto& value = settings.*member;
            if constexpr (std::is_same_v<decltype(member), SettingText>) {
                if (value) {
                    texts.emplace_back(*value);
                }
            } else if constexpr (!std::is_same_v<decltype(member), SettingFlag>) {
                if (!value) {
                    return;
                }
                for (const auto& element : *value) {
                    if constexpr (std::is_same_v<decltype(member), SettingTexts>) {
                        texts.emplace_back(element);
                    } else if constexpr (std::is_same_v<decltype(member), SettingFiles>) {
                        texts.emplace_back(element.from);
                        if (!element.to.empty()) {
                            texts.emplace_back(element.to);
                        }
                    } else {
                        texts.emplace_back(element.first);
                    }
                }
            }
        },
        key.member);
    return texts;
}

/// Variables that are set and count, with what they say.
template <class Visit>
void for_each_variable(const Environment& environment, std::string_view profile, Visit visit) {
    for (const EnvironmentVariable& variable : kVariables) {
        const auto value = environment.get(variable.name);
        if (value && (variable.profile.empty() || variable.profile == profile)) {
            visit(variable, *find_setting_key(variable.key), *value);
        }
    }
}

}  // namespace

void ImageSettings::overlay(const ImageSettings& upper) {
    for (const auto& [first_name, first, second_name, second] : exclusive_settings()) {
        if (upper.*first) {
            (this->*second).reset();
        }
        if (upper.*second) {
            (this->*first).reset();
        }
    }
    for (const SettingKey& key : setting_keys()) {
        lay_over(*this, upper, key);
    }
    if (!upper.name.empty()) {
        name = upper.name;
    }
    if (!upper.root.empty()) {
        root = upper.root;
    }
}

ImageSettings settings_from(const Environment& environment, std::string_view profile) {
    ImageSettings settings;
    for_each_variable(environment, profile,
                      [&](const EnvironmentVariable& variable, const SettingKey& key, const std::string& value) {
                          const auto* const list = std::get_if<SettingTexts>(&key.member);
                          const auto texts = list != nullptr ? elements(value) : std::vector{value};
                          in_context("$" + std::string(variable.name), [&] {
                              std::for_each(texts.begin(), texts.end(), [&](const auto& text) { key.check(text); });
                          });
                          if (list == nullptr) {
                              settings.*std::get<SettingText>(key.member) = value;
                          } else if (!texts.empty()) {
                              settings.** list = texts;
                          }
                      });
    return settings;
}

std::vector<std::string> environment_remarks(const ImageSettings& below, const ImageSettings& above,
                                             const Environment& environment, std::string_view profile) {
    const ImageSettings said = settings_from(environment, profile);
    std::vector<std::string> remarks;
    for_each_variable(environment, profile,
                      [&](const EnvironmentVariable& variable, const SettingKey& key, const std::string& value) {
                          const auto texts = texts_of(said, key);
                          if (!texts.empty() && texts_of(above, key).empty() && texts_of(below, key) != texts) {
                              remarks.push_back(std::string(key.name) + ": " + oci::printable(value) + ", from $" +
                                                std::string(variable.name));
                          }
                      });
    return remarks;
}

void check_setting(std::string_view key, std::string_view text) {
    const SettingKey* const known = find_setting_key(key);
    if (known == nullptr) {
        throw Error(ErrorCode::InvalidInput, "there is no setting \"" + oci::printable(key) + "\"");
    }
    known->check(text);
}

void check_settings(const ImageSettings& settings) {
    if (!settings.name.empty()) {
        check_image_name(settings.name);
    }
    for (const SettingKey& key : setting_keys()) {
        for (const std::string_view text : texts_of(settings, key)) {
            in_context(key.name, [&] { key.check(text); });
        }
    }
    for (const auto& [first_name, first, second_name, second] : exclusive_settings()) {
        if (settings.*first && settings.*second) {
            throw Error(ErrorCode::InvalidInput,
                        std::string(first_name) + " and " + std::string(second_name) + " exclude each other");
        }
    }
}

}  // namespace cooper::build
