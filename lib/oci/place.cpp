#include "cooper/oci/place.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "oci/printable.hpp"

#include <array>
#include <filesystem>
#include <utility>

namespace cooper::oci {

namespace {

using Kind = PlaceName::Kind;
using Use = PlaceName::Use;

constexpr std::array<std::pair<std::string_view, Kind>, 6> kTransports{{{"docker://", Kind::Registry},
                                                                        {"docker-archive:", Kind::DockerArchive},
                                                                        {"docker-daemon:", Kind::DockerDaemon},
                                                                        {"oci:", Kind::OciLayout},
                                                                        {"oci-archive:", Kind::OciArchive},
                                                                        {"store:", Kind::Store}}};

/// Skopeo has these as well; without this list they would be taken for images called "dir".
constexpr std::array<std::string_view, 4> kOtherTransports{"dir:", "containers-storage:", "tarball:", "ostree:"};

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
    throw Error(ErrorCode::InvalidInput, "\"" + printable(text) + "\": " + why);
}

std::optional<Reference> try_reference(std::string_view text) {
    try {
        return Reference::parse(text);
    } catch (const Error&) {
        return std::nullopt;
    }
}

bool is_number(std::string_view text) {
    return parse_uint(text).has_value();
}

/// What stands behind the path of a docker-archive: NAME:TAG or @INDEX.
bool is_image_of_archive(std::string_view text) {
    return text.starts_with('@') ? is_number(text.substr(1)) : !text.ends_with(".tar") && try_reference(text);
}

/// What stands behind the path of a layout: choose_entry's argument.
bool is_entry_of_layout(std::string_view text) {
    return !text.empty() && !text.starts_with('/') && !text.starts_with('.');
}

/// PATH and what stands behind it.
struct Split {
    std::string_view path;
    std::string_view rest;
};

/// What exists decides where the path ends: the longest path wins.
template <class IsRest>
std::optional<Split> split_existing(std::string_view text, IsRest&& is_rest) {
    std::error_code ignored;
    for (std::size_t end = text.size(); end != std::string_view::npos && end > 0; end = text.rfind(':', end - 1)) {
        const std::string_view path = text.substr(0, end);
        if (!std::filesystem::exists(std::filesystem::path(path), ignored)) {
            continue;
        }
        if (end == text.size()) {
            return Split{path, {}};
        }
        if (is_rest(text.substr(end + 1))) {
            return Split{path, text.substr(end + 1)};
        }
    }
    return std::nullopt;
}

/// The first colon that something meaningful follows; none: all is the path.
template <class IsRest>
Split split_new(std::string_view text, IsRest&& is_rest) {
    for (std::size_t colon = text.find(':'); colon != std::string_view::npos; colon = text.find(':', colon + 1)) {
        if (is_rest(text.substr(colon + 1))) {
            return {text.substr(0, colon), text.substr(colon + 1)};
        }
    }
    return {text, {}};
}

template <class IsRest>
Split split(std::string_view text, Use use, IsRest&& is_rest) {
    if (text == "-" || text.starts_with("-:")) {
        return {text.substr(0, 1), text.substr(std::min<std::size_t>(2, text.size()))};
    }
    if (use == Use::Read) {
        if (const auto existing = split_existing(text, is_rest)) {
            return *existing;
        }
    }
    return split_new(text, is_rest);
}

void parse_archive(PlaceName& place, std::string_view text, Use use) {
    const Split parts = split(text, use, is_image_of_archive);
    place.path = parts.path;
    if (parts.rest.starts_with('@')) {
        if (use == Use::Write) {
            refuse(text, "@INDEX chooses an image to read; what is written needs NAME:TAG");
        }
        if (!is_number(parts.rest.substr(1))) {
            refuse(text, "@INDEX is a number, from 0");
        }
        place.which = parts.rest;
    } else if (!parts.rest.empty()) {
        place.reference = Reference::parse(parts.rest);
    }
}

void parse_layout(PlaceName& place, std::string_view text, Use use) {
    const Split parts = split(text, use, is_entry_of_layout);
    place.path = parts.path;
    place.which = parts.rest;
    if (use == Use::Write && place.which.starts_with('@')) {
        refuse(text, "@… chooses an image to read; what is written needs a name");
    }
    if (!is_valid_utf8(place.which) || place.which.size() > 255) {
        refuse(text, "the name in an OCI layout is UTF-8 text of at most 255 bytes");
    }
}

void parse_daemon(PlaceName& place, std::string_view text, Use use) {
    if (Digest::try_parse(text)) {
        if (use == Use::Write) {
            refuse(text, "an image goes into an engine under a name, not under an ID");
        }
        place.which = text;
    } else {
        place.reference = Reference::parse(text);
    }
}

void parse_named(PlaceName& place, std::string_view text, Use use) {
    place.reference = Reference::parse(text);
    if (use == Use::Write && place.reference->digest()) {
        refuse(text, "an image is written under a tag; its digest follows from its bytes");
    }
}

}  // namespace

PlaceName PlaceName::parse(std::string_view text, Use use) {
    PlaceName place;
    std::string_view rest = text;
    for (const auto& [prefix, kind] : kTransports) {
        if (text.starts_with(prefix)) {
            place.kind = kind;
            rest = text.substr(prefix.size());
        }
    }
    for (const std::string_view other : kOtherTransports) {
        if (rest.size() == text.size() && text.starts_with(other)) {
            throw Error(ErrorCode::Unsupported,
                        "\"" + printable(text) + "\": there are no places " + std::string(other) + " here")
                .advise(
                    "docker://, docker-archive:, docker-daemon:, oci:, oci-archive: and store: are known; an image "
                    "of that name is docker://" +
                    std::string(text));
        }
    }
    if (rest.empty()) {
        refuse(text, "what comes after the colon?");
    }
    switch (place.kind) {
        case Kind::Registry:
        case Kind::Store:
            parse_named(place, rest, use);
            break;
        case Kind::DockerArchive:
            parse_archive(place, rest, use);
            break;
        case Kind::DockerDaemon:
            parse_daemon(place, rest, use);
            break;
        case Kind::OciLayout:
            parse_layout(place, rest, use);
            if (place.is_stream()) {
                refuse(text, "an OCI layout is a directory; oci-archive:- is a stream");
            }
            break;
        case Kind::OciArchive:
            parse_layout(place, rest, use);
            break;
    }
    return place;
}

std::string PlaceName::text() const {
    std::string text;
    for (const auto& [prefix, each] : kTransports) {
        if (each == kind) {
            text = prefix;
        }
    }
    text += path;
    const std::string behind = reference ? reference->text() : which;
    return text + (path.empty() || behind.empty() ? "" : ":") + behind;
}

}  // namespace cooper::oci
