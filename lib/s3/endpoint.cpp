#include "s3/endpoint.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/secret.hpp"
#include "cooper/base/text.hpp"

#include "s3/profile.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace cooper::s3 {

namespace {

// botocore's partitions.json: region prefix and suffix of host names. The first match wins; "aws" itself is the
// default.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kPartitions{{
    {"cn-", "amazonaws.com.cn"},
    {"eusc-", "amazonaws.eu"},
    {"us-isob-", "sc2s.sgov.gov"},
    {"us-isof-", "csp.hci.ic.gov"},
    {"us-iso-", "c2s.ic.gov"},
    {"eu-isoe-", "cloud.adc-e.uk"},
}};

bool is_lower_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_ipv4(std::string_view text) {
    const auto parts = split(text, '.');
    return parts.size() == 4 && std::all_of(parts.begin(), parts.end(),
                                            [](std::string_view part) { return parse_uint(part).value_or(256) < 256; });
}

bool use_virtual_host(const Settings& settings, const Url& base, std::string_view bucket) {
    if (!is_dns_compatible(bucket) || settings.addressing == AddressingStyle::Path || is_ipv4(base.host)) {
        return false;
    }
    if (settings.addressing == AddressingStyle::VirtualHost) {
        return true;
    }
    // The certificate for *.s3.REGION… covers one label; other stores rarely have names for buckets at all.
    const bool dotted = bucket.find('.') != std::string_view::npos;
    return settings.endpoint.empty() && !(dotted && base.scheme == "https");
}

std::string aws_host(const Settings& settings, bool virtual_host) {
    const std::string suffix(dns_suffix(settings.region));
    if (settings.accelerate && virtual_host) {
        return (settings.dualstack ? "s3-accelerate.dualstack." : "s3-accelerate.") + suffix;
    }
    const std::string service = settings.fips ? "s3-fips." : "s3.";
    if (settings.dualstack) {
        return service + "dualstack." + settings.region + "." + suffix;
    }
    // The classic host belongs to us-east-1; SDKs still send there.
    const bool classic = settings.region == "us-east-1" && !settings.fips;
    return classic ? service + suffix : service + settings.region + "." + suffix;
}

}  // namespace

std::string_view dns_suffix(std::string_view region) {
    for (const auto& [prefix, suffix] : kPartitions) {
        if (region.starts_with(prefix)) {
            return suffix;
        }
    }
    return "amazonaws.com";
}

bool is_region_name(std::string_view region) {
    return !region.empty() && region.size() <= 63 &&
           std::all_of(region.begin(), region.end(), [](char c) { return is_lower_or_digit(c) || c == '-'; });
}

bool is_dns_compatible(std::string_view bucket) {
    const auto allowed = [](char c) { return is_lower_or_digit(c) || c == '-' || c == '.'; };
    return bucket.size() >= 3 && bucket.size() <= 63 && std::all_of(bucket.begin(), bucket.end(), allowed) &&
           is_lower_or_digit(bucket.front()) && is_lower_or_digit(bucket.back()) &&
           bucket.find("..") == std::string_view::npos && !is_ipv4(bucket);
}

void check_bucket_name(std::string_view bucket) {
    const std::string name(bucket.substr(0, 100));
    if (bucket.ends_with("--x-s3") || bucket.ends_with("--xa-s3")) {
        throw Error(ErrorCode::Unsupported, "bucket " + name + " is an S3 directory bucket (Express One Zone)")
            .advise("use a general purpose bucket: directory buckets need sessions and zonal hosts");
    }
    if (bucket.ends_with(".mrap") || bucket.find(":accesspoint/") != std::string_view::npos) {
        throw Error(ErrorCode::Unsupported, name + " is an access point by ARN or a multi-region access point")
            .advise(
                "name the bucket, or the access point's alias (…-s3alias): multi-region signing (SigV4A) is not done");
    }
    const auto allowed = [](char c) {
        return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_';
    };
    // Up to 255 with capitals and underscores: old buckets of us-east-1 and other stores have such names.
    const bool fit = !bucket.empty() && bucket.size() <= 255 && std::all_of(bucket.begin(), bucket.end(), allowed) &&
                     bucket != "." && bucket != "..";
    if (!fit) {
        throw Error(ErrorCode::InvalidInput, "\"" + name + "\" is not the name of a bucket (letters, digits, . - _)");
    }
}

void check_key(std::string_view key) {
    constexpr std::size_t kMaxKey = 1024;
    if (key.empty() || key.size() > kMaxKey || !is_valid_utf8(key) || key.find('\0') != std::string_view::npos) {
        throw Error(ErrorCode::InvalidInput, "\"" + redact(key.substr(0, 100)) +
                                                 "\" cannot be an object's key: 1 to 1,024 bytes of UTF-8 are allowed");
    }
}

Location locate(const Settings& settings, std::string_view bucket, std::string_view key) {
    Location location;
    if (settings.endpoint.empty()) {
        if (!is_region_name(settings.region)) {
            throw Error(ErrorCode::InvalidInput,
                        "\"" + settings.region.substr(0, 64) + "\" is not the name of an AWS region");
        }
        location.url.scheme = "https";
    } else {
        location.url = Url::parse(settings.endpoint);
        location.url.query.clear();
    }
    const bool virtual_host = !bucket.empty() && use_virtual_host(settings, location.url, bucket);
    if (settings.endpoint.empty()) {
        location.url.host = aws_host(settings, virtual_host);
    }
    std::string base = percent_decode(location.url.path);
    if (base.ends_with('/')) {
        base.pop_back();
    }
    location.path = base;
    if (virtual_host) {
        location.url.host.insert(0, std::string(bucket) + ".");
    } else if (!bucket.empty()) {
        location.path.append("/").append(bucket);
    }
    const bool bucket_in_path = !virtual_host && !bucket.empty();
    if (!key.empty() || !bucket_in_path) {
        location.path.append("/").append(key);
    }
    location.url.path = encode_path(location.path);
    return location;
}

bool is_aws(const Settings& settings) {
    if (settings.endpoint.empty()) {
        return true;
    }
    const std::string host = Url::parse(settings.endpoint).host;
    return std::any_of(
               kPartitions.begin(), kPartitions.end(),
               [&host](const auto& partition) { return host.ends_with("." + std::string(partition.second)); }) ||
           host.ends_with(".amazonaws.com");
}

std::optional<std::string> region_of_host(std::string_view host) {
    std::size_t at = host.starts_with("s3.") ? 3 : host.find(".s3.");
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    at = at == 3 ? 3 : at + 4;
    std::string_view rest = host.substr(at);
    if (rest.starts_with("dualstack.")) {
        rest.remove_prefix(10);
    }
    const std::string_view region = rest.substr(0, rest.find('.'));
    const bool is_region = std::count(region.begin(), region.end(), '-') >= 2 &&
                           dns_suffix(region) == rest.substr(std::min(rest.size(), region.size() + 1));
    return is_region ? std::optional<std::string>(region) : std::nullopt;
}

Settings resolve_settings(const Environment& environment, const std::string& profile) {
    const Profiles profiles = Profiles::load(environment);
    const std::string name = profile_name(environment, profile);
    if (name != "default" && !profiles.has(name)) {
        throw Error(ErrorCode::InvalidInput,
                    "there is no AWS profile " + name + " in ~/.aws/config or ~/.aws/credentials");
    }
    const auto setting = [&](std::string_view variable, std::string_view key) {
        auto value = environment.get(variable);
        return value ? *value : profiles.get(name, key).value_or("");
    };
    Settings settings;
    settings.region = configured_region(environment, profiles, name).value_or(settings.region);
    settings.endpoint = configured_endpoint(environment, profiles, name, "s3").value_or("");
    settings.ca_bundle = setting("AWS_CA_BUNDLE", "ca_bundle");
    settings.fips = is_true(setting("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"));
    settings.dualstack = is_true(setting("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint")) ||
                         is_true(profiles.get(name, "s3.use_dualstack_endpoint").value_or(""));
    settings.accelerate = is_true(profiles.get(name, "s3.use_accelerate_endpoint").value_or(""));
    if (is_true(profiles.get(name, "s3.payload_signing_enabled").value_or(""))) {
        settings.payload_signing = Settings::PayloadSigning::Always;
    }
    if (equals_ignoring_case(setting("AWS_REQUEST_CHECKSUM_CALCULATION", "request_checksum_calculation"),
                             "when_required")) {
        settings.checksums = Settings::Checksums::WhenRequired;
    }
    const std::string style = profiles.get(name, "s3.addressing_style").value_or("auto");
    if (style == "path") {
        settings.addressing = AddressingStyle::Path;
    } else if (style == "virtual") {
        settings.addressing = AddressingStyle::VirtualHost;
    } else if (style != "auto") {
        throw Error(ErrorCode::InvalidInput,
                    "profile " + name + ": s3 addressing_style is \"" + style + "\", not auto, path or virtual");
    }
    if (const auto attempts = parse_uint(setting("AWS_MAX_ATTEMPTS", "max_attempts")); attempts && *attempts > 0) {
        settings.retry.attempts = static_cast<int>(std::min<std::uint64_t>(*attempts, 100));
    }
    return settings;
}

S3Url S3Url::parse(std::string_view text) {
    constexpr std::string_view kScheme = "s3://";
    if (!text.starts_with(kScheme)) {
        throw Error(ErrorCode::InvalidInput,
                    "\"" + redact(text.substr(0, 200)) + "\" is not of the form s3://BUCKET/KEY");
    }
    const std::string_view rest = text.substr(kScheme.size());
    const std::size_t slash = rest.find('/');
    S3Url url;
    url.bucket = rest.substr(0, slash);
    check_bucket_name(url.bucket);
    if (slash != std::string_view::npos) {
        url.key = rest.substr(slash + 1);
    }
    if (url.key.starts_with('/')) {
        throw Error(ErrorCode::InvalidInput, "the key of " + redact(text.substr(0, 200)) + " begins with /");
    }
    if (!url.key.empty()) {
        check_key(url.key);
    }
    return url;
}

}  // namespace cooper::s3
