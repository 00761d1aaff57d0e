// The AWS CLI's files, ~/.aws/config and ~/.aws/credentials ("Configuration and credential file settings", AWS CLI
// manual).
#pragma once

#include "cooper/base/environment.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace cooper::s3 {

/// One [section]. Keys are lower case; a nested setting is "outer.inner" ("s3.addressing_style").
using IniSection = std::map<std::string, std::string, std::less<>>;
using IniFile = std::map<std::string, IniSection, std::less<>>;

inline constexpr std::size_t kMaxProfileFile = 1024 * 1024;

/// Throws Error{InvalidInput} naming `origin` and the line. Section names keep their kind: "profile a", "sso-session
/// x".
IniFile parse_ini(std::string_view text, std::string_view origin);

/// Both files, read once.
class Profiles {
public:
    /// AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, else ~/.aws. A missing file is an empty one.
    static Profiles load(const Environment& environment);
    Profiles(IniFile config, IniFile credentials);

    /// What [profile NAME] (or [default]) of the config file says.
    [[nodiscard]] const IniSection* config(std::string_view profile) const;
    /// What [NAME] of the credentials file says.
    [[nodiscard]] const IniSection* credentials(std::string_view profile) const;
    /// [KIND NAME] of the config file: "sso-session", "services".
    [[nodiscard]] const IniSection* section(std::string_view kind, std::string_view name) const;
    [[nodiscard]] bool has(std::string_view profile) const;
    /// A setting of the profile: from the credentials file, else from the config file; nullopt when empty or absent.
    [[nodiscard]] std::optional<std::string> get(std::string_view profile, std::string_view key) const;
    /// endpoint_url of a service by the profile's `services` section, else the profile's own endpoint_url.
    [[nodiscard]] std::optional<std::string> endpoint(std::string_view profile, std::string_view service) const;

private:
    IniFile config_;
    IniFile credentials_;
};

/// `given`, else AWS_PROFILE, else AWS_DEFAULT_PROFILE, else "default".
std::string profile_name(const Environment& environment, const std::string& given);

/// The endpoint that the user configured for `service` ("s3", "sts"): AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL,
/// profile; nullopt when there is none or AWS_IGNORE_CONFIGURED_ENDPOINT_URLS says so.
std::optional<std::string> configured_endpoint(const Environment& environment, const Profiles& profiles,
                                               std::string_view profile, std::string_view service);

/// AWS_REGION, AWS_DEFAULT_REGION, the profile's region.
std::optional<std::string> configured_region(const Environment& environment, const Profiles& profiles,
                                             std::string_view profile);

/// "true" in any case, or "1".
bool is_true(std::string_view text);

}  // namespace cooper::s3
