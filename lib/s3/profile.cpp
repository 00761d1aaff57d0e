#include "s3/profile.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include <algorithm>

namespace cooper::s3 {

namespace {

/// Without a comment that begins behind white space.
std::string_view without_comment(std::string_view value) {
    for (std::size_t i = 1; i < value.size(); ++i) {
        const bool marked = value[i] == '#' || value[i] == ';';
        if (marked && (value[i - 1] == ' ' || value[i - 1] == '\t')) {
            return value.substr(0, i);
        }
    }
    return value;
}

/// `profile "a  b"` and `profile a` as KIND NAME with one space and no quotes.
std::string section_name(std::string_view inner) {
    inner = trim(inner);
    const std::size_t space = inner.find_first_of(" \t");
    if (space == std::string_view::npos) {
        return std::string(inner);
    }
    std::string_view name = trim(inner.substr(space));
    const bool quoted =
        name.size() >= 2 && name.front() == name.back() && (name.front() == '"' || name.front() == '\'');
    if (quoted) {
        name = name.substr(1, name.size() - 2);
    }
    return std::string(inner.substr(0, space)) + " " + std::string(name);
}

class IniParser {
public:
    explicit IniParser(std::string_view origin) : origin_(origin) {}

    void line(std::string_view text) {
        ++number_;
        const bool indented = text.starts_with(' ') || text.starts_with('\t');
        text = trim(text);
        if (text.empty() || text.front() == '#' || text.front() == ';') {
            return;
        }
        if (indented && !key_.empty()) {
            nested(text);
        } else if (text.front() == '[') {
            section(text);
        } else {
            setting(text);
        }
    }

    IniFile take() { return std::move(file_); }

private:
    [[noreturn]] void fail(const std::string& why) const {
        throw Error(ErrorCode::InvalidInput, origin_ + ", line " + std::to_string(number_) + ": " + why);
    }

    void section(std::string_view text) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) {
            fail("a section without ]");
        }
        section_ = &file_[section_name(text.substr(1, end - 1))];
        key_.clear();
    }

    void setting(std::string_view text) {
        const std::size_t equals = text.find('=');
        if (section_ == nullptr) {
            fail("a setting before the first [section]");
        }
        if (equals == std::string_view::npos || equals == 0) {
            fail("neither [section] nor name = value");
        }
        key_ = to_lower(trim(text.substr(0, equals)));
        (*section_)[key_] = trim(without_comment(text.substr(equals + 1)));
    }

    /// An indented line: a setting below `outer =`, else it continues a value, which none of the values that we read
    /// does.
    void nested(std::string_view text) {
        const std::size_t equals = text.find('=');
        if (equals != std::string_view::npos && (*section_)[key_].empty()) {
            const std::string inner = to_lower(trim(text.substr(0, equals)));
            (*section_)[key_ + "." + inner] = trim(without_comment(text.substr(equals + 1)));
        }
    }

    std::string origin_;
    IniFile file_;
    IniSection* section_ = nullptr;
    std::string key_;
    std::size_t number_ = 0;
};

IniFile load_file(const Environment& environment, std::string_view variable, std::string_view name) {
    const std::string path = environment.get(variable).value_or(environment.home() + "/.aws/" + std::string(name));
    const bool below_home = path.starts_with("~/");
    const std::string expanded = below_home ? environment.home() + path.substr(1) : path;
    const auto text = find_file(expanded, kMaxProfileFile);
    return text ? parse_ini(*text, expanded) : IniFile{};
}

const IniSection* find_section(const IniFile& file, std::string_view name) {
    const auto at = file.find(name);
    return at == file.end() ? nullptr : &at->second;
}

std::optional<std::string> find_value(const IniSection* section, std::string_view key) {
    if (section == nullptr) {
        return std::nullopt;
    }
    const auto at = section->find(key);
    return at == section->end() || at->second.empty() ? std::nullopt : std::optional(at->second);
}

}  // namespace

IniFile parse_ini(std::string_view text, std::string_view origin) {
    IniParser parser{origin};
    for (const std::string_view line : split(text, '\n')) {
        parser.line(line);
    }
    return parser.take();
}

Profiles Profiles::load(const Environment& environment) {
    return {load_file(environment, "AWS_CONFIG_FILE", "config"),
            load_file(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials")};
}

Profiles::Profiles(IniFile config, IniFile credentials)
    : config_(std::move(config)), credentials_(std::move(credentials)) {}

const IniSection* Profiles::config(std::string_view profile) const {
    const IniSection* named = find_section(config_, "profile " + std::string(profile));
    return named == nullptr && profile == "default" ? find_section(config_, "default") : named;
}

const IniSection* Profiles::credentials(std::string_view profile) const {
    return find_section(credentials_, profile);
}

const IniSection* Profiles::section(std::string_view kind, std::string_view name) const {
    return find_section(config_, std::string(kind) + " " + std::string(name));
}

bool Profiles::has(std::string_view profile) const {
    return config(profile) != nullptr || credentials(profile) != nullptr;
}

std::optional<std::string> Profiles::get(std::string_view profile, std::string_view key) const {
    auto value = find_value(credentials(profile), key);
    return value ? value : find_value(config(profile), key);
}

std::optional<std::string> Profiles::endpoint(std::string_view profile, std::string_view service) const {
    if (const auto services = get(profile, "services")) {
        const IniSection* found = section("services", *services);
        if (found == nullptr) {
            throw Error(ErrorCode::InvalidInput, "profile " + std::string(profile) + " names services = " + *services +
                                                     ", but the config file has no [services " + *services + "]");
        }
        if (auto url = find_value(found, std::string(service) + ".endpoint_url")) {
            return url;
        }
    }
    return get(profile, "endpoint_url");
}

std::string profile_name(const Environment& environment, const std::string& given) {
    if (!given.empty()) {
        return given;
    }
    if (auto profile = environment.get("AWS_PROFILE")) {
        return *profile;
    }
    return environment.get("AWS_DEFAULT_PROFILE").value_or("default");
}

std::optional<std::string> configured_endpoint(const Environment& environment, const Profiles& profiles,
                                               std::string_view profile, std::string_view service) {
    if (is_true(environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").value_or("")) ||
        is_true(profiles.get(profile, "ignore_configured_endpoint_urls").value_or(""))) {
        return std::nullopt;
    }
    std::string variable = "AWS_ENDPOINT_URL_" + std::string(service);
    std::transform(variable.begin(), variable.end(), variable.begin(), [](char c) {
        const bool lower = c >= 'a' && c <= 'z';
        return lower ? static_cast<char>(c - 'a' + 'A') : c;
    });
    if (auto url = environment.get(variable)) {
        return url;
    }
    if (auto url = environment.get("AWS_ENDPOINT_URL")) {
        return url;
    }
    return profiles.endpoint(profile, service);
}

std::optional<std::string> configured_region(const Environment& environment, const Profiles& profiles,
                                             std::string_view profile) {
    for (const std::string_view variable : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
        if (auto region = environment.get(variable)) {
            return region;
        }
    }
    return profiles.get(profile, "region");
}

bool is_true(std::string_view text) {
    return text == "1" || equals_ignoring_case(text, "true");
}

}  // namespace cooper::s3
