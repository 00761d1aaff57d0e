#include "cooper/base/error.hpp"
#include "cooper/base/nearest.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/build_cache.hpp"

#include "oci/printable.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace cooper::build {

namespace {

constexpr std::string_view kDockerPrefix = "docker://";

/// All that buildx knows for the types that we have. What only shapes BuildKit's own format is taken without effect.
constexpr std::array<std::string_view, 16> kKeys = {"type",
                                                    "ref",
                                                    "src",
                                                    "dest",
                                                    "mode",
                                                    "ignore-error",
                                                    "compression",
                                                    "compression-level",
                                                    "digest",
                                                    "force-compression",
                                                    "image-manifest",
                                                    "oci-artifact",
                                                    "oci-mediatypes",
                                                    "rewrite-timestamp",
                                                    "tag",
                                                    "registry.insecure"};
constexpr std::array<std::string_view, 3> kForeign = {"gha", "s3", "azblob"};

Error invalid(std::string_view text, const std::string& problem) {
    return {ErrorCode::InvalidInput, "cache '" + oci::printable(text) + "': " + problem};
}

/// One line of comma-separated values: a field in double quotes may hold commas, and quotes doubled (RFC 4180).
std::vector<std::string> comma_separated(std::string_view text) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool starts = fields.back().empty() && (i == 0 || text[i - 1] == ',');
        if (quoted && text.substr(i, 2) == "\"\"") {
            fields.back() += '"';
            ++i;
        } else if (quoted || starts) {
            if (text[i] == '"') {
                quoted = !quoted;
            } else if (!quoted && text[i] == ',') {
                fields.emplace_back();
            } else {
                fields.back() += text[i];
            }
        } else if (text[i] == ',') {
            fields.emplace_back();
        } else {
            fields.back() += text[i];
        }
    }
    if (quoted) {
        throw invalid(text, "a quote is not closed");
    }
    return fields;
}

using Options = std::map<std::string, std::string>;

Options read_options(std::string_view text) {
    Options options;
    const std::vector<std::string> fields = comma_separated(text);
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const std::string_view field = trim(fields[i]);
        const std::size_t equals = field.find('=');
        if (equals == std::string_view::npos) {
            if (i > 0 || field.empty()) {
                throw invalid(text, "'" + oci::printable(field) + "' is not of the form KEY=VALUE");
            }
            options.emplace("type", "registry");
            options.emplace("ref", field);
            continue;
        }
        const std::string key = to_lower(trim(field.substr(0, equals)));
        if (!options.emplace(key, field.substr(equals + 1)).second) {
            throw invalid(text, "'" + key + "' stands twice");
        }
    }
    return options;
}

void check_keys(const Options& options, std::string_view text) {
    for (const auto& [key, value] : options) {
        if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
            const auto near = nearest(key, kKeys);
            Error error = invalid(text, "unknown key '" + oci::printable(key) + "'");
            error.advise(near ? "did you mean " + std::string(*near) + "?"
                              : "type=registry,ref=NAME or type=local,src=DIR (dest=DIR)");
            throw error;
        }
    }
}

std::string value_of(const Options& options, const std::string& key) {
    const auto found = options.find(key);
    return found == options.end() ? std::string() : found->second;
}

bool flag_of(const Options& options, const std::string& key, std::string_view text) {
    const std::string value = to_lower(value_of(options, key));
    if (value.empty() || value == "false" || value == "0") {
        return false;
    }
    if (value != "true" && value != "1") {
        throw invalid(text, key + " is true or false");
    }
    return true;
}

CachePlace::Type type_of(const Options& options, std::string_view text) {
    const std::string type = value_of(options, "type");
    if (type == "registry") {
        return CachePlace::Type::Registry;
    }
    if (type == "local") {
        return CachePlace::Type::Local;
    }
    if (type == "inline") {
        return CachePlace::Type::Inline;
    }
    if (std::find(kForeign.begin(), kForeign.end(), type) != kForeign.end()) {
        Error error(ErrorCode::Unsupported, "caches of type " + type + " are not supported");
        error.advise("type=registry,ref=NAME; or type=local,dest=DIR and the workflow's own cache action for DIR");
        throw error;
    }
    Error error = invalid(text, type.empty() ? "type is missing" : "unknown type '" + oci::printable(type) + "'");
    error.advise("registry, local or inline");
    throw error;
}

bool is_max(const Options& options, std::string_view text) {
    const std::string mode = value_of(options, "mode");
    if (!mode.empty() && mode != "min" && mode != "max") {
        throw invalid(text, "mode is min or max, not '" + oci::printable(mode) + "'");
    }
    return mode == "max";
}

/// `directory_key`: "src" or "dest". `needs_reference`: what an Inline cache is of.
CachePlace parse(std::string_view text, const std::string& directory_key, bool reads) {
    const Options options = read_options(text);
    CachePlace place;
    place.type = type_of(options, text);
    check_keys(options, text);
    place.max = is_max(options, text);
    place.ignore_error = flag_of(options, "ignore-error", text);
    place.reference = value_of(options, "ref");
    if (place.reference.starts_with(kDockerPrefix)) {
        place.reference.erase(0, kDockerPrefix.size());
    }
    place.directory = value_of(options, directory_key);
    if (place.type == CachePlace::Type::Registry && place.reference.empty()) {
        throw invalid(text, "ref is missing: the cache's name in a registry");
    }
    if (place.type == CachePlace::Type::Local && place.directory.empty()) {
        throw invalid(text, directory_key + " is missing: the cache's directory");
    }
    if (place.type == CachePlace::Type::Inline && reads && place.reference.empty()) {
        throw invalid(text, "ref is missing: the image that was exported with the cache in it");
    }
    if (!place.reference.empty()) {
        static_cast<void>(oci::Reference::parse(place.reference));
    }
    return place;
}

}  // namespace

CachePlace CachePlace::parse_from(std::string_view text) {
    return parse(text, "src", true);
}

CachePlace CachePlace::parse_to(std::string_view text) {
    return parse(text, "dest", false);
}

}  // namespace cooper::build
