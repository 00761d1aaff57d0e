#include "build/project/setting_checks.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/http.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/hash_tags.hpp"
#include "cooper/build/ignore.hpp"
#include "cooper/oci/platform.hpp"
#include "cooper/oci/reference.hpp"

#include "build/paths.hpp"
#include "build/project/setting_keys.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <string>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxTagPart = 128;  // a tag is no longer (distribution specification 1.1)
constexpr std::size_t kMaxLine = 4096;    // no path, pattern or requirement is longer

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_tag_character(char c) {
    return is_letter_or_digit(c) || c == '_' || c == '.' || c == '-';
}

bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
    throw Error(ErrorCode::InvalidInput, "\"" + oci::printable(text) + "\" " + why);
}

void check_line(std::string_view text) {
    if (text.empty()) {
        refuse(text, "is empty");
    }
    if (std::any_of(text.begin(), text.end(), is_control)) {
        refuse(text, "has a control character");
    }
    if (text.size() > kMaxLine) {
        refuse(text, "is longer than " + std::to_string(kMaxLine) + " bytes");
    }
}

void check_part_of_tag(std::string_view text, const std::string& what) {
    if (text.size() > kMaxTagPart || !std::all_of(text.begin(), text.end(), is_tag_character)) {
        refuse(text, "is no " + what + ": letters, digits, '_', '.' and '-', at most " + std::to_string(kMaxTagPart));
    }
}

/// A C identifier, as Jinja and shells have them.
bool is_identifier(std::string_view text) {
    return !text.empty() && text.size() <= kMaxTagPart && (text[0] < '0' || text[0] > '9') &&
           std::all_of(text.begin(), text.end(), [](char c) { return is_letter_or_digit(c) || c == '_'; });
}

/// A path below the root; returns it without "." and empty components.
std::string path_below(std::string_view text) {
    check_line(text);
    const auto parts = split(text, '/');
    if (text.starts_with('/') || std::find(parts.begin(), parts.end(), "..") != parts.end()) {
        refuse(text, "leaves the root: paths begin there, without '/' in front and without '..'");
    }
    return clean_path(text);
}

}  // namespace

void check_base(std::string_view text) {
    if (text != "scratch") {
        oci::Reference::parse(text);
    }
}

void check_version(std::string_view text) {
    if (text.empty() || !is_letter_or_digit(text.front())) {
        refuse(text, "is no version: it begins with a letter or digit");
    }
    check_part_of_tag(text, "version that a tag can hold");
}

void check_suffix(std::string_view text) {
    check_part_of_tag(text, "suffix of tags");
}

void check_registry_prefix(std::string_view text) {
    if (text.ends_with('/')) {
        refuse(text, "ends with '/'");
    }
    // The name that comes behind it makes the last ':' a port's.
    const auto reference = oci::Reference::parse(std::string(text) + "/name");
    if (reference.tag() || reference.digest()) {
        refuse(text, "is no registry with a path: it names an image");
    }
}

void check_repository(std::string_view text) {
    const auto reference = oci::Reference::parse(text);
    if (reference.tag() || reference.digest()) {
        refuse(text, "is no repository: tags and digests are made by cooper, or named as \"tags\"");
    }
}

void check_custom_tag(std::string_view text) {
    if (text.find_first_of(":/") == std::string_view::npos) {
        check_tag(text, "custom tag");
        return;
    }
    const auto reference = oci::Reference::parse(text);
    if (!reference.tag() || reference.digest()) {
        refuse(text, "is neither a tag (\"dev\") nor a whole name (\"ghcr.io/acme/app:dev\")");
    }
}

void check_target(std::string_view text) {
    check_part_of_tag(text, "name of a stage");
    if (text.empty() || !is_letter_or_digit(text.front())) {
        refuse(text, "is no name of a stage: it begins with a letter or digit");
    }
}

void check_platform(std::string_view text) {
    oci::Platform::parse(text);
}

void check_runtime_api_url(std::string_view text) {
    if (!Url::parse(text).query.empty()) {
        refuse(text.substr(0, text.find('?')), "is followed by a query: the API's base URL has none");
    }
}

void check_pattern(std::string_view text) {
    check_line(text);
    // What Go would not compile shows when a path is asked for, not before.
    static_cast<void>(Dockerignore(std::vector{std::string(text)}).excludes("x"));
}

void check_file_below(std::string_view text) {
    if (path_below(text).empty()) {
        refuse(text, "is the root itself, not a file or directory below it");
    }
}

void check_source_below(std::string_view text) {
    path_below(text);
}

void check_dependency(std::string_view text) {
    check_line(text);
}

void check_variable_name(std::string_view text) {
    if (!is_identifier(text)) {
        refuse(text, "is no variable's name: letters, digits and '_', not beginning with a digit");
    }
}

void check_build_arg_name(std::string_view text) {
    if (!is_identifier(text)) {
        refuse(text, "is no build argument's name: letters, digits and '_', not beginning with a digit");
    }
}

void check_image_name(std::string_view name) {
    if (name.find_first_of("/:@") != std::string_view::npos) {
        refuse(name, "is no image's name: registry and tag are said by other keys");
    }
    oci::Reference::parse("localhost/" + std::string(name));
}

}  // namespace cooper::build
